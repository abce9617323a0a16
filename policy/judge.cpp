#include "policy/judge.hpp"

#include "base/ascii.hpp"
#include "mail/layer.hpp"
#include "policy/copies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

namespace lockbox::policy {
namespace {

bool contains(const std::vector<std::string>& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

// --- The message as a whole ---

/// An address that cannot be read may be anybody's, ours too: it does not take a message out of scope.
bool is_from_own_networks(const Origin& origin, const Policy& policy) {
    const auto& client = origin.client_address;
    return client.empty() || is_loopback(client) || !is_ip_address(client) ||
           std::any_of(policy.trusted_networks.begin(), policy.trusted_networks.end(),
                       [&](const Network& network) { return network.contains(client); });
}

bool is_outgoing(const Origin& origin, const Policy& policy) {
    return !origin.login.empty() || is_from_own_networks(origin, policy) ||
           contains(policy.submission_daemons, origin.daemon_name);
}

/// A path without a domain is completed by the MTA with one of its own: it counts as in an incoming domain.
bool is_in_scope(const Path& recipient, const Policy& policy) {
    return policy.scope != Scope::incoming || !recipient.address ||
           contains(policy.incoming_domains, recipient.address->domain());
}

/// Why nothing has to be decided about the recipients; nullopt: it has.
std::optional<std::string> why_untouched(const Transaction& transaction, const Policy& policy) {
    if (auto reason = why_out_of_scope(transaction, policy)) {
        return reason;
    }
    const auto layer = mail::outermost_layer(transaction.header, transaction.body);
    if (mail::is_sealed(layer)) {
        return fmt::format("already sealed: {}", mail::describe(layer));
    }
    return std::nullopt;
}

// --- One recipient ---

struct NumberedRule {
    const Rule& rule;
    std::size_t number;
};

NumberedRule rule_for(const Path& recipient, const Transaction& transaction, const Policy& policy) {
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
        if (policy.rules[i].matches(recipient, transaction.reverse_path)) {
            return {policy.rules[i], i + 1};
        }
    }
    return {default_rule(), 0};
}

bool is_never(const Path& recipient, const Transaction& transaction, const Policy& policy) {
    return rule_for(recipient, transaction, policy).rule.demand == Demand::never;
}

/// Whether anything that this sender sends to anybody could be sealed.
bool seals_for(const Path& sender, const Policy& policy) {
    for (const auto& rule : policy.rules) {
        if (!rule.matches_sender(sender)) {
            continue;
        }
        if (rule.demand != Demand::never) {
            return true;
        }
        if (!rule.to || rule.to->is_everything()) {
            return false;
        }
    }
    return true; // the default rule
}

/// A rule that says never speaks of a recipient, not of those it may stand for, who have rules of their own.
bool is_looked_up(const Path& recipient, const Transaction& transaction, const Policy& policy) {
    return recipient.address && is_in_scope(recipient, policy) &&
           (!is_never(recipient, transaction, policy) || seals_for(transaction.reverse_path, policy));
}

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
    std::vector<std::string> via;
    std::vector<Path> aliases; ///< all that stand for the mailbox in this message, whatever the way
    std::string problem;       ///< why the alias that it is cannot be expanded; otherwise empty
};

struct Addressees {
    std::vector<Addressee> all;        ///< in the order of the recipients and of their aliases' members
    std::vector<std::size_t> expanded; ///< recipients that stand for others
};

Path path_to(const mail::Address& address) {
    return {fmt::format("<{}>", address.to_string()), {}, address};
}

/// The recipients, with everybody whom aliases among them stand for in their place.
Addressees expand_all(const Transaction& transaction, const Policy& policy, const KeyringView& view) {
    Addressees result;
    for (std::size_t i = 0; i < transaction.recipients.size(); ++i) {
        const auto& path = transaction.recipients[i];
        if (!is_looked_up(path, transaction, policy)) {
            result.all.push_back({i, path, {}, {}, {}});
            continue;
        }
        auto expansion = keyring::expand(*path.address, [&](const mail::Address& address) {
            return alias_of(known_in(view, address), address, policy);
        });
        const bool is_itself = expansion.members == std::vector{keyring::Member{*path.address, {}}};
        if (is_itself || !expansion.problem.empty()) {
            result.all.push_back({i, path, {}, {}, std::move(expansion.problem)});
            continue;
        }
        result.expanded.push_back(i);
        for (auto& member : expansion.members) {
            result.all.push_back({i, path_to(member.address), std::move(member.via), {}, {}});
        }
    }
    return result;
}

/// A mailbox that aliases stand for gets the message once: as the recipient that it is itself, if it is one,
/// otherwise through the first alias. What the others demand holds all the same.
void leave_each_mailbox_once(Addressees& addressees, const Transaction& transaction, const Policy& policy) {
    std::set<std::string> taken;
    std::map<std::string, std::vector<Path>> aliases_of;
    for (const auto& addressee : addressees.all) {
        if (!addressee.path.address) {
            continue;
        }
        const auto box = mailbox(*addressee.path.address, policy);
        if (addressee.via.empty()) {
            taken.insert(box);
        }
        for (const auto& alias : addressee.via) {
            aliases_of[box].push_back(Path::from(fmt::format("<{}>", alias)));
        }
    }
    std::vector<Addressee> left;
    for (auto& addressee : addressees.all) {
        const bool is_member = !addressee.via.empty();
        if (is_member || is_looked_up(addressee.path, transaction, policy)) {
            const auto box = mailbox(*addressee.path.address, policy);
            if (is_member && !taken.insert(box).second) {
                continue;
            }
            addressee.aliases = aliases_of[box];
        }
        left.push_back(std::move(addressee));
    }
    addressees.all = std::move(left);
}

/// The rule for the address itself; where it does not demand sealing, the first that does for an alias.
NumberedRule rule_for(const Addressee& addressee, const Transaction& transaction, const Policy& policy) {
    const auto own = rule_for(addressee.path, transaction, policy);
    if (own.rule.demand == Demand::require) {
        return own;
    }
    for (const auto& alias : addressee.aliases) {
        if (const auto found = rule_for(alias, transaction, policy); found.rule.demand == Demand::require) {
            return found;
        }
    }
    return own;
}

Decision decide(const Addressee& addressee, const Transaction& transaction, const Policy& policy,
                const KeyringView& view, Time now) {
    const auto& address = addressee.path.address;
    Decision decision;
    decision.recipient = addressee.recipient;
    decision.address = address ? address->to_string() : addressee.path.raw;
    decision.via = addressee.via;
    if (addressee.via.empty() && !is_in_scope(addressee.path, policy)) {
        decision.handling = Handling::clear;
        decision.reason = "not in an incoming domain";
        return decision;
    }

    const auto [rule, number] = rule_for(addressee, transaction, policy);
    decision.rule = rule.to_string();
    decision.rule_number = number;
    if (!addressee.problem.empty()) {
        decision.handling = Handling::deferred;
        decision.reason = addressee.problem;
        return decision;
    }
    if (rule.demand == Demand::never) {
        decision.handling = Handling::clear;
        decision.reason = "the rule says never";
        return decision;
    }
    if (!address) {
        decision.handling = rule.demand == Demand::require ? without_certificate(rule) : Handling::clear;
        decision.reason = "not a complete address: no certificate can be looked up";
        return decision;
    }

    auto search = search_for(*address, {rule.protocol, policy.preferred_protocol}, policy, view, now);
    if (search.certificate) {
        decision.handling = Handling::sealed;
        decision.reason = std::move(search.reason);
        decision.certificate = std::move(search.certificate);
        decide_form(decision, rule);
    } else {
        decide_unsealed(decision, rule, search);
    }
    decision.passed_over = std::move(search.passed_over);
    return decision;
}

// --- From the decisions to the plan ---

std::size_t count(const std::vector<Decision>& decisions, Handling handling) {
    return static_cast<std::size_t>(
        std::count_if(decisions.begin(), decisions.end(),
                      [&](const Decision& decision) { return decision.handling == handling; }));
}

/// What the sender wrote, for somebody they may not know: " (through <team@example.org>)".
std::string through(const Decision& decision) {
    return decision.via.empty() ? std::string()
                                : fmt::format(" (through {})", in_brackets(decision.via.front()));
}

/// "<bob@example.org>: no certificate; <eve@example.org>: …": every recipient once, the refused before the
/// deferred.
std::string name_everybody_concerned(const std::vector<Decision>& decisions) {
    std::string text;
    std::set<std::string> named;
    for (const auto handling : {Handling::refused, Handling::deferred}) {
        for (const auto& decision : decisions) {
            if (decision.handling == handling && named.insert(decision.address).second) {
                text += fmt::format("{}{}{}: {}", text.empty() ? "" : "; ", in_brackets(decision.address),
                                    through(decision), decision.reason);
            }
        }
    }
    return text;
}

Plan plan_from(const Transaction& transaction, const Policy& policy, std::vector<Decision> decisions,
               std::vector<std::size_t> expanded) {
    Plan plan;
    plan.decisions = std::move(decisions);
    plan.expanded = std::move(expanded);
    const auto refused = count(plan.decisions, Handling::refused);
    const auto deferred = count(plan.decisions, Handling::deferred);
    const auto sealed = count(plan.decisions, Handling::sealed);
    if (refused + deferred > 0) {
        plan.outcome = refused > 0 ? Outcome::refuse : Outcome::defer;
        plan.reason = name_everybody_concerned(plan.decisions);
        return plan;
    }
    if (sealed == 0 && plan.expanded.empty()) {
        plan.outcome = Outcome::pass;
        plan.reason = "no recipient is to be sealed to";
        return plan;
    }
    auto copies = copies_for(transaction, plan.decisions);
    if (copies.size() > policy.copies_max) {
        plan.outcome = Outcome::defer;
        plan.reason =
            fmt::format("it needs {} different copies for its recipients, and copies-max permits {}",
                        copies.size(), policy.copies_max);
        return plan;
    }
    plan.outcome = Outcome::deliver;
    plan.reason = fmt::format("sealed to {} of {} recipients", sealed, plan.decisions.size());
    plan.copies = std::move(copies);
    return plan;
}

} // namespace

bool stays_in_place(const Plan& plan, DeliveryMode delivery) noexcept {
    return delivery == DeliveryMode::automatic && plan.copies.size() == 1 && !plan.changes_recipients();
}

std::optional<std::string> why_out_of_scope(const Transaction& transaction, const Policy& policy) {
    switch (policy.scope) {
    case Scope::all:
        return std::nullopt;
    case Scope::outgoing:
        if (is_outgoing(transaction.origin, policy)) {
            return std::nullopt;
        }
        return "not outgoing: neither authenticated, nor from a trusted network, nor submitted here";
    case Scope::incoming:
        if (std::any_of(transaction.recipients.begin(), transaction.recipients.end(),
                        [&](const Path& recipient) { return is_in_scope(recipient, policy); })) {
            return std::nullopt;
        }
        return "not incoming: no recipient is in an incoming domain";
    }
    return std::nullopt;
}

std::optional<std::string> why_tls_is_missing(const Origin& origin, const Policy& policy) {
    const bool remote = !origin.client_address.empty() && !is_loopback(origin.client_address);
    if (policy.inbound_tls == InboundTls::optional || !remote || !origin.tls_version.empty()) {
        return std::nullopt;
    }
    return "TLS is required here: use STARTTLS first";
}

std::vector<mail::Address> addresses_to_look_up(const Transaction& transaction, const Policy& policy) {
    if (why_untouched(transaction, policy)) {
        return {};
    }
    std::vector<mail::Address> addresses;
    std::set<mail::Address> seen;
    for (const auto& recipient : transaction.recipients) {
        if (is_looked_up(recipient, transaction, policy) && seen.insert(*recipient.address).second) {
            addresses.push_back(*recipient.address);
        }
    }
    return addresses;
}

bool wants_certificates(const Transaction& transaction, const Policy& policy) {
    return std::any_of(
        transaction.recipients.begin(), transaction.recipients.end(), [&](const Path& recipient) {
            return is_looked_up(recipient, transaction, policy) && !is_never(recipient, transaction, policy);
        });
}

KeyringView gather(const std::vector<mail::Address>& addresses, const Policy& policy, const LookUp& look_up) {
    KeyringView view;
    const keyring::AliasLookup alias_in_keyring = [&](const mail::Address& address) {
        auto place = view.find(address);
        if (place == view.end()) {
            place = view.emplace(address, look_up(address)).first;
        }
        return alias_of(place->second, address, policy);
    };
    for (const auto& address : addresses) {
        (void)keyring::expand(address, alias_in_keyring); // the same walk as judge()'s
    }
    return view;
}

Plan judge(const Transaction& transaction, const Policy& policy, const KeyringView& view, Time now) {
    if (transaction.recipients.empty()) {
        return {Outcome::defer, "no recipient is known", {}, {}, {}}; // nothing was decided, so nothing goes
    }
    if (auto reason = why_untouched(transaction, policy)) {
        return {Outcome::pass, *std::move(reason), {}, {}, {}};
    }
    auto addressees = expand_all(transaction, policy, view);
    leave_each_mailbox_once(addressees, transaction, policy);
    std::vector<Decision> decisions;
    decisions.reserve(addressees.all.size());
    for (const auto& addressee : addressees.all) {
        auto decision = decide(addressee, transaction, policy, view, now);
        if (!contains(transaction.served, mailbox_of(decision, transaction))) {
            decisions.push_back(std::move(decision));
        }
    }
    return plan_from(transaction, policy, std::move(decisions), std::move(addressees.expanded));
}

} // namespace lockbox::policy
