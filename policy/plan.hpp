// What should happen to a message, as a value that compares and prints.
#pragma once

#include "crypto/certificate.hpp"
#include "keyring/binding.hpp"
#include "mail/address.hpp"
#include "mail/protection.hpp"
#include "policy/transaction.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lockbox::policy {

/// RFC 8689 §3: asks every MTA on the way to deliver without TLS rather than not at all. The only value is
/// "no"; whatever stands there, some MTA may take it for that.
constexpr std::string_view tls_required_field = "TLS-Required";

enum class Handling {
    sealed,
    clear,
    untouched, ///< the message as a whole stays as it came: it is out of scope, or sealed already
    served,    ///< an earlier try of this message has brought them theirs
    refused,
    deferred,
};
[[nodiscard]] std::string_view to_string(Handling handling) noexcept;

/// What was decided for one person: an envelope recipient, or somebody an alias among them stands for.
struct Decision {
    std::size_t recipient = 0;            ///< index into Transaction::recipients: the one that it came from
    std::optional<mail::Address> address; ///< nullopt: the path is no complete address
    /// The aliases on the way from the recipient to the address, outermost first; empty: the recipient
    /// itself.
    std::vector<mail::Address> via;
    Handling handling = Handling::deferred;
    std::string rule;            ///< the text of the rule that decided; empty: no rule was asked
    std::size_t rule_number = 0; ///< counted from 1 in the configuration; 0: the default, or none
    std::string reason; ///< in words: "newest of 2 usable certificates", "certificate expired on 2026-01-02"
    std::optional<crypto::Certificate> certificate; ///< where sealed
    std::optional<keyring::Binding> binding;        ///< where sealed, but for an alias's certificate
    std::vector<std::string> passed_over;           ///< other certificates: "FINGERPRINT: revoked"
    std::vector<std::string> pending;               ///< fingerprints of those that wait for approval
    mail::OuterSubject outer_subject = mail::OuterSubject::obscured; ///< where sealed
    bool operator==(const Decision&) const = default;
};

/// As people read it: the address, or the raw path where it is no complete address.
[[nodiscard]] std::string name_of(const Decision& decision, const Transaction& transaction);

/// Whom the decision's copy is sent to, and what the journal knows them by: the envelope recipient in the
/// MTA's own bytes, without angle brackets, or the address that an alias stands for.
[[nodiscard]] std::string mailbox_of(const Decision& decision, const Transaction& transaction);

/// The same bytes for everybody whose certificate is in them.
struct SealedCopy {
    std::vector<std::size_t> decisions; ///< indexes into Plan::decisions, each `sealed`
    crypto::Recipients certificates;    ///< theirs: at least one, each once, ordered by fingerprint
    bool hidden = false;                ///< for somebody whom neither To nor Cc names, so nobody shares it
    mail::OuterSubject outer_subject = mail::OuterSubject::obscured;
    bool operator==(const SealedCopy&) const = default;
};

/// The message as it came.
struct ClearCopy {
    std::vector<std::size_t> decisions; ///< indexes into Plan::decisions, each `clear` or `untouched`
    bool operator==(const ClearCopy&) const = default;
};

/// No certificate never means clear: these are two types.
using Copy = std::variant<SealedCopy, ClearCopy>;

[[nodiscard]] const std::vector<std::size_t>& decisions_of(const Copy& copy) noexcept;

/// What becomes of the whole message.
enum class Outcome {
    pass,    ///< unchanged, in place: nobody is sealed to, and nobody was served before
    deliver, ///< as the copies say
    refuse,  ///< 5xx, nobody gets anything
    defer,   ///< 4xx, nobody gets anything
};
[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;

struct Plan {
    Outcome outcome = Outcome::defer;
    std::string reason; ///< of the whole: names every recipient concerned where refused or deferred
    std::vector<Decision> decisions; ///< about every recipient of the envelope, or about those it stands for
    std::vector<Copy> copies; ///< empty unless `deliver`; all decisions but those `served` are in one each
    /// Recipients that stand for others, as indexes into Transaction::recipients: nobody is sent anything
    /// under these addresses.
    std::vector<std::size_t> expanded;
    std::string warning; ///< for the administrator; empty: none
    /// The copies go without the message's fields TLS-Required, which it has: TLS is wanted around it. The
    /// MTA has obeyed such a field by now, so that editing in place cannot do that.
    bool removes_tls_required = false;
    /// Refused for more recipients than recipients_max: `decisions` is empty.
    bool too_many_recipients = false;

    /// The copies go to others than the envelope names: editing the message in place cannot do that.
    [[nodiscard]] bool changes_recipients() const noexcept;
    [[nodiscard]] std::size_t count(Handling handling) const noexcept;
    /// Everybody who is refused is so because their path is no complete address.
    [[nodiscard]] bool refuses_addresses_alone() const noexcept;
    bool operator==(const Plan&) const = default;
};

/// Throws std::logic_error unless every copy goes to those alone who were decided to get it: a sealed one to
/// `sealed` with their own certificate in it, the clear one to `clear` or `untouched`; nobody twice, and
/// nobody who was served. A message that passes goes to its whole envelope: everybody in it was decided to be
/// `clear` or `untouched`.
void check_copies(const Plan& plan);

} // namespace lockbox::policy
