// Signatures of S/MIME: who made them, for which address, and who vouches for that.
#pragma once

#include "base/time.hpp"
#include "crypto/openssl_handles.hpp"
#include "crypto/revocation.hpp"
#include "crypto/trusted_authorities.hpp"
#include "mail/address.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::crypto {

/// More certificates or signers are not looked at: each costs the time of a signature's check.
constexpr std::size_t cms_certificates_max = 50;
constexpr std::size_t cms_signers_max = 10;

/// Whom the reader trusts to say who somebody is. Without any, no chain is checked.
struct Authorities {
    TrustedAuthorities trusted;
    /// What they, and those below them, have revoked. Null: no lists were given.
    std::shared_ptr<const RevocationLists> revocations;
};

/// What is known of a signer's certificate.
enum class ChainState {
    not_checked,       ///< no authority was given
    good,              ///< and in none of the lists that were given: the network is not asked
    revoked,           ///< it, or one above it
    expired,           ///< it, or one above it, or not valid yet
    unknown_authority, ///< it leads to none of the given ones
    wrong_use,         ///< it is not for signing mail
    broken,            ///< a signature in it does not verify, a constraint is violated, …
};

struct CmsSignature {
    std::string fingerprint; ///< of the signer's certificate; empty: the message does not have it
    std::string subject;     ///< "CN=…,O=…"
    std::vector<mail::Address> addresses; ///< that the certificate is for
    bool good = false;                    ///< over these bytes, by the key of this certificate
    ChainState chain = ChainState::not_checked;
    std::string summary;           ///< signature and chain in words
    std::optional<Time> signed_at; ///< what the signer says
};

/// Verifies a detached signature (multipart/signed) over exactly these bytes. Never throws for what is in
/// the message: signatures that cannot be read are ones that are not good. Where several people signed and
/// one of the signatures is bad, all are.
[[nodiscard]] std::vector<CmsSignature> verify_detached(std::string_view content,
                                                        std::string_view signed_data,
                                                        const Authorities& authorities, Time now);

struct OpaqueSigned {
    std::string content; ///< what was signed, whether the signature is good or not
    std::vector<CmsSignature> signatures;
};
/// Verifies a SignedData that has its content in it (smime-type=signed-data). nullopt: it has none, or is
/// damaged.
[[nodiscard]] std::optional<OpaqueSigned> verify_opaque(std::string_view signed_data,
                                                        const Authorities& authorities, Time now);

} // namespace lockbox::crypto
