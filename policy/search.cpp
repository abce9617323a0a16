#include "policy/search.hpp"

#include "base/ascii.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace lockbox::policy {
namespace {

/// The entries that have exactly that address; only if there are none, and the domain allows it, those that
/// differ in nothing but the case of the local part (RFC 5321 §2.4: what that means is the domain's
/// business).
std::vector<keyring::Entry> candidates_for(const mail::Address& address, const Policy& policy,
                                           const std::vector<keyring::Entry>& entries) {
    std::vector<keyring::Entry> exact;
    std::vector<keyring::Entry> alike;
    const auto folded = address.folded();
    for (const auto& entry : entries) {
        // Former addresses too: their certificate is unusable, which is not the same as none.
        const auto has = [&](const auto& same) {
            const auto holds = [&](const std::string& text) {
                const auto other = mail::Address::parse(text);
                return other && same(*other);
            };
            return std::any_of(entry.addresses.begin(), entry.addresses.end(), holds) ||
                   std::any_of(entry.former_addresses.begin(), entry.former_addresses.end(), holds);
        };
        if (has([&](const mail::Address& other) { return other == address; })) {
            exact.push_back(entry);
        } else if (has([&](const mail::Address& other) { return other.folded() == folded; })) {
            alike.push_back(entry);
        }
    }
    const bool only_exact = !exact.empty() || is_case_sensitive(address, policy);
    return only_exact ? exact : alike;
}

/// Nothing of its own: no certificate, usable or not, and no alias.
bool is_unknown(const keyring::Known& known) {
    return known.entries.empty() && !known.alias;
}

/// " (found for <bob@example.org>, without the extension +tag)"; empty: found for the whole address.
std::string without_which_extension(const mail::Address& found_for, const mail::Address& address) {
    return found_for == address
               ? std::string()
               : fmt::format(" (found for {}, without the extension {})", found_for.to_string(),
                             address.local_part().substr(found_for.local_part().size()));
}

/// Looks in one place after the other until there is a usable certificate.
class Searcher {
public:
    /// `remark` is added to every reason.
    Searcher(const keyring::WantedProtocol& wanted, Time now, std::string remark)
        : wanted_(wanted), now_(now), remark_(std::move(remark)) {}

    /// `alias`: whose certificate it is; null: the address's own.
    void among(std::span<const keyring::Entry> entries, const keyring::Alias* alias) {
        if (found_.certificate) {
            return;
        }
        auto choice = keyring::choose(entries, wanted_, now_);
        for (const auto& rejected : choice.rejected) {
            const auto why =
                (alias == nullptr ? rejected.reason
                                  : fmt::format("{} (alias {})", rejected.reason, alias->name.text())) +
                remark_;
            found_.passed_over.push_back(fmt::format("{}: {}", rejected.entry->certificate.fingerprint, why));
            if (rejected.unusable) {
                found_.unusable.push_back(why);
            }
        }
        if (choice.certificate) {
            found_.certificate = std::move(choice.certificate);
            found_.reason =
                (alias == nullptr ? std::move(choice.reason)
                                  : fmt::format("the certificate of the alias {}", alias->name.text())) +
                remark_;
        }
    }

    /// The alias's certificate is one that the rule allows.
    [[nodiscard]] bool accepts(const keyring::Alias* alias) const {
        return alias != nullptr && alias->certificate &&
               wanted_.admits(alias->certificate->certificate.protocol);
    }

    [[nodiscard]] Search finish() { return std::move(found_); }

private:
    keyring::WantedProtocol wanted_;
    Time now_;
    std::string remark_;
    Search found_;
};

} // namespace

const keyring::Known& known_in(const KeyringView& view, const mail::Address& address) {
    const auto found = view.find(address);
    if (found == view.end()) {
        throw std::logic_error("the keyring was not asked about a recipient");
    }
    return found->second;
}

bool is_case_sensitive(const mail::Address& address, const Policy& policy) {
    const auto& domains = policy.case_sensitive_domains;
    return std::find(domains.begin(), domains.end(), address.domain()) != domains.end();
}

std::optional<mail::Address> without_extension(const mail::Address& address, const Policy& policy) {
    return policy.subaddress_separator && !is_case_sensitive(address, policy)
               ? address.without_extension(*policy.subaddress_separator)
               : std::nullopt;
}

mail::Address looked_up_as(const mail::Address& address, const Policy& policy, const Ask& ask) {
    if (!is_unknown(ask(address))) {
        return address;
    }
    auto base = without_extension(address, policy);
    return base && !is_unknown(ask(*base)) ? *std::move(base) : address;
}

const keyring::Alias* alias_of(const mail::Address& address, const Policy& policy, const Ask& ask) {
    const auto found_for = looked_up_as(address, policy, ask);
    const auto& known = ask(found_for);
    const bool holds = known.alias && (known.alias->name == keyring::AliasName::of(found_for) ||
                                       !is_case_sensitive(found_for, policy));
    return holds ? &*known.alias : nullptr;
}

Search search_for(const mail::Address& address, const keyring::WantedProtocol& wanted, const Policy& policy,
                  const KeyringView& view, Time now) {
    const Ask ask = [&](const mail::Address& asked) -> const keyring::Known& {
        return known_in(view, asked);
    };
    const auto found_for = looked_up_as(address, policy, ask);
    const auto& known = ask(found_for);
    Searcher searcher(wanted, now, without_which_extension(found_for, address));
    if (const auto* alias = alias_of(found_for, policy, ask); searcher.accepts(alias)) {
        searcher.among({&*alias->certificate, 1}, alias);
        return searcher.finish();
    }
    searcher.among(candidates_for(found_for, policy, known.entries), nullptr);
    if (known.domain_alias && searcher.accepts(&*known.domain_alias)) {
        searcher.among({&*known.domain_alias->certificate, 1}, &*known.domain_alias);
    }
    return searcher.finish();
}

} // namespace lockbox::policy
