// The judgement: a pure function from transaction, policy, certificates and time to a plan.
#pragma once

#include "policy/config.hpp"
#include "policy/plan.hpp"
#include "policy/search.hpp"
#include "policy/transaction.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace lockbox::policy {

/// The recipients whose certificates and aliases judge() will ask the view for; each once, mailboxes only.
/// Empty where the message is not in scope or already sealed, or where no rule for its sender seals anything:
/// then no keyring is needed.
[[nodiscard]] std::vector<mail::Address> addresses_to_look_up(const Transaction& transaction,
                                                              const Policy& policy);

/// Asks a keyring: `Keyring::look_up()`, or what takes its place in a test.
using LookUp = std::function<keyring::Known(const mail::Address&)>;

/// The view that judge() needs: `addresses`, and everybody whom an alias among them stands for, each asked
/// for once.
[[nodiscard]] KeyringView gather(const std::vector<mail::Address>& addresses, const Policy& policy,
                                 const LookUp& look_up);

/// Whether a rule wants a certificate for one of the recipients themselves: for one that is sent to in clear,
/// only aliases are looked for.
[[nodiscard]] bool wants_certificates(const Transaction& transaction, const Policy& policy);

/// No I/O, no clock, no milter protocol. A transaction without recipients is deferred: nothing was decided
/// about anybody. A view without an address that is needed throws std::logic_error: a keyring that was not
/// asked must not look like one that has nothing.
[[nodiscard]] Plan judge(const Transaction& transaction, const Policy& policy, const KeyringView& view,
                         Time now);

/// Whether editing the message in place does what the plan says: the one copy is for all the envelope's
/// recipients, and nothing demands that the message be handed back.
[[nodiscard]] bool stays_in_place(const Plan& plan, DeliveryMode delivery) noexcept;

/// Whether the message is one that `policy` speaks about; if not, why not, in words.
[[nodiscard]] std::optional<std::string> why_out_of_scope(const Transaction& transaction,
                                                          const Policy& policy);

/// The refusal of a remote client that did not use TLS, where the policy requires it; nullopt: welcome. Asked
/// at MAIL, before the client sends the message in clear.
[[nodiscard]] std::optional<std::string> why_tls_is_missing(const Origin& origin, const Policy& policy);

} // namespace lockbox::policy
