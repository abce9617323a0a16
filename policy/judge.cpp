#include "policy/judge.hpp"

#include "base/ascii.hpp"
#include "keyring/choice.hpp"
#include "mail/layer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <stdexcept>
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

bool needs_certificates(const Path& recipient, const Transaction& transaction, const Policy& policy) {
    return recipient.address && is_in_scope(recipient, policy) &&
           rule_for(recipient, transaction, policy).rule.demand != Demand::never;
}

/// The entries that have exactly that address; only if there are none, and the domain allows it, those that
/// differ in nothing but the case of A-Z in the local part (RFC 5321 §2.4: what that means is the domain's
/// business).
std::vector<keyring::Entry> candidates_for(const mail::Address& address, const Policy& policy,
                                           const KeyringView& view) {
    const auto found = view.find(address);
    if (found == view.end()) {
        throw std::logic_error("the keyring was not asked about a recipient");
    }
    std::vector<keyring::Entry> exact;
    std::vector<keyring::Entry> alike;
    const auto text = address.to_string();
    for (const auto& entry : found->second) {
        // Former addresses too: their certificate is unusable, which is not the same as none.
        const auto has = [&](const auto& same) {
            return std::any_of(entry.addresses.begin(), entry.addresses.end(), same) ||
                   std::any_of(entry.former_addresses.begin(), entry.former_addresses.end(), same);
        };
        if (has([&](const std::string& other) { return other == text; })) {
            exact.push_back(entry);
        } else if (has([&](const std::string& other) { return equal_ignoring_case(other, text); })) {
            alike.push_back(entry);
        }
    }
    const bool only_exact = !exact.empty() || contains(policy.case_sensitive_domains, address.domain());
    return only_exact ? exact : alike;
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

std::string none_usable(const std::vector<keyring::Rejected>& rejected) {
    const auto& best = rejected.front().reason;
    return rejected.size() == 1 ? best
                                : fmt::format("none of {} certificates is usable: {}", rejected.size(), best);
}

Handling without_certificate(const Rule& rule) {
    return rule.defer ? Handling::deferred : Handling::refused;
}

/// Fills in the handling and its reason for a recipient of whom nothing usable is known.
void decide_unsealed(Decision& decision, const Rule& rule, const keyring::Choice& choice) {
    const bool unusable = !choice.rejected.empty();
    decision.reason = unusable ? none_usable(choice.rejected) : no_certificate(rule.protocol);
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

Decision decide(std::size_t index, const Transaction& transaction, const Policy& policy,
                const KeyringView& view, Time now) {
    const auto& recipient = transaction.recipients[index];
    Decision decision;
    decision.recipient = index;
    decision.address = recipient.address ? recipient.address->to_string() : recipient.raw;
    if (!is_in_scope(recipient, policy)) {
        decision.handling = Handling::clear;
        decision.reason = "not in an incoming domain";
        return decision;
    }

    const auto [rule, number] = rule_for(recipient, transaction, policy);
    decision.rule = rule.to_string();
    decision.rule_number = number;
    if (rule.demand == Demand::never) {
        decision.handling = Handling::clear;
        decision.reason = "the rule says never";
        return decision;
    }
    if (!recipient.address) {
        decision.handling = rule.demand == Demand::require ? without_certificate(rule) : Handling::clear;
        decision.reason = "not a complete address: no certificate can be looked up";
        return decision;
    }

    const auto candidates = candidates_for(*recipient.address, policy, view);
    auto choice = keyring::choose(candidates, rule.protocol, now);
    for (const auto& rejected : choice.rejected) {
        decision.passed_over.push_back(
            fmt::format("{}: {}", rejected.entry->certificate.fingerprint, rejected.reason));
    }
    if (choice.certificate) {
        decision.handling = Handling::sealed;
        decision.reason = std::move(choice.reason);
        decision.certificate = std::move(choice.certificate);
    } else {
        decide_unsealed(decision, rule, choice);
    }
    return decision;
}

// --- From the decisions to the plan ---

std::size_t count(const std::vector<Decision>& decisions, Handling handling) {
    return static_cast<std::size_t>(
        std::count_if(decisions.begin(), decisions.end(),
                      [&](const Decision& decision) { return decision.handling == handling; }));
}

/// "<bob@example.org>: no certificate; <eve@example.org>: …": every recipient once, the refused before the
/// deferred.
std::string name_everybody_concerned(const std::vector<Decision>& decisions) {
    std::string text;
    std::set<std::string> named;
    for (const auto handling : {Handling::refused, Handling::deferred}) {
        for (const auto& decision : decisions) {
            if (decision.handling == handling && named.insert(decision.address).second) {
                text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", in_brackets(decision.address),
                                    decision.reason);
            }
        }
    }
    return text;
}

/// Who is visible to every reader of the message anyway.
std::set<mail::Address> named_in_header(const mail::HeaderSection& header) {
    std::set<mail::Address> named;
    for (const auto* field : {"To", "Cc", "Resent-To", "Resent-Cc"}) {
        for (const auto body : header.all(field)) {
            for (auto& address : mail::addresses_in(body)) {
                named.insert(std::move(address));
            }
        }
    }
    return named;
}

/// A copy in the making.
struct Group {
    std::vector<std::size_t> recipients;
    std::vector<crypto::Certificate> certificates;

    void add(const Decision& decision) {
        recipients.push_back(decision.recipient);
        if (decision.certificate) {
            certificates.push_back(*decision.certificate);
        }
    }
    [[nodiscard]] Copy sealed() const {
        const auto sealed_to = crypto::Recipients::from(certificates);
        if (!sealed_to) {
            throw std::logic_error("a sealed copy needs certificates of one protocol");
        }
        return {recipients, sealed_to->protocol(), {sealed_to->all().begin(), sealed_to->all().end()}};
    }
};

/// A certificate in a sealed message tells every reader that its owner got one. So whoever is not named in
/// the header section gets a copy of their own: nobody learns more than their own box.
std::vector<Copy> copies_for(const Transaction& transaction, const std::vector<Decision>& decisions) {
    const auto named = named_in_header(transaction.header);
    std::map<crypto::Protocol, Group> shared;
    std::vector<Group> own;
    std::map<mail::Address, std::size_t> own_of; ///< index into `own`
    Group clear;
    for (const auto& decision : decisions) {
        if (decision.handling != Handling::sealed) {
            clear.add(decision);
            continue;
        }
        const auto& address = *transaction.recipients[decision.recipient].address;
        if (named.count(address) != 0) {
            shared[decision.certificate->protocol].add(decision);
            continue;
        }
        const auto [place, is_new] = own_of.emplace(address, own.size());
        if (is_new) {
            own.emplace_back();
        }
        own[place->second].add(decision);
    }

    std::vector<Copy> copies;
    copies.reserve(shared.size() + own.size() + 1);
    for (const auto& [protocol, group] : shared) {
        copies.push_back(group.sealed());
    }
    for (const auto& group : own) {
        copies.push_back(group.sealed());
    }
    if (!clear.recipients.empty()) {
        copies.push_back({std::move(clear.recipients), std::nullopt, {}});
    }
    return copies;
}

Plan plan_from(const Transaction& transaction, std::vector<Decision> decisions) {
    const auto refused = count(decisions, Handling::refused);
    const auto deferred = count(decisions, Handling::deferred);
    const auto sealed = count(decisions, Handling::sealed);
    if (refused + deferred > 0) {
        auto reason = name_everybody_concerned(decisions);
        return {refused > 0 ? Outcome::refuse : Outcome::defer, std::move(reason), std::move(decisions), {}};
    }
    if (sealed == 0) {
        return {Outcome::pass, "no recipient is to be sealed to", std::move(decisions), {}};
    }
    auto reason = fmt::format("sealed to {} of {} recipients", sealed, decisions.size());
    auto copies = copies_for(transaction, decisions);
    return {Outcome::deliver, std::move(reason), std::move(decisions), std::move(copies)};
}

} // namespace

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
        if (needs_certificates(recipient, transaction, policy) && seen.insert(*recipient.address).second) {
            addresses.push_back(*recipient.address);
        }
    }
    return addresses;
}

Plan judge(const Transaction& transaction, const Policy& policy, const KeyringView& view, Time now) {
    if (transaction.recipients.empty()) {
        return {Outcome::defer, "no recipient is known", {}, {}}; // nothing was decided, so nothing goes
    }
    if (auto reason = why_untouched(transaction, policy)) {
        return {Outcome::pass, *std::move(reason), {}, {}};
    }
    std::vector<Decision> decisions;
    decisions.reserve(transaction.recipients.size());
    for (std::size_t i = 0; i < transaction.recipients.size(); ++i) {
        decisions.push_back(decide(i, transaction, policy, view, now));
    }
    return plan_from(transaction, std::move(decisions));
}

} // namespace lockbox::policy
