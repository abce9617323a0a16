// Base64, hexadecimal, digests and random bytes, through OpenSSL.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace lockbox {

/// Base64 (RFC 4648 §4) in one line.
[[nodiscard]] std::string base64_encode(std::string_view bytes);

/// Base64 of a MIME body, an armor or a header field (RFC 2045 §6.8): white space anywhere is passed over.
/// nullopt: another character outside the alphabet, or wrong padding.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

/// Upper case, as fingerprints are written.
[[nodiscard]] std::string hex_encode(std::string_view bytes);
/// Either case; nullopt: an odd number of digits or something that is none.
[[nodiscard]] std::optional<std::string> hex_decode(std::string_view text);

/// SHA-256, 32 octets.
[[nodiscard]] std::string sha256(std::string_view bytes);
/// The same of the concatenation of `pieces`.
[[nodiscard]] std::string sha256(std::span<const std::string_view> pieces);

/// From OpenSSL's generator. Throws Error(engine) when it has no entropy: nothing predictable comes out.
[[nodiscard]] std::string random_bytes(std::size_t octets);

} // namespace lockbox
