// An RSA key for self-tests.
#pragma once

#include "crypto/certificate.hpp"
#include "crypto/openssl_handles.hpp"

namespace lockbox::crypto {

/// An RSA key of 2,048 bits with its secret part. Everybody can read it in the source: it opens messages that
/// a self-test has made, and nothing else. To make one at each start would take up to half a second. Throws
/// Error(engine) where OpenSSL does not read it.
[[nodiscard]] EvpKey self_test_rsa_key();

/// An OpenPGP certificate whose encryption subkey is that key.
[[nodiscard]] Certificate self_test_openpgp_certificate();

} // namespace lockbox::crypto
