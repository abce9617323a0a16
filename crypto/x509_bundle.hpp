// Certificates out of what they come in: PKCS#7, PKCS#12 and S/MIME signatures.
#pragma once

#include "base/time.hpp"
#include "crypto/certificate.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::crypto {

/// A whole company. Each costs a judgement of its own; more in one file throw Error(too_large).
constexpr std::size_t bundle_certificates_max = 10'000;
constexpr long passphrase_rounds_max = 10'000'000; ///< OpenSSL makes 2,048: more is meant to keep us busy

/// In DER, in the order in which they stand.
using X509Certificates = std::vector<std::string>;

/// Of a CMS SignedData, whether it signs anything or not. nullopt: it is none.
[[nodiscard]] std::optional<X509Certificates> certificates_in_pkcs7(std::string_view bytes);

/// It is a CMS SignedData that somebody has signed, not a mere wrapping of certificates.
[[nodiscard]] bool has_signers(std::string_view bytes);

struct Pkcs12Contents {
    X509Certificates certificates;
    bool locked = false; ///< some certificates are encrypted under a passphrase that is not empty
};
/// What can be had of a PKCS#12 file without a passphrase, or with an empty one, old ciphers such as RC2
/// (RFC 7292 Appendix C) included: they are allowed for this alone. Keys are not looked at. nullopt: it is
/// none. Throws Error(engine) where a cipher is missing in OpenSSL.
[[nodiscard]] std::optional<Pkcs12Contents> certificates_in_pkcs12(std::string_view bytes);

/// The certificate, in DER, of OpenSSL's TRUSTED CERTIFICATE: what somebody trusts it for stands behind it,
/// and is not believed. nullopt: it is none.
[[nodiscard]] std::optional<std::string> trusted_certificate(std::string_view bytes);

/// What the signer of a message says of the reader that receives the answer. Whether the signer may speak for
/// a certificate is for the caller to judge.
struct SignerCapabilities {
    /// AES-256-GCM where the SMIMECapabilities (RFC 8551 §2.5.2) have it, otherwise AES-256-CBC.
    ContentEncryption content_encryption = ContentEncryption::aes256_cbc;
    std::string signer;            ///< the certificate, in DER, whose key has signed this
    std::optional<Time> signed_at; ///< signingTime (§2.5.1). nullopt: none is signed
    bool operator==(const SignerCapabilities&) const = default;
};

/// A certificate to encrypt to: a signer's own, or the one to use instead.
struct SignerCertificate {
    std::string bytes;                              ///< in DER
    std::optional<SignerCapabilities> capabilities; ///< nullopt: the signer does not say
};

/// What a verified S/MIME signature tells of the signers.
struct Signers {
    /// One for each signer, in their order: the one that it names (SMIMEEncryptionKeyPreference, RFC 8551
    /// §2.5.3); else its own, if that may be encrypted to; else one in the message that may, is of the same
    /// subject and shares an address with it (§2.5.3.1), the newest one; else its own.
    std::vector<SignerCertificate> certificates;
    X509Certificates others; ///< came along with them
};
/// Verifies each signature with the key in its signer's certificate; whose that is, is still to be judged.
/// `detached` is what was signed, where the SignedData does not have it itself. Throws Error(malformed) with
/// the reason.
[[nodiscard]] Signers verify_signers(std::string_view signed_data,
                                     std::optional<std::string_view> detached = std::nullopt);

} // namespace lockbox::crypto
