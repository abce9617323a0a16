// May a certificate be used at this moment, and for this address?
#pragma once

#include "keyring/entry.hpp"

#include <optional>
#include <string>

namespace lockbox::keyring {

enum class Unusable {
    revoked,
    former, ///< not for this address any more
    not_yet_valid,
    expired,
    ended, ///< for this address alone: Binding::good_until
    cannot_encrypt,
};

struct WhyUnusable {
    Unusable kind = Unusable::cannot_encrypt;
    std::optional<Time> since;       ///< when it expired, or from when it is valid
    std::string former_because = {}; ///< Binding::reason
    std::string issuer = {};         ///< X.509: whose certificate, above it, is out of date; empty: its own
    /// "certificate expired on 2026-01-02": the words that list, explain, the SMTP reply and the log share.
    [[nodiscard]] std::string describe() const;
    bool operator==(const WhyUnusable&) const = default;
};

/// nullopt: usable, for the addresses that it is bound to. Otherwise the first reason, in the order a person
/// would give it.
[[nodiscard]] std::optional<WhyUnusable> why_unusable(const Entry& entry, Time now);

/// The same for the address of the binding, which is active or a former one.
[[nodiscard]] std::optional<WhyUnusable> why_unusable(const Entry& entry, const Binding& binding, Time now);

/// The key to encrypt to at that moment: the newest that is neither revoked nor expired nor of the future, as
/// GnuPG chooses; of two made in the same second the one with the smaller fingerprint. Null: there is none.
[[nodiscard]] const crypto::EncryptionKey* encryption_key_at(const Entry& entry, Time now);

/// The moment from which the certificate is not usable any more, as it stands; nullopt: never.
[[nodiscard]] std::optional<Time> usable_until(const Entry& entry);

/// The same for the address of the binding.
[[nodiscard]] std::optional<Time> usable_until(const Entry& entry, const Binding& binding);

} // namespace lockbox::keyring
