#include "keyring/takeover.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockbox::keyring {
namespace {

/// Whether a User ID that is not revoked names the address, and whether a revoked one does.
struct Named {
    bool valid = false;
    bool revoked = false;
    std::optional<Time> until; ///< of the User ID that lasts longest; nullopt: no end
};

Named named_by(const Entry& entry, const mail::Address& address, Time now) {
    Named named;
    for (const auto& user_id : entry.user_ids) {
        const auto other = mail::Address::parse(user_id.address);
        if (!other || other->folded() != address.folded()) {
            continue;
        }
        if (user_id.revoked) {
            named.revoked = true;
        } else if (!user_id.expires || now < *user_id.expires) {
            const bool is_first = !named.valid;
            named.valid = true;
            named.until = !user_id.expires || (!is_first && !named.until) ? std::nullopt
                          : is_first                                      ? user_id.expires
                                     : std::max(named.until, user_id.expires);
        }
    }
    return named;
}

class Rebinder {
public:
    Rebinder(const Entry& entry, const Grounds& grounds, const Keyring::LookUp& look_up,
             const BaseOf& base_of, Time now)
        : entry_(entry), grounds_(grounds), look_up_(look_up), base_of_(base_of), now_(now),
          is_known_(!entry.bindings.empty()) {}

    Rebound rebind() {
        for (const auto& binding : entry_.bindings) {
            keep(binding);
        }
        add_revoked_user_ids();
        for (const auto& proposal : grounds_.proposals) {
            propose(proposal);
        }
        return std::move(result_);
    }

private:
    [[nodiscard]] const std::string& fingerprint() const { return entry_.certificate.fingerprint; }

    Binding* own(const mail::Address& address) {
        const auto found = std::find_if(result_.own.begin(), result_.own.end(),
                                        [&](const Binding& binding) { return binding.address == address; });
        return found != result_.own.end() ? &*found : nullptr;
    }

    /// One from before, as the certificate is now.
    void keep(Binding binding) {
        if (entry_.revoked) { // which says it all, and GnuPG calls every User ID revoked then
            result_.own.push_back(std::move(binding));
            return;
        }
        const auto named = named_by(entry_, binding.address, now_);
        const bool in_use = binding.state == BindingState::active || binding.state == BindingState::former;
        const bool is_revoked = named.revoked && !named.valid;
        if (is_revoked || (!named.valid && !binding.assigned)) {
            if (binding.state == BindingState::pending && !is_revoked) {
                return; // it was never used, and is not offered any more
            }
            const bool was_active = binding.state == BindingState::active;
            binding.state = in_use ? BindingState::former : BindingState::rejected;
            if (is_revoked) {
                binding.reason = former_because::revoked;
            } else if (was_active) {
                binding.reason = former_because::not_named;
            }
            binding.pinned = false;
        } else if (binding.state == BindingState::active) {
            binding.confirmed = now_;
            if (!binding.assigned) {
                binding.good_until = named.until;
            }
        }
        result_.own.push_back(std::move(binding));
    }

    /// Whoever revoked a User ID was somebody for that address once.
    void add_revoked_user_ids() {
        if (entry_.revoked) {
            return;
        }
        for (const auto& user_id : entry_.user_ids) {
            const auto address = user_id.revoked ? mail::Address::parse(user_id.address) : std::nullopt;
            if (!address || own(*address) != nullptr || named_by(entry_, *address, now_).valid ||
                grounds_.proposals.empty()) {
                continue;
            }
            const auto& first = grounds_.proposals.front();
            if (!first.assigned) {
                result_.own.push_back({*address, BindingState::former, first.trust, first.source, false,
                                       false, now_, now_, std::nullopt,
                                       std::string(former_because::revoked)});
            }
        }
    }

    void propose(const Proposal& proposal) {
        auto* binding = own(proposal.address);
        if (binding == nullptr) {
            result_.own.push_back({proposal.address,
                                   BindingState::pending,
                                   proposal.trust,
                                   proposal.source,
                                   false,
                                   proposal.assigned,
                                   now_,
                                   now_,
                                   proposal.good_until,
                                   {}});
            decide_new(result_.own.back(), proposal);
            return;
        }
        binding->assigned = binding->assigned || proposal.assigned;
        if (binding->state == BindingState::active) {
            binding->trust = std::max(binding->trust, proposal.trust);
        } else if (binding->state == BindingState::former && binding->reason == former_because::revoked) {
            wait(*binding, {}, binding->reason);
        } else if (binding->state == BindingState::former) {
            decide_former(*binding, proposal);
        } else if (binding->state == BindingState::rejected && !grounds_.replace) {
            wait(*binding, {}, "a person has rejected it for this address");
        } else {
            const auto others = rivals(proposal.address);
            if (binding->state == BindingState::pending && proposal.by_person && others.empty()) {
                activate(*binding, proposal.trust);
            } else if (!takes_over(*binding, proposal, others)) {
                wait(*binding, first_of(others), "it waits for approval");
            }
        }
    }

    void decide_new(Binding& binding, const Proposal& proposal) {
        const auto others = rivals(proposal.address);
        const bool nobody_else = others.empty() && (!is_known_ || proposal.by_person);
        if (nobody_else) {
            binding.state = BindingState::active;
        } else if (!takes_over(binding, proposal, others)) {
            binding.reason = others.empty() ? "a new address on a certificate that is known"
                                            : "the address has another certificate";
            wait(binding, first_of(others), binding.reason);
        }
    }

    void decide_former(Binding& binding, const Proposal& proposal) {
        const auto others = rivals(proposal.address);
        if (others.empty()) {
            activate(binding, proposal.trust);
            binding.good_until = proposal.good_until;
        } else if (!takes_over(binding, proposal, others)) {
            wait(binding, first_of(others), binding.reason);
        }
    }

    /// Makes the binding active where a person, or the rivals themselves, have said so.
    bool takes_over(Binding& binding, const Proposal& proposal, const std::vector<Rival>& others) {
        const bool is_pinned = std::any_of(others.begin(), others.end(), [](const Rival& rival) {
            return rival.binding && rival.binding->pinned;
        });
        if (is_pinned) {
            return false;
        }
        if (grounds_.replace) {
            activate(binding, Trust::manual);
            for (const auto& rival : others) {
                replace(rival);
            }
            return true;
        }
        for (const auto& rival : others) {
            const auto found = grounds_.renews.find({binding.address, rival.fingerprint});
            if (found != grounds_.renews.end() && rival.binding) {
                activate(binding, std::max(proposal.trust, rival.binding->trust));
                result_.remarks.push_back(fmt::format("for {} it renews {}: {}", binding.address.to_string(),
                                                      rival.fingerprint, found->second));
                return true;
            }
        }
        return false;
    }

    static void activate(Binding& binding, Trust trust) {
        binding.state = BindingState::active;
        binding.trust = std::max(binding.trust, trust);
        binding.reason.clear();
    }

    /// A certificate of the other protocol does not stand in the way: rules say which protocol is used.
    void replace(const Rival& rival) {
        if (!rival.binding || rival.protocol != entry_.certificate.protocol) {
            return;
        }
        auto binding = *rival.binding;
        binding.state = BindingState::former;
        binding.reason = std::string(former_because::replaced) + fingerprint();
        const Rebinding change{rival.fingerprint, std::move(binding)};
        if (std::find(result_.of_others.begin(), result_.of_others.end(), change) ==
            result_.of_others.end()) {
            result_.of_others.push_back(change);
        }
    }

    void wait(const Binding& binding, const std::string& rival, const std::string& why) {
        result_.waiting.push_back({binding.address, binding.state, rival, why});
    }

    [[nodiscard]] std::vector<Rival> rivals(const mail::Address& address) const {
        return rivals_of(fingerprint(), address, look_up_, base_of_);
    }

    static std::string first_of(const std::vector<Rival>& others) {
        return others.empty() ? std::string() : others.front().fingerprint;
    }

    const Entry& entry_;
    const Grounds& grounds_;
    const Keyring::LookUp& look_up_;
    const BaseOf& base_of_;
    Time now_;
    bool is_known_;
    Rebound result_;
};

} // namespace

std::vector<Rival> rivals_of(const std::string& fingerprint, const mail::Address& address,
                             const Keyring::LookUp& look_up, const BaseOf& base_of) {
    std::vector<Rival> rivals;
    const auto add_from = [&](const Known& known, bool with_domain) {
        for (const auto& [binding, entry] : known.bound) {
            if (binding.state == BindingState::active && entry.certificate.fingerprint != fingerprint) {
                rivals.push_back({entry.certificate.fingerprint, entry.certificate.protocol, binding});
            }
        }
        const auto& alias = known.domain_alias;
        if (with_domain && alias && alias->certificate &&
            alias->certificate->certificate.fingerprint != fingerprint) {
            const auto& certificate = alias->certificate->certificate;
            rivals.push_back({certificate.fingerprint, certificate.protocol, std::nullopt});
        }
    };
    add_from(look_up(address), /*with_domain=*/true);
    if (const auto base = rivals.empty() && base_of ? base_of(address) : std::nullopt) {
        add_from(look_up(*base), /*with_domain=*/false);
        for (auto& rival : rivals) {
            rival.binding.reset(); // that of another address, which stays what it is
        }
    }
    return rivals;
}

Rebound rebind_at_import(const Entry& entry, const Grounds& grounds, const Keyring::LookUp& look_up,
                         const BaseOf& base_of, Time now) {
    return Rebinder(entry, grounds, look_up, base_of, now).rebind();
}

} // namespace lockbox::keyring
