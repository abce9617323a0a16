// The judgement: a pure function from transaction, policy, certificates and time to a plan.
#pragma once

#include "keyring/entry.hpp"
#include "policy/config.hpp"
#include "policy/plan.hpp"
#include "policy/transaction.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lockbox::policy {

/// What the keyring has for the recipients of one transaction, by normalised address.
using KeyringView = std::map<mail::Address, std::vector<keyring::Entry>>;

/// The recipients whose certificates judge() will ask the view for; each once, mailboxes only. Empty where
/// the message is not in scope or already sealed: then no keyring is needed.
[[nodiscard]] std::vector<mail::Address> addresses_to_look_up(const Transaction& transaction,
                                                              const Policy& policy);

/// No I/O, no clock, no libmilter. A transaction without recipients is deferred: nothing was decided about
/// anybody. A view without an address that is needed throws std::logic_error: a keyring that was not asked
/// must not look like one that has nothing.
[[nodiscard]] Plan judge(const Transaction& transaction, const Policy& policy, const KeyringView& view,
                         Time now);

/// Whether the message is one that `policy` speaks about; if not, why not, in words.
[[nodiscard]] std::optional<std::string> why_out_of_scope(const Transaction& transaction,
                                                          const Policy& policy);

/// The refusal of a remote client that did not use TLS, where the policy requires it; nullopt: welcome. Asked
/// at MAIL, before the client sends the message in clear.
[[nodiscard]] std::optional<std::string> why_tls_is_missing(const Origin& origin, const Policy& policy);

} // namespace lockbox::policy
