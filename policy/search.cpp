#include "policy/search.hpp"

#include "base/ascii.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace lockbox::policy {
namespace {

/// The entries that have exactly that address; only if there are none, and the domain allows it, those that
/// differ in nothing but the case of A-Z in the local part (RFC 5321 §2.4: what that means is the domain's
/// business).
std::vector<keyring::Entry> candidates_for(const mail::Address& address, const Policy& policy,
                                           const std::vector<keyring::Entry>& entries) {
    std::vector<keyring::Entry> exact;
    std::vector<keyring::Entry> alike;
    const auto text = address.to_string();
    for (const auto& entry : entries) {
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
    const bool only_exact = !exact.empty() || is_case_sensitive(address, policy);
    return only_exact ? exact : alike;
}

/// Looks in one place after the other until there is a usable certificate.
class Searcher {
public:
    Searcher(const keyring::WantedProtocol& wanted, Time now) : wanted_(wanted), now_(now) {}

    /// `alias`: whose certificate it is; null: the address's own.
    void among(std::span<const keyring::Entry> entries, const keyring::Alias* alias) {
        if (found_.certificate) {
            return;
        }
        auto choice = keyring::choose(entries, wanted_, now_);
        for (const auto& rejected : choice.rejected) {
            const auto why = alias == nullptr
                                 ? rejected.reason
                                 : fmt::format("{} (alias {})", rejected.reason, alias->name.text());
            found_.passed_over.push_back(fmt::format("{}: {}", rejected.entry->certificate.fingerprint, why));
            if (rejected.unusable) {
                found_.unusable.push_back(why);
            }
        }
        if (choice.certificate) {
            found_.certificate = std::move(choice.certificate);
            found_.reason = alias == nullptr
                                ? std::move(choice.reason)
                                : fmt::format("the certificate of the alias {}", alias->name.text());
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

const keyring::Alias* alias_of(const keyring::Known& known, const mail::Address& address,
                               const Policy& policy) {
    const bool holds = known.alias && (known.alias->name == keyring::AliasName::of(address) ||
                                       !is_case_sensitive(address, policy));
    return holds ? &*known.alias : nullptr;
}

Search search_for(const mail::Address& address, const keyring::WantedProtocol& wanted, const Policy& policy,
                  const KeyringView& view, Time now) {
    const auto& known = known_in(view, address);
    Searcher searcher(wanted, now);
    if (const auto* alias = alias_of(known, address, policy); searcher.accepts(alias)) {
        searcher.among({&*alias->certificate, 1}, alias);
        return searcher.finish();
    }
    searcher.among(candidates_for(address, policy, known.entries), nullptr);
    if (known.domain_alias && searcher.accepts(&*known.domain_alias)) {
        searcher.among({&*known.domain_alias->certificate, 1}, &*known.domain_alias);
    }
    return searcher.finish();
}

} // namespace lockbox::policy
