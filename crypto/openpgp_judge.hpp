// Judging OpenPGP certificates: GnuPG, through GPGME, in a GNUPGHOME that exists only for that.
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
constexpr std::size_t certificate_signatures_max =
    5000;                               // well-connected people have 2,000; floods have 100,000
constexpr unsigned rsa_bits_min = 2048; // NIST SP 800-131A: nothing shorter; ElGamal likewise

/// A key that messages can be encrypted to: the primary key or a subkey.
struct EncryptionKey {
    std::string fingerprint;
    std::string algorithm; ///< as GnuPG names it: "rsa3072", "cv25519"
    Time created;
    std::optional<Time> expires;
    bool revoked = false;
    bool operator==(const EncryptionKey&) const = default;
};

struct UserId {
    std::string text;    ///< as on the certificate, UTF-8
    std::string address; ///< the mailbox in it, as GnuPG reads it; empty: none
    bool revoked = false;
    bool operator==(const UserId&) const = default;
};

/// What GnuPG says of a certificate whose self-signatures it verified.
struct JudgedCertificate {
    Certificate certificate; ///< canonical bytes: newest self-signatures only, what is not bound dropped
    std::string algorithm;   ///< of the primary key
    Time created;            ///< of the primary key
    std::optional<Time> expires;
    bool revoked = false;
    std::vector<UserId> user_ids;
    std::vector<EncryptionKey> encryption_keys; ///< expired and revoked ones included
    std::vector<std::string> warnings;          ///< sentences: SHA-1 bindings, …
};

/// Why a certificate is not taken, in words for the person who imports it.
struct Refusal {
    std::string reason;
    std::string hint;        ///< what to do; may be empty
    std::string fingerprint; ///< where it is known
    std::vector<std::string> user_ids;
};

using Judgement = std::variant<JudgedCertificate, Refusal>;

/// Verifies and canonicalises one transferable public key (binary). `known`, where not empty, are the
/// canonical bytes of the same certificate as stored: both are merged first, so a revocation is never lost.
///
/// Refuses what GnuPG does not accept as a certificate, secret keys, unsupported versions, flooded and
/// oversized ones, weak keys, no User ID, no encryption-capable key. Expired and revoked certificates come
/// out as judged: whether they are refused depends on whether the keyring knows them. Throws Error(engine)
/// when GnuPG cannot be run.
[[nodiscard]] Judgement judge_openpgp(std::string_view transferable_public_key, std::string_view known = {});

/// The fingerprint of a v4 primary key at the beginning of a transferable key (RFC 9580 §5.5.4.2). nullopt:
/// it begins with something else.
[[nodiscard]] std::optional<std::string> openpgp_fingerprint(std::string_view transferable_key);

} // namespace lockbox::crypto
