// The recipients of a CMS message: the content key, wrapped for the owner of a certificate.
#pragma once

#include "crypto/aes_key.hpp"
#include "crypto/certificate.hpp"
#include "crypto/openssl_handles.hpp"

#include <string>

namespace lockbox::crypto {

/// A certificate, ready to have content keys wrapped for its owner. Not to be used by two threads at once.
class CmsRecipient {
public:
    /// Reads the certificate and looks at its key, once for all messages. Throws Error(engine), or
    /// Error(malformed) for a key that cannot be used, naming the certificate where it cannot be read, or
    /// where its key is neither RSA nor on an elliptic curve for ECDH.
    explicit CmsRecipient(const Certificate& certificate);

    /// A RecipientInfo (RFC 5652 §6.2) in DER that names the certificate by its issuer and serial number: RSA
    /// gets the content key by PKCS #1 v1.5 (RFC 3370 §4.2.1), an elliptic curve by ephemeral-static ECDH
    /// with the SHA-256 KDF and AES-256 key wrap (RFC 5753 §3.1). Throws Error(engine), or Error(malformed)
    /// for a key that cannot be used, naming the certificate.
    [[nodiscard]] std::string recipient_info(const Aes256Key& content_key) const;

    /// Whether that is a KeyAgreeRecipientInfo, upon which the version of an EnvelopedData depends.
    [[nodiscard]] bool agrees() const noexcept { return agrees_; }

private:
    [[nodiscard]] std::string transport(const Aes256Key& content_key) const;
    [[nodiscard]] std::string agree(const Aes256Key& content_key) const;

    std::string doing_; ///< for errors
    EvpKey key_;
    EvpKeyContext context_;  ///< RSA: encrypts; elliptic curve: generates keys on it
    std::string identifier_; ///< IssuerAndSerialNumber (RFC 5652 §10.2.4) in DER
    bool agrees_ = false;
};

} // namespace lockbox::crypto
