// What should happen to a message, as a value that compares and prints.
#pragma once

#include "crypto/certificate.hpp"
#include "mail/protection.hpp"
#include "policy/transaction.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::policy {

enum class Handling { sealed, clear, refused, deferred };
[[nodiscard]] std::string_view to_string(Handling handling) noexcept;

/// What was decided for one person: an envelope recipient, or somebody an alias among them stands for.
struct Decision {
    std::size_t recipient = 0; ///< index into Transaction::recipients: the one that it came from
    std::string address;       ///< normalised; the raw path where it is no mailbox
    /// The aliases on the way from the recipient to the address, outermost first, normalised; empty: the
    /// recipient itself.
    std::vector<std::string> via;
    Handling handling = Handling::deferred;
    std::string rule;            ///< the text of the rule that decided; empty: the scope did
    std::size_t rule_number = 0; ///< counted from 1 in the configuration; 0: the default, or none
    std::string reason; ///< in words: "newest of 2 usable certificates", "certificate expired on 2026-01-02"
    std::optional<crypto::Certificate> certificate; ///< where sealed
    std::vector<std::string> passed_over;           ///< other certificates: "FINGERPRINT: revoked"
    mail::OuterSubject outer_subject = mail::OuterSubject::obscured; ///< where sealed
    bool operator==(const Decision&) const = default;
};

/// Who gets the same bytes.
struct Copy {
    std::vector<std::size_t> decisions;            ///< indexes into Plan::decisions
    std::optional<crypto::Protocol> protocol;      ///< nullopt: the original, clear
    std::vector<crypto::Certificate> certificates; ///< of a sealed copy: each once, ordered by fingerprint
    bool hidden = false; ///< sealed for somebody whom neither To nor Cc names, so nobody shares it
    crypto::ContentEncryption content_encryption = crypto::ContentEncryption::aes256_cbc; ///< S/MIME
    mail::OuterSubject outer_subject = mail::OuterSubject::obscured;
    bool operator==(const Copy&) const = default;
};

/// Whom the decision's copy is sent to: the envelope recipient in the MTA's own bytes, without angle
/// brackets, or the address that an alias stands for.
[[nodiscard]] std::string mailbox_of(const Decision& decision, const Transaction& transaction);

/// What becomes of the whole message.
enum class Outcome {
    pass,    ///< unchanged: not in scope, already sealed, or clear for everybody
    deliver, ///< as the copies say: one at least is sealed, or an alias was expanded
    refuse,  ///< 5xx, nobody gets anything
    defer,   ///< 4xx, nobody gets anything
};
[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;

struct Plan {
    Outcome outcome = Outcome::defer;
    std::string reason; ///< of the whole: names every recipient concerned where refused or deferred
    std::vector<Decision> decisions; ///< empty where nothing had to be decided
    std::vector<Copy> copies;        ///< empty unless `deliver`; each decision is in one of them
    /// Recipients that stand for others, as indexes into Transaction::recipients: nobody is sent anything
    /// under these addresses.
    std::vector<std::size_t> expanded;

    /// The copies go to others than the envelope names: editing the message in place cannot do that.
    [[nodiscard]] bool changes_recipients() const noexcept { return !expanded.empty(); }
    bool operator==(const Plan&) const = default;
};

} // namespace lockbox::policy
