// Whether a public key is one at all: before anything is sealed to it.
#pragma once

#include "crypto/openssl_handles.hpp"

#include <optional>
#include <string>

namespace lockbox::crypto {

/// Why whoever takes the trouble reads what is sealed to the key, or forges what it signs: words about "its"
/// key. nullopt: nobody known does. RSA needs 2048 bit, anything else a strength of 112 (NIST SP 800-131A);
/// an RSA exponent is greater than 2^16 (FIPS 186-5 §5.1): with 1 the ciphertext is the plaintext, and with 3
/// flawed programs are deceived. Looks at sizes only, and takes no time. Throws Error(engine).
[[nodiscard]] std::optional<std::string> why_key_is_weak(const EVP_PKEY* key);

/// Why nothing may be sealed to the key, or believed of its signatures, in words that stand alone: "weak: …"
/// as above, "damaged key: …", or "unsupported key: …" for RSA beyond 16384 bit, which takes OpenSSL too
/// long. nullopt: nothing speaks against it. Modulus and exponent of RSA are odd; the rest is asked of
/// EVP_PKEY_public_check(), which takes a millisecond. The kind of a key and its curve are not judged. Throws
/// Error(engine) where OpenSSL fails at the check itself.
[[nodiscard]] std::optional<std::string> why_key_is_bad(const EVP_PKEY* key);

} // namespace lockbox::crypto
