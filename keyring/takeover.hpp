// What an import may do to bindings: nobody's mail changes hands without a person's word, or a proof that it
// is a renewal.
#pragma once

#include "keyring/alias.hpp"
#include "keyring/entry.hpp"
#include "keyring/keyring.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lockbox::keyring {

/// That a certificate may be used for an address, as somebody says.
struct Proposal {
    mail::Address address;
    Trust trust = Trust::manual;
    std::string source{};
    bool assigned = false;  ///< Binding::assigned
    bool by_person = false; ///< a person named this very address
    std::optional<Time> good_until{};
};

/// What is known about a certificate and its rivals before their bindings are looked at.
struct Grounds {
    std::vector<Proposal> proposals;
    bool replace = false; ///< a person says that the certificate takes the place of others
    /// Of which certificates this one is a renewal for an address, by their fingerprint; in words, why.
    std::map<std::pair<mail::Address, std::string>, std::string> renews;
};

/// An address for which the certificate is not used, though it was proposed.
struct Waiting {
    mail::Address address;
    BindingState state = BindingState::pending; ///< or rejected, or former
    std::string rival;                          ///< whose place it would take, a fingerprint; empty: nobody's
    std::string why;                            ///< in words
};

/// What becomes of the bindings.
struct Rebound {
    std::vector<Binding> own;
    std::vector<Rebinding> of_others; ///< what a person's word makes of the rivals'
    std::vector<Waiting> waiting;
    std::vector<std::string> remarks; ///< sentences: that it is a renewal, and of what
};

/// The certificate that mail to the address is sealed to, beside `fingerprint`, or would be if it were
/// usable.
struct Rival {
    std::string fingerprint;
    crypto::Protocol protocol = crypto::Protocol::openpgp;
    std::optional<Binding> binding; ///< nullopt: an alias stands for it
};

/// Of an address, and of the addresses that it stands for when nothing is known about it, one of which
/// `base_of` gives (policy's subaddresses). Active bindings and the alias of the domain, in the order of what
/// is known.
using BaseOf = std::function<std::optional<mail::Address>(const mail::Address&)>;
[[nodiscard]] std::vector<Rival> rivals_of(const std::string& fingerprint, const mail::Address& address,
                                           const Keyring::LookUp& look_up, const BaseOf& base_of);

/// What becomes of the bindings of `entry`, whose bindings are those from before:
/// - a User ID that is revoked makes its address a former one, for good, as does one that is gone;
/// - an address that the certificate has had stays what it is; a former one comes back where nobody else has
///   the address now, unless it was revoked;
/// - a new address becomes active where nobody has it and the certificate is new, or a person named it;
/// - everything else waits for a person, unless `grounds` have the word of one, or say that it is a renewal.
///   What is pinned is replaced by neither.
[[nodiscard]] Rebound rebind_at_import(const Entry& entry, const Grounds& grounds,
                                       const Keyring::LookUp& look_up, const BaseOf& base_of, Time now);

} // namespace lockbox::keyring
