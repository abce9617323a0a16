// Whose certificate a recipient is sealed to: in what the keyring said, in one place after the other.
#pragma once

#include "keyring/alias.hpp"
#include "keyring/choice.hpp"
#include "mail/address.hpp"
#include "policy/policy.hpp"

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lockbox::policy {

/// What the keyring has for the recipients of one transaction, and for those their aliases stand for, by
/// normalised address.
using KeyringView = std::map<mail::Address, keyring::Known>;

/// Throws std::logic_error where the keyring was not asked about the address: that must not look like one
/// that has nothing.
[[nodiscard]] const keyring::Known& known_in(const KeyringView& view, const mail::Address& address);

/// What the keyring has for an address: from a view, or, while the view is made, from the keyring. What it
/// refers to lasts as long as the view.
using Ask = std::function<const keyring::Known&(const mail::Address&)>;

/// The domain compares local parts exactly.
[[nodiscard]] bool is_case_sensitive(const mail::Address& address, const Policy& policy);

/// The address without its extension. nullopt: it has none, or its domain is one that is not to be
/// second-guessed.
[[nodiscard]] std::optional<mail::Address> without_extension(const mail::Address& address,
                                                             const Policy& policy);

/// The address itself; where nothing is known about it, neither a certificate, usable or not, nor an alias,
/// and something is known about the address without its extension, that one.
[[nodiscard]] mail::Address looked_up_as(const mail::Address& address, const Policy& policy, const Ask& ask);

/// The alias of the address, as it is looked up; null: none, or one that differs in the case of the local
/// part where that counts.
[[nodiscard]] const keyring::Alias* alias_of(const mail::Address& address, const Policy& policy,
                                             const Ask& ask);

/// What was found for somebody.
struct Search {
    std::optional<crypto::Certificate> certificate; ///< nullopt: none that is usable
    std::string reason;                             ///< why this one
    std::optional<keyring::Binding> binding;        ///< its; nullopt: none was found, or an alias names it
    std::vector<std::string> unusable;              ///< why the others are
    std::vector<std::string> pending;               ///< fingerprints of those that wait for approval
    std::vector<std::string> passed_over;           ///< "FINGERPRINT: certificate revoked"
};

/// An alias for a certificate is somebody's word that it is the right one, and comes first. That of the
/// domain comes last: for those who have nothing usable themselves.
[[nodiscard]] Search search_for(const mail::Address& address, const keyring::WantedProtocol& wanted,
                                const Policy& policy, const KeyringView& view, Time now);

} // namespace lockbox::policy
