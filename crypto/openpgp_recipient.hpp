// The recipients of an OpenPGP message: the session key, encrypted to a key on a certificate.
#pragma once

#include "crypto/aes_key.hpp"
#include "crypto/certificate.hpp"
#include "crypto/openssl_handles.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace lockbox::crypto {

/// Of a key packet of version 4: 40 upper-case digits (RFC 9580 §5.5.4.2). nullopt: it is no such packet.
[[nodiscard]] std::optional<std::string> openpgp_key_fingerprint(std::string_view key_packet_body);

/// A certificate's encryption key, ready to have session keys encrypted to it. Not to be used by two threads
/// at once.
class OpenPgpRecipient {
public:
    /// Reads Certificate::encryption_key off the certificate. Nothing but that key's packet is looked at: who
    /// made the certificate usable has judged its signatures, and named the key by its fingerprint, which is
    /// a digest of all that is used of the packet.
    ///
    /// nullopt: the certificate has no key with that fingerprint, or the key is none of RSA or ECDH on a
    /// curve of NIST, Brainpool's, or Curve25519, with the KDF's parameters of RFC 9580 §11.5, or it is
    /// malformed. Throws Error(engine) where OpenSSL fails.
    [[nodiscard]] static std::optional<OpenPgpRecipient> from(const Certificate& certificate);

    /// A PKESK packet of version 3 (RFC 9580 §5.1.1) with a session key for AES-256. Throws Error(engine)
    /// naming the certificate.
    [[nodiscard]] std::string pkesk(const Aes256Key& session_key) const;

    /// What a key needs beside OpenSSL's form of it to agree upon another: RFC 9580 §11.5.
    struct Agreement {
        bool is_montgomery;              ///< Curve25519, whose points have one coordinate
        std::size_t shared_octets;       ///< of what both sides have in common
        const EVP_MD* digest;            ///< of the key derivation function
        std::size_t wrapping_key_octets; ///< of AES
        std::string parameters;          ///< the Param of RFC 9580 §11.5
    };

private:
    OpenPgpRecipient(std::string doing, std::string key_id, EvpKey key, std::optional<Agreement> agreement)
        : doing_(std::move(doing)), key_id_(std::move(key_id)), key_(std::move(key)),
          agreement_(std::move(agreement)) {}

    [[nodiscard]] std::string transport(const Aes256Key& session_key) const;
    [[nodiscard]] std::string agree(const Aes256Key& session_key) const;

    std::string doing_;  ///< for errors
    std::string key_id_; ///< 8 octets
    EvpKey key_;
    std::optional<Agreement> agreement_; ///< nullopt: RSA
};

} // namespace lockbox::crypto
