// Judging X.509 certificates for S/MIME: OpenSSL, and what it does not ask.
#pragma once

#include "crypto/judgement.hpp"
#include "crypto/openssl_handles.hpp"
#include "crypto/trusted_authorities.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::crypto {

struct X509Options {
    const TrustedAuthorities* authorities = nullptr; ///< null: none
    std::vector<std::string> intermediates;          ///< in DER; not trusted, only used to find the way up
    std::vector<std::string> vouched_for; ///< fingerprints that a person has compared, as x509_fingerprint()
                                          ///< has them
    bool subject_address = false;         ///< take the address of the subject where there is no other
    bool needs_address = true;            ///< false: somebody says for whom it is, and no name in it has to
};

/// A fingerprint as people copy it: SHA-256, either case, colons or spaces between the digits. As
/// x509_fingerprint() has it; nullopt: it is none.
[[nodiscard]] std::optional<std::string> x509_fingerprint_from(std::string_view text);

/// Judges one certificate in DER as one that messages are encrypted to.
///
/// Refuses what is none, a CA's, one whose key or usage does not allow encryption or mail, weak or
/// unsupported keys, one without an address, and one whose chain does not lead to a trusted authority, unless
/// a person vouches for its fingerprint: then nobody else has to, and everything else still holds. In a chain
/// OpenSSL's security level 2 applies: signatures with MD5 or SHA-1 and RSA keys below 2048 bit are refused.
///
/// Expired certificates and those of the future come out as judged. `now` decides only which of several
/// issuers of the same name is preferred: one that is valid.
[[nodiscard]] Judgement judge_x509(std::string_view der, const X509Options& options, Time now);

/// It belongs to a certification authority.
[[nodiscard]] bool is_authority(X509* certificate);

/// Its key usage and extended key usage leave room for encrypting mail to it. The key is not looked at.
[[nodiscard]] bool may_be_encrypted_to(X509* certificate);

/// Serial number in hexadecimal digits, without leading zeros beyond a whole octet.
[[nodiscard]] std::string serial_of(const X509* certificate);

} // namespace lockbox::crypto
