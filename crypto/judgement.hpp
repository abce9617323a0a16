// What judging says of a certificate, OpenPGP and X.509 alike.
#pragma once

#include "base/time.hpp"
#include "crypto/certificate.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lockbox::crypto {

constexpr std::size_t certificate_octets_max = 1U << 20; // 1 MiB: far above any usable one, far below a flood
constexpr std::size_t certificate_addresses_max = 250;   // people have three, floods have thousands
constexpr unsigned rsa_bits_min = 2048; // NIST SP 800-131A: nothing shorter; ElGamal likewise

/// A key that messages can be encrypted to: an OpenPGP primary key or subkey, or an X.509 certificate's only
/// one, which has the fingerprint and the dates of the certificate.
struct EncryptionKey {
    std::string fingerprint;
    std::string algorithm; ///< as GnuPG names it: "rsa3072", "cv25519", "nistp256"
    Time created;
    std::optional<Time> expires;
    bool revoked = false;
    bool operator==(const EncryptionKey&) const = default;
};

/// A name on a certificate: a User ID, or an X.509 subject or subject alternative name.
struct UserId {
    std::string text;    ///< as on the certificate, UTF-8
    std::string address; ///< the mailbox in it; empty: none
    bool revoked = false;
    /// When the self-signature that binds it ends (RFC 9580 §5.2.3.18): from then on it names nobody.
    std::optional<Time> expires{};
    bool operator==(const UserId&) const = default;
};

/// A certificate whose signatures were verified.
struct JudgedCertificate {
    Certificate certificate; ///< canonical bytes: for OpenPGP the newest self-signatures only, what is not
                             ///< bound dropped; for X.509 its DER
    std::string algorithm;   ///< of the primary key
    Time created;            ///< of the primary key; X.509: from when on it and its chain are valid
    std::optional<Time> expires;
    bool revoked = false;
    std::vector<UserId> user_ids;
    std::vector<EncryptionKey> encryption_keys; ///< expired and revoked ones included
    std::vector<std::string> warnings;          ///< sentences: SHA-1 bindings, …
    /// X.509: the certificates above it in DER, its issuer first, up to and with the authority that is
    /// trusted. Empty where a person vouched for the certificate alone.
    std::vector<std::string> chain;
    bool vouched = false; ///< X.509: a person named its fingerprint; its chain was not asked for
};

/// Why a secret key is not taken, whatever the protocol.
constexpr std::string_view secret_key_reason =
    "it is a secret key: Lockbox takes certificates only, and a secret key belongs to its owner alone";

/// Why a certificate is not taken, in words for the person who imports it.
struct Refusal {
    std::string reason;
    std::string hint;        ///< what to do; may be empty
    std::string fingerprint; ///< where it is known
    std::vector<std::string> user_ids;
};

using Judgement = std::variant<JudgedCertificate, Refusal>;

} // namespace lockbox::crypto
