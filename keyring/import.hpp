// Importing certificates: from bytes of any kind to entries in the keyring, with an outcome for each.
#pragma once

#include "crypto/revocation.hpp"
#include "crypto/seal.hpp"
#include "crypto/x509_judge.hpp"
#include "keyring/keyring.hpp"
#include "keyring/takeover.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::keyring {

/// Different certification authorities in one input that has other certificates, too: each is looked at for
/// each of these. A company has a few; a hundred and more are a browser's list, which helps nobody here.
constexpr std::size_t input_authorities_max = 100;

/// An import warns of what ends sooner.
constexpr std::chrono::days end_is_near{30};

enum class Outcome {
    added,
    updated,
    unchanged,
    pending,   ///< it is kept, and not used for any address: a person has to approve of it
    authority, ///< a certification authority's, beside others: it helped to judge them, nothing is sealed to
               ///< it
    refused,
};
/// "new", "updated", "unchanged", "pending", "authority", "refused".
[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;

struct ImportResult {
    Outcome outcome = Outcome::refused;
    std::string reason;                 ///< why refused; otherwise empty
    std::string hint;                   ///< what to do about it; may be empty
    std::string where;                  ///< "attachment bob.asc"; empty: the input itself
    std::string fingerprint;            ///< empty where it could not be read
    std::vector<std::string> addresses; ///< what it is used for
    std::vector<Waiting> waiting;       ///< what it is not used for, though it was offered for that
    std::vector<std::string> user_ids;  ///< of refused ones too, where they could be read
    std::optional<Time> usable_until;   ///< nullopt: no end, or not usable
    std::string why_unusable;           ///< of one that is kept, but not sealed to; otherwise empty
    std::vector<std::string> warnings;  ///< SHA-1 bindings, now revoked, soon to expire, …
    std::vector<std::string> remarks;   ///< that it renews another one, and why that is known
};

/// Something of it waits for a person.
[[nodiscard]] bool is_pending(const ImportResult& result);

/// What an administrator says about the certificates.
struct ImportOptions {
    std::optional<mail::Address> address; ///< the input's one certificate is for it, and for nothing else
    bool replace = false;                 ///< they take the place of others
    BaseOf base_of;                       ///< as rivals_of() has it; empty: no subaddresses
    crypto::TrustedAuthorities authorities;
    std::vector<std::string> vouched_for; ///< as crypto::x509_fingerprint_from() has them
    bool subject_address = false;         ///< take the address of the subject where there is no other
    /// What the readers read. nullopt: what they have said in a signed message, or what is stored.
    std::optional<crypto::ContentEncryption> content_encryption;
    /// What authorities have revoked is not taken in; where it is there already, that is said. Null: not
    /// known.
    std::shared_ptr<const crypto::RevocationLists> revocations;
    /// Is told after each certificate how many of the input are done, and how many there are.
    std::function<void(std::size_t done, std::size_t total)> progress;
};

/// Judges and stores every certificate in `bytes` (keyring/material.hpp says where it is looked for). One bad
/// certificate does not hide the good ones. Each is judged, by GnuPG or OpenSSL, and a trial message is
/// encrypted to it with `sealer`: only what both accept is used. rebind_at_import() says for which addresses.
/// A certificate that comes revoked is refused, and its revocation is remembered. Throws Error(malformed)
/// when there is no certificate in it at all, Error(too_large) for too many authorities, Error(usage) for
/// several certificates that are all said to be for one address, Error(engine) or Error(io) when GnuPG cannot
/// be run, and what Keyring throws.
[[nodiscard]] std::vector<ImportResult> import_certificates(std::string_view bytes, const std::string& name,
                                                            Keyring& keyring, crypto::Sealer& sealer,
                                                            Time now, const ImportOptions& options = {});

} // namespace lockbox::keyring
