#include "policy/inquiry.hpp"

#include "base/ascii.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace lockbox::policy {
namespace {

bool contains(const std::vector<std::string>& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

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

/// `[192.0.2.1]`, and `192.0.2.1`, which some MTAs take for the same.
bool is_host_by_address(std::string_view domain) {
    return domain.starts_with('[') || is_ip_address(domain);
}

/// A path without a domain is completed by the MTA with one of its own, and an address literal may be one of
/// its own hosts: both may lead to the mailboxes of an incoming domain, and count as in one.
bool is_in_scope(const Path& recipient, const Policy& policy) {
    return policy.scope != Scope::incoming || !recipient.address ||
           is_host_by_address(recipient.address->domain()) ||
           contains(policy.incoming_domains, recipient.address->domain());
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

/// nullopt: the message is not signed, or in no protocol that is known.
std::optional<crypto::Protocol> protocol_of_signature(const Transaction& transaction, mail::Layer layer) {
    if (layer == mail::Layer::smime_signed) {
        return crypto::Protocol::smime;
    }
    if (layer != mail::Layer::multipart_signed) {
        return std::nullopt;
    }
    const auto entity = mail::signed_entity(transaction.header, transaction.body);
    if (!entity) {
        return std::nullopt;
    }
    return entity->signature_type == "application/pgp-signature" ? crypto::Protocol::openpgp
                                                                 : crypto::Protocol::smime;
}

/// With `scope = outgoing` it is the client that takes a message out of scope, and the client may be one that
/// the administrator has forgotten.
std::string warning_about(const Inquiry& inquiry) {
    if (!inquiry.out_of_scope || inquiry.policy->scope != Scope::outgoing) {
        return {};
    }
    for (std::size_t i = 0; i < inquiry.recipients.size(); ++i) {
        const auto& applied = inquiry.recipients[i].rule;
        if (applied.rule->demand == Demand::require) {
            return fmt::format("rule {} ({}) wants {} sealed to, but the client {} has not authenticated and "
                               "is in none of trusted-networks",
                               applied.number, applied.rule->to_string(),
                               printable(inquiry.transaction->recipients[i].raw),
                               printable(inquiry.transaction->origin.client_address));
        }
    }
    return {};
}

AppliedRule first_rule_for(const Path& recipient, const Path& reverse_path, const Policy& policy) {
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
        if (policy.rules[i].matches(recipient, reverse_path)) {
            return {&policy.rules[i], i + 1};
        }
    }
    return {};
}

} // namespace

AppliedRule rule_for(const Path& recipient, const Path& reverse_path, const Policy& policy) {
    const auto own = first_rule_for(recipient, reverse_path, policy);
    const auto base = recipient.address ? without_extension(*recipient.address, policy) : std::nullopt;
    if (!base) {
        return own;
    }
    const auto of_base = first_rule_for(Path::to(*base), reverse_path, policy);
    return is_stricter(of_base.rule->demand, own.rule->demand) ? of_base : own;
}

std::vector<mail::Address> Inquiry::addresses() const {
    std::vector<mail::Address> addresses;
    std::set<mail::Address> seen;
    for (std::size_t i = 0; i < recipients.size(); ++i) {
        const auto& address = transaction->recipients[i].address;
        if (recipients[i].looked_up && seen.insert(address.value()).second) {
            addresses.push_back(*address);
        }
    }
    return addresses;
}

bool Inquiry::wants_certificates() const noexcept {
    return std::any_of(recipients.begin(), recipients.end(), [](const Recipient& recipient) {
        return recipient.looked_up && recipient.rule.rule->demand != Demand::never;
    });
}

Inquiry prepare(const Transaction& transaction, const Policy& policy,
                const std::vector<std::string>& served) {
    Inquiry inquiry;
    inquiry.transaction = &transaction;
    inquiry.policy = &policy;
    inquiry.layer = mail::outermost_layer(transaction.header, transaction.body);
    inquiry.outgoing = is_outgoing(transaction.origin, policy);
    inquiry.out_of_scope = why_out_of_scope(transaction, policy);
    inquiry.untouched = inquiry.out_of_scope;
    if (!inquiry.untouched && mail::is_sealed(inquiry.layer)) {
        inquiry.untouched = fmt::format("already sealed: {}", mail::describe(inquiry.layer));
    }
    inquiry.served.insert(served.begin(), served.end());
    const auto signature = protocol_of_signature(transaction, inquiry.layer);
    inquiry.preferred_protocol = signature.value_or(policy.preferred_protocol);
    inquiry.signature_decides = signature.has_value();

    // A rule that says never speaks of a recipient, not of those it may stand for, who have rules of their
    // own.
    inquiry.may_seal = seals_for(transaction.reverse_path, policy);
    inquiry.recipients.reserve(transaction.recipients.size());
    for (const auto& path : transaction.recipients) {
        Inquiry::Recipient recipient;
        recipient.rule = rule_for(path, transaction.reverse_path, policy);
        recipient.in_scope = is_in_scope(path, policy);
        recipient.served = inquiry.served.count(path.mailbox()) != 0;
        recipient.looked_up = !inquiry.untouched && !recipient.served && path.address && recipient.in_scope &&
                              (recipient.rule.rule->demand != Demand::never || inquiry.may_seal);
        inquiry.recipients.push_back(recipient);
    }
    inquiry.warning = warning_about(inquiry);
    return inquiry;
}

KeyringView gather(const Inquiry& inquiry, const LookUp& look_up) {
    KeyringView view;
    const Ask ask = [&](const mail::Address& address) -> const keyring::Known& {
        auto place = view.find(address);
        if (place == view.end()) {
            place = view.emplace(address, look_up(address)).first;
        }
        return place->second;
    };
    std::size_t met = 0;
    const keyring::AliasLookup alias_in_keyring = [&](const mail::Address& address) {
        ++met;
        return alias_of(address, *inquiry.policy, ask);
    };
    for (const auto& address : inquiry.addresses()) {
        (void)keyring::expand(address, alias_in_keyring); // the same walk as judge()'s
        if (met > recipients_max) {
            break; // judge() ends here too, if not before: it counts an address as often as it is named
        }
    }
    return view;
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
        if (transaction.recipients_left_out ||
            std::any_of(transaction.recipients.begin(), transaction.recipients.end(),
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

} // namespace lockbox::policy
