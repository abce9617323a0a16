// OpenPGP decryption: GnuPG with the caller's own keys and agent, through GPGME.
#pragma once

#include "base/secret.hpp"
#include "crypto/openpgp_signature.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::crypto {

constexpr std::size_t expansion_max = 100;              // as Thunderbird: more is a decompression bomb
constexpr std::size_t expansion_octets_free = 1U << 20; // what any message may open to, however small it is

struct Decrypted {
    Secret plaintext; ///< authenticated: nothing of it was shown before the end was verified
    std::vector<std::string> recipient_key_ids;
    std::vector<OpenPgpSignature> signatures;
};

/// Decrypts binary or armored packets. Withholds everything unless the whole was authenticated (MDC or AEAD).
/// Throws Error: no_secret_key where the key is not here or locked; malformed only for broken structure and
/// for data that failed authentication or has none; too_large; unavailable where gpg-agent cannot be reached,
/// where this GnuPG does not read the format, and for every other failure of GnuPG's; engine when it cannot
/// be run.
[[nodiscard]] Decrypted decrypt_openpgp(std::string_view packets);

} // namespace lockbox::crypto
