// Whether a public key is one at all: before anything is sealed to it.
#pragma once

#include "crypto/openssl_handles.hpp"

#include <optional>
#include <string>

namespace lockbox::crypto {

/// Why nothing may be sealed to the key, or believed of its signatures, in words that stand alone: "weak: …".
/// nullopt: nothing speaks against it. Whatever OpenSSL supports may come, and each is checked by
/// EVP_PKEY_public_check(). Of RSA keys also, beyond what OpenSSL asks:
/// - at least 2048 bit (NIST SP 800-131A);
/// - a public exponent that is odd and greater than 2^16 (FIPS 186-5 §5.1). With 1 the ciphertext is the
///   plaintext; with 3 a signature or a ciphertext is forged or broken by some flawed programs.
///
/// The curve of a key is not judged. Throws Error(engine) where OpenSSL fails at the check itself.
[[nodiscard]] std::optional<std::string> why_key_is_bad(const EVP_PKEY* key);

} // namespace lockbox::crypto
