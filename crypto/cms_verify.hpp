// Signatures of S/MIME: who made them, for which address, and who vouches for that.
#pragma once

#include "base/time.hpp"
#include "crypto/openssl_handles.hpp"
#include "crypto/revocation.hpp"
#include "mail/address.hpp"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockbox::crypto {

/// More certificates or signers are not looked at: each costs the time of a signature's check.
constexpr std::size_t cms_certificates_max = 50;
constexpr std::size_t cms_signers_max = 10;
/// Certificates between a signer and an authority.
constexpr int chain_length_max = 8;
constexpr std::size_t authority_file_octets_max = 4U << 20U; // Debian's bundle has 220 KiB
constexpr std::size_t authority_files_max = 1000;

/// Whom the reader trusts to say who somebody is. Without any, no chain is checked.
class Authorities {
public:
    Authorities() = default;
    /// Each path is a file with certificates, PEM or DER, or a directory of such files. Throws Error:
    /// no_input for what cannot be read, malformed for what has no certificate, too_large.
    [[nodiscard]] static Authorities read(const std::vector<std::filesystem::path>& paths);

    /// What they, and those below them, have revoked.
    void set_revocations(std::shared_ptr<const RevocationLists> lists) noexcept {
        revocations_ = std::move(lists);
    }

    [[nodiscard]] bool none() const noexcept { return store_ == nullptr; }
    [[nodiscard]] X509_STORE* store() const noexcept { return store_.get(); }
    /// Null: no lists were given.
    [[nodiscard]] const RevocationLists* revocations() const noexcept { return revocations_.get(); }

private:
    X509StoreHandle store_;
    std::shared_ptr<const RevocationLists> revocations_;
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
