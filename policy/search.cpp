#include "policy/search.hpp"

#include "base/ascii.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace lockbox::policy {
namespace {

/// It says something about the address by itself: what only waits, or was rejected, does not.
bool counts(const keyring::Bound& bound) {
    return bound.binding.state == keyring::BindingState::active ||
           bound.binding.state == keyring::BindingState::former;
}

/// The bindings for exactly that address; only if none of them counts, and the domain allows it, those too
/// that differ in nothing but the case of the local part (RFC 5321 §2.4: what that means is the domain's
/// business).
std::vector<keyring::Candidate> candidates_for(const mail::Address& address, const Policy& policy,
                                               const std::vector<keyring::Bound>& all) {
    std::vector<keyring::Candidate> exact;
    std::vector<keyring::Candidate> alike;
    const auto folded = address.folded();
    bool exact_counts = false;
    for (const auto& bound : all) {
        if (bound.binding.address == address) {
            exact.push_back({&bound.entry, &bound.binding});
            exact_counts = exact_counts || counts(bound);
        } else if (bound.binding.address.folded() == folded) {
            alike.push_back({&bound.entry, &bound.binding});
        }
    }
    if (!exact_counts && !is_case_sensitive(address, policy)) {
        exact.insert(exact.end(), alike.begin(), alike.end());
    }
    return exact;
}

/// Nothing of its own: no certificate that is or was used for it, usable or not, and no alias.
bool is_unknown(const keyring::Known& known) {
    return std::none_of(known.bound.begin(), known.bound.end(), counts) && !known.alias;
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
    void among(std::span<const keyring::Candidate> candidates, const keyring::Alias* alias) {
        if (found_.certificate) {
            return;
        }
        auto choice = keyring::choose(candidates, wanted_, now_);
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
        for (const auto* entry : choice.pending) {
            found_.pending.push_back(entry->certificate.fingerprint);
        }
        if (choice.certificate) {
            found_.certificate = std::move(choice.certificate);
            if (choice.chosen->binding != nullptr) {
                found_.binding = *choice.chosen->binding;
            }
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
        searcher.among(std::array{keyring::Candidate{&*alias->certificate, nullptr}}, alias);
        return searcher.finish();
    }
    searcher.among(candidates_for(found_for, policy, known.bound), nullptr);
    // What is pinned is replaced by a person's word alone, and the word about the domain was another one.
    const bool is_pinned =
        std::any_of(known.bound.begin(), known.bound.end(), [](const keyring::Bound& bound) {
            return bound.binding.state == keyring::BindingState::active && bound.binding.pinned;
        });
    if (known.domain_alias && !is_pinned && searcher.accepts(&*known.domain_alias)) {
        searcher.among(std::array{keyring::Candidate{&*known.domain_alias->certificate, nullptr}},
                       &*known.domain_alias);
    }
    return searcher.finish();
}

} // namespace lockbox::policy
