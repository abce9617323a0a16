// Keys of AES, and how one is wrapped under another.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace lockbox::crypto {

constexpr std::size_t aes256_key_octets = 32;
constexpr std::size_t aes_block_octets = 16;

/// As much as is encrypted and output at once: large enough that a call for each does not count, small enough
/// to stay in the processor's first cache.
constexpr std::size_t cipher_piece_octets = 16U << 10U;

/// A key for AES-256; wiped when it is no longer needed.
struct Aes256Key {
    Aes256Key() = default;
    ~Aes256Key();
    Aes256Key(const Aes256Key&) = delete;
    Aes256Key& operator=(const Aes256Key&) = delete;

    /// From OpenSSL's random generator for secrets. Throws Error(engine).
    void make_random();

    std::array<unsigned char, aes256_key_octets> octets{};
};

/// AES key wrap (RFC 3394): of a multiple of 8 octets, at least 16, under a key of 16, 24 or 32 octets. 8
/// octets longer than what is wrapped. Throws Error(engine) "OpenSSL: `doing`: …".
[[nodiscard]] std::string aes_key_wrap(std::span<const unsigned char> octets,
                                       std::span<const unsigned char> wrapping_key, std::string_view doing);

} // namespace lockbox::crypto
