#include "policy/judge.hpp"

#include "base/ascii.hpp"
#include "policy/copies.hpp"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string_view>
#include <utility>

namespace lockbox::policy {
namespace {

/// The same text for all spellings of one mailbox.
std::string mailbox(const mail::Address& address, const Policy& policy) {
    return is_case_sensitive(address, policy) ? address.to_string() : address.folded();
}

std::string no_certificate(std::optional<crypto::Protocol> protocol) {
    if (!protocol) {
        return "no certificate";
    }
    switch (*protocol) {
    case crypto::Protocol::openpgp:
        return "no OpenPGP certificate";
    case crypto::Protocol::smime:
        return "no S/MIME certificate";
    }
    return "no certificate";
}

std::string none_usable(const std::vector<std::string>& reasons) {
    return reasons.size() == 1
               ? reasons.front()
               : fmt::format("none of {} certificates is usable: {}", reasons.size(), reasons.front());
}

/// Nearly every S/MIME reader shows the outer Subject alone, nearly every OpenPGP reader the one inside.
void decide_form(Decision& decision, const Rule& rule) {
    if (decision.certificate->protocol != crypto::Protocol::smime) {
        return;
    }
    if (rule.gcm) {
        decision.certificate->content_encryption = crypto::ContentEncryption::aes256_gcm;
    }
    decision.outer_subject = rule.hide_subject ? mail::OuterSubject::obscured : mail::OuterSubject::kept;
}

Handling without_certificate(const Rule& rule) {
    return rule.defer ? Handling::deferred : Handling::refused;
}

/// Fills in the handling and its reason for a recipient of whom nothing usable is known.
void decide_unsealed(Decision& decision, const Rule& rule, const Search& search) {
    const bool unusable = !search.unusable.empty();
    decision.reason = unusable ? none_usable(search.unusable) : no_certificate(rule.protocol);
    if (!search.pending.empty()) {
        decision.reason +=
            unusable ? "; a changed certificate waits for approval" : "; one waits for approval";
    }
    if (unusable && !search.pending.empty() && !rule.clear_if_unusable) {
        decision.handling = Handling::deferred; // a person can mend it before the sender hears of it
        return;
    }
    if (rule.demand == Demand::require || (unusable && !rule.clear_if_unusable)) {
        decision.handling = without_certificate(rule);
        return;
    }
    decision.handling = Handling::clear;
    if (unusable) {
        decision.reason += ", and the rule sends in clear then";
    }
}

/// As an error text names a recipient: in angle brackets, harmless in a log or a reply.
std::string in_brackets(const std::string& address) {
    const auto text = printable(address);
    return text.substr(0, 1) == "<" ? text : fmt::format("<{}>", text);
}

/// Somebody to decide about.
struct Addressee {
    std::size_t recipient; ///< index into Transaction::recipients
    Path path;
    std::vector<mail::Address> via;
    /// The first rule that demands sealing, of all aliases that stand for the mailbox in this message,
    /// whatever the way; nullopt: none does.
    std::optional<AppliedRule> demanded;
    std::string problem; ///< why the alias that it is cannot be expanded; otherwise empty
};

struct Addressees {
    std::vector<Addressee> all;        ///< in the order of the recipients and of their aliases' members
    std::vector<std::size_t> expanded; ///< recipients that stand for others
    bool too_many = false; ///< more than recipients_max, aliases and their members: the rest is missing
};

/// The recipients, with everybody whom aliases among them stand for in their place.
Addressees expand_all(const Inquiry& inquiry, const KeyringView& view) {
    const Ask ask = [&](const mail::Address& address) -> const keyring::Known& {
        return known_in(view, address);
    };
    Addressees result;
    std::size_t met = 0;
    for (std::size_t i = 0; i < inquiry.recipients.size() && !result.too_many; ++i) {
        const auto& path = inquiry.transaction->recipients[i];
        if (!inquiry.recipients[i].looked_up) {
            result.all.push_back({i, path, {}, {}, {}});
            continue;
        }
        auto expansion = keyring::expand(*path.address, [&](const mail::Address& address) {
            ++met;
            return alias_of(address, *inquiry.policy, ask);
        });
        result.too_many = met > recipients_max;
        const bool is_itself = expansion.members == std::vector{keyring::Member{*path.address, {}}};
        if (is_itself || !expansion.problem.empty()) {
            result.all.push_back({i, path, {}, {}, std::move(expansion.problem)});
            continue;
        }
        result.expanded.push_back(i);
        for (auto& member : expansion.members) {
            result.all.push_back({i, Path::to(member.address), std::move(member.via), {}, {}});
        }
    }
    return result;
}

/// What the aliases demand for each mailbox that they stand for. Asked once for each mailbox, and not for
/// each recipient: a message may name one of them a thousand times, and a thousand aliases of it.
std::map<std::string, AppliedRule> demands_of_aliases(const Addressees& addressees, const Inquiry& inquiry) {
    std::map<std::string, AppliedRule> demands;
    for (const auto& addressee : addressees.all) {
        if (addressee.via.empty()) {
            continue;
        }
        const auto box = mailbox(*addressee.path.address, *inquiry.policy);
        for (auto alias = addressee.via.begin(); alias != addressee.via.end() && demands.count(box) == 0;
             ++alias) {
            const auto found =
                policy::rule_for(Path::to(*alias), inquiry.transaction->reverse_path, *inquiry.policy);
            if (found.rule->demand == Demand::require) {
                demands.emplace(box, found);
            }
        }
    }
    return demands;
}

/// A mailbox that aliases stand for gets the message once: as the recipient that it is itself, if it is one,
/// otherwise through the first alias. What the others demand holds all the same.
void leave_each_mailbox_once(Addressees& addressees, const Inquiry& inquiry) {
    const auto demands = demands_of_aliases(addressees, inquiry);
    std::set<std::string> taken;
    for (const auto& addressee : addressees.all) {
        if (addressee.via.empty() && addressee.path.address) {
            taken.insert(mailbox(*addressee.path.address, *inquiry.policy));
        }
    }
    std::vector<Addressee> left;
    for (auto& addressee : addressees.all) {
        const bool is_member = !addressee.via.empty();
        if (is_member || inquiry.recipients[addressee.recipient].looked_up) {
            const auto box = mailbox(*addressee.path.address, *inquiry.policy);
            if (is_member && !taken.insert(box).second) {
                continue;
            }
            if (const auto found = demands.find(box); found != demands.end()) {
                addressee.demanded = found->second;
            }
        }
        left.push_back(std::move(addressee));
    }
    addressees.all = std::move(left);
}

/// The rule for the address itself; where it does not demand sealing, the first that does for an alias.
AppliedRule rule_for(const Addressee& addressee, const Inquiry& inquiry) {
    const auto& sender = inquiry.transaction->reverse_path;
    const auto own = addressee.via.empty() ? inquiry.recipients[addressee.recipient].rule
                                           : policy::rule_for(addressee.path, sender, *inquiry.policy);
    return own.rule->demand == Demand::require ? own : addressee.demanded.value_or(own);
}

bool is_served(const Addressee& addressee, const Inquiry& inquiry) {
    return addressee.via.empty() ? inquiry.recipients[addressee.recipient].served
                                 : inquiry.served.count(addressee.path.mailbox()) != 0;
}

Decision decided(Decision decision, Handling handling, std::string reason) {
    decision.handling = handling;
    decision.reason = std::move(reason);
    return decision;
}

Decision decide(const Addressee& addressee, const Inquiry& inquiry, const KeyringView& view, Time now) {
    const auto& address = addressee.path.address;
    Decision decision;
    decision.recipient = addressee.recipient;
    decision.address = address;
    decision.via = addressee.via;
    if (is_served(addressee, inquiry)) {
        return decided(std::move(decision), Handling::served,
                       "an earlier try of this message has served them");
    }
    if (inquiry.untouched) {
        return decided(std::move(decision), Handling::untouched, *inquiry.untouched);
    }
    if (addressee.via.empty() && !inquiry.recipients[addressee.recipient].in_scope) {
        return decided(std::move(decision), Handling::clear, "not in an incoming domain");
    }
    if (!address) { // whatever the rule: it speaks of an address, and nobody knows which
        return inquiry.may_seal
                   ? decided(std::move(decision), Handling::refused,
                             "not a complete address: the mail system may deliver to another one")
                   : decided(std::move(decision), Handling::clear, "every rule for this sender says never");
    }

    const auto applied = rule_for(addressee, inquiry);
    const auto& rule = *applied.rule;
    decision.rule = rule.to_string();
    decision.rule_number = applied.number;
    if (!addressee.problem.empty()) {
        return decided(std::move(decision), Handling::deferred, addressee.problem);
    }
    if (rule.demand == Demand::never) {
        return decided(std::move(decision), Handling::clear, "the rule says never");
    }
    const keyring::WantedProtocol wanted{rule.protocol, inquiry.preferred_protocol,
                                         inquiry.signature_decides};
    auto search = search_for(*address, wanted, *inquiry.policy, view, now);
    if (search.certificate) {
        decision.handling = Handling::sealed;
        decision.reason = std::move(search.reason);
        decision.binding = std::move(search.binding);
        decision.certificate = std::move(search.certificate);
        decide_form(decision, rule);
    } else {
        decide_unsealed(decision, rule, search);
    }
    decision.passed_over = std::move(search.passed_over);
    decision.pending = std::move(search.pending);
    return decision;
}

/// Whether TLS is wanted around the message on its way on. Of a stranger's message it is not: it has arrived.
bool wants_outer_box(const Inquiry& inquiry, const Addressees& addressees) {
    if (inquiry.out_of_scope || !inquiry.outgoing) {
        return false;
    }
    return inquiry.policy->inbound_tls == InboundTls::require || inquiry.transaction->recipients_left_out ||
           std::any_of(addressees.all.begin(), addressees.all.end(), [&](const Addressee& addressee) {
               const bool rules_apply =
                   !addressee.via.empty() || inquiry.recipients[addressee.recipient].in_scope;
               return rules_apply && rule_for(addressee, inquiry).rule->demand == Demand::require;
           });
}

// --- From the decisions to the plan ---

/// What the sender wrote, for somebody they may not know: " (through <team@example.org>)".
std::string through(const Decision& decision) {
    return decision.via.empty() ? std::string()
                                : fmt::format(" (through {})", in_brackets(decision.via.front().to_string()));
}

/// "<bob@example.org>: no certificate; <eve@example.org>: …": every recipient once, the refused before the
/// deferred.
std::string name_everybody_concerned(const std::vector<Decision>& decisions, const Transaction& transaction) {
    std::string text;
    std::set<std::string> named;
    for (const auto handling : {Handling::refused, Handling::deferred}) {
        for (const auto& decision : decisions) {
            const auto name = name_of(decision, transaction);
            if (decision.handling == handling && named.insert(name).second) {
                text += fmt::format("{}{}{}: {}", text.empty() ? "" : "; ", in_brackets(name),
                                    through(decision), decision.reason);
            }
        }
    }
    return text;
}

/// Of a message that goes on to somebody at least.
std::string summary_of(const Plan& plan, const Inquiry& inquiry) {
    const auto served = plan.count(Handling::served);
    const auto sealed = plan.count(Handling::sealed);
    const auto text = inquiry.untouched ? *inquiry.untouched
                      : served > 0 && served == plan.decisions.size()
                          ? std::string("all recipients have been served by an earlier try")
                      : sealed == 0
                          ? std::string("no recipient is to be sealed to")
                          : fmt::format("sealed to {} of {} recipients", sealed, plan.decisions.size());
    return served > 0 && served < plan.decisions.size()
               ? fmt::format("{}; {} served by an earlier try", text, served)
               : text;
}

Plan plan_from(const Inquiry& inquiry, std::vector<Decision> decisions, Addressees addressees) {
    Plan plan;
    plan.decisions = std::move(decisions);
    plan.removes_tls_required =
        inquiry.transaction->header.count(tls_required_field) > 0 && wants_outer_box(inquiry, addressees);
    plan.expanded = std::move(addressees.expanded);
    plan.warning = inquiry.warning;
    const auto refused = plan.count(Handling::refused);
    const auto deferred = plan.count(Handling::deferred);
    if (refused + deferred > 0) {
        plan.outcome = refused > 0 ? Outcome::refuse : Outcome::defer;
        plan.reason = name_everybody_concerned(plan.decisions, *inquiry.transaction);
        return plan;
    }
    plan.reason = summary_of(plan, inquiry);
    if (plan.count(Handling::sealed) == 0 && !plan.changes_recipients() && !plan.removes_tls_required) {
        plan.outcome = Outcome::pass;
        check_copies(plan);
        return plan;
    }
    auto copies = copies_for(*inquiry.transaction, plan.decisions);
    if (copies.size() > inquiry.policy->copies_max) {
        plan.outcome = Outcome::defer;
        plan.reason =
            fmt::format("it needs {} different copies for its recipients, and copies-max permits {}",
                        copies.size(), inquiry.policy->copies_max);
        return plan;
    }
    plan.outcome = Outcome::deliver;
    plan.copies = std::move(copies);
    check_copies(plan);
    return plan;
}

/// Nothing was decided about some of them.
Plan too_many_recipients() {
    Plan plan;
    plan.outcome = Outcome::refuse;
    plan.too_many_recipients = true;
    plan.reason = fmt::format("more than {} recipients, aliases and those whom they stand for among them; "
                              "send it to fewer at once",
                              recipients_max);
    return plan;
}

} // namespace

Plan judge(const Inquiry& inquiry, const KeyringView& view, Time now) {
    if (inquiry.recipients.empty()) {
        Plan plan;
        plan.reason = "no recipient is known"; // nothing was decided, so nothing goes
        return plan;
    }
    const bool left_out = inquiry.transaction->recipients_left_out;
    if (left_out && !inquiry.untouched) {
        return too_many_recipients();
    }
    auto addressees = expand_all(inquiry, view);
    if (addressees.too_many) {
        return too_many_recipients();
    }
    leave_each_mailbox_once(addressees, inquiry);
    std::vector<Decision> decisions;
    decisions.reserve(addressees.all.size());
    for (const auto& addressee : addressees.all) {
        decisions.push_back(decide(addressee, inquiry, view, now));
    }
    auto plan = plan_from(inquiry, std::move(decisions), std::move(addressees));
    // A message may pass whole, whomever it is for; copies would leave somebody out.
    return left_out && plan.outcome == Outcome::deliver ? too_many_recipients() : plan;
}

} // namespace lockbox::policy
