// Judging OpenPGP certificates: GnuPG, through GPGME, in a GNUPGHOME that exists only for that.
#pragma once

#include "crypto/judgement.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::crypto {

constexpr std::size_t certificate_signatures_max =
    5000; // well-connected people have 2,000; floods have 100,000

/// Signatures that name the owner as their maker, each of which GnuPG verifies: decades of renewals and
/// dozens of addresses make some hundreds.
constexpr std::size_t own_signatures_max = 1000;

/// Verifies and canonicalises one transferable public key, or a revocation that stands alone, both binary and
/// put in order by arrange_openpgp() first. `known`, where not empty, are the canonical bytes of the same
/// certificate as stored: both are merged, so a revocation is never lost. `revokers` are certificates of
/// those who may revoke it for its owner (openpgp_revokers_on()).
///
/// Refuses what GnuPG does not accept as a certificate, secret keys, unsupported versions, flooded and
/// oversized ones, weak keys, no User ID, no encryption-capable key; and a revocation alone where nothing is
/// known that it could revoke, or where it is not its owner's. Expired and revoked certificates, and those
/// from the future, come out as judged: whether they are refused depends on whether the keyring knows them.
/// Throws Error(engine) or Error(io) when GnuPG did not come to a verdict, also about `known`.
[[nodiscard]] Judgement judge_openpgp(std::string_view transferable_public_key, std::string_view known = {},
                                      std::span<const std::string> revokers = {});

/// Fingerprints of those whom the certificate names as its revokers, and who have revoked it; nothing is
/// verified.
[[nodiscard]] std::vector<std::string> openpgp_revokers_on(std::string_view transferable_public_key);

/// Who has made a revocation that stands alone: the certificate that it is for.
struct RevocationIssuer {
    std::string fingerprint; ///< empty: not said
    std::string key_id;      ///< 16 upper-case digits; empty: not said
};
/// nullopt: the bytes are something else.
[[nodiscard]] std::optional<RevocationIssuer> openpgp_revocation_issuer(std::string_view bytes);

/// A certificate to be judged, and what is known of it: the arguments of judge_openpgp().
struct OpenPgpCandidate {
    std::string_view transferable_public_key;
    std::string_view known;
};

/// What judge_openpgp() says of each, in the same order, with GnuPG started a few times for all of them and
/// not for each. nullopt: to be judged alone. That is so for all that GnuPG does not accept among the others,
/// and for what is not plain: so nothing is refused because of its neighbours, or because GnuPG broke off at
/// one of them. Throws Error(engine) when GnuPG cannot be run.
[[nodiscard]] std::vector<std::optional<Judgement>>
judge_openpgp_together(std::span<const OpenPgpCandidate> candidates);

/// The fingerprint of a v4 primary key at the beginning of a transferable key (RFC 9580 §5.5.4.2). nullopt:
/// it begins with something else.
[[nodiscard]] std::optional<std::string> openpgp_fingerprint(std::string_view transferable_key);

} // namespace lockbox::crypto
