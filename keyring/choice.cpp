#include "keyring/choice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace lockbox::keyring {
namespace {

/// A candidate whose binding is active, or once was, with what decides.
struct Weighed {
    Candidate candidate;
    std::optional<WhyUnusable> unusable;
    bool active;
    bool pinned;
    Trust trust;
    bool preferred_protocol;
    Time newest_key;

    [[nodiscard]] const crypto::Certificate& certificate() const { return candidate.entry->certificate; }
    /// How strongly it holds its place: what is held less does not take it.
    [[nodiscard]] int hold() const { return pinned ? 2 : trust == Trust::manual ? 1 : 0; }
};

Weighed weigh(const Candidate& candidate, const WantedProtocol& wanted, Time now) {
    const auto& entry = *candidate.entry;
    const auto* binding = candidate.binding;
    Weighed weighed{candidate,
                    binding != nullptr ? why_unusable(entry, *binding, now) : why_unusable(entry, now),
                    binding == nullptr || binding->state == BindingState::active,
                    binding != nullptr && binding->pinned,
                    binding != nullptr ? binding->trust : Trust::manual,
                    entry.certificate.protocol == wanted.preferred,
                    entry.created};
    if (const auto* key = encryption_key_at(entry, now)) {
        weighed.newest_key = key->created;
    }
    return weighed;
}

bool preferred(const Weighed& left, const Weighed& right) {
    return std::tuple(left.unusable.has_value(), right.pinned, right.preferred_protocol, right.trust,
                      right.newest_key, left.certificate().fingerprint) <
           std::tuple(right.unusable.has_value(), left.pinned, left.preferred_protocol, left.trust,
                      left.newest_key, right.certificate().fingerprint);
}

/// The active one that is held most strongly of those that cannot be used; null: each can.
const Weighed* strongest_unusable(const std::vector<Weighed>& all) {
    const Weighed* found = nullptr;
    for (const auto& one : all) {
        if (one.active && one.unusable && (found == nullptr || one.hold() > found->hold())) {
            found = &one;
        }
    }
    return found;
}

/// `eligible` are in order of preference, and one at least.
std::string why_first(const std::vector<const Weighed*>& eligible, bool only_one,
                      const WantedProtocol& wanted) {
    const auto usable = eligible.size();
    if (usable == 1) {
        return only_one ? "the only certificate" : "the only usable certificate";
    }
    const auto& first = *eligible[0];
    const auto& second = *eligible[1];
    if (first.pinned != second.pinned) {
        return fmt::format("the pinned one of {} usable certificates", usable);
    }
    if (first.preferred_protocol != second.preferred_protocol) {
        return fmt::format("of {} usable certificates, {} is the {}", usable,
                           crypto::to_string(first.certificate().protocol),
                           wanted.because_of_signature ? "protocol of the message's signature"
                                                       : "preferred protocol");
    }
    if (first.trust != second.trust) {
        return fmt::format("best trusted of {} usable certificates", usable);
    }
    if (first.newest_key != second.newest_key) {
        return fmt::format("newest of {} usable certificates", usable);
    }
    return fmt::format("smallest fingerprint of {} equally new usable certificates", usable);
}

Choice with_those_not_in_use(std::span<const Candidate> candidates, const WantedProtocol& wanted) {
    Choice choice;
    for (const auto& [entry, binding] : candidates) {
        if (binding == nullptr || !wanted.admits(entry->certificate.protocol)) {
            continue;
        }
        if (binding->state == BindingState::pending) {
            choice.pending.push_back(entry);
            choice.rejected.push_back({entry, "waits for approval", false});
        } else if (binding->state == BindingState::rejected) {
            choice.rejected.push_back({entry, "rejected by a person", false});
        }
    }
    return choice;
}

} // namespace

Choice choose(std::span<const Candidate> candidates, const WantedProtocol& wanted, Time now) {
    std::vector<Weighed> all;
    for (const auto& candidate : candidates) {
        const bool in_use = candidate.binding == nullptr ||
                            candidate.binding->state == BindingState::active ||
                            candidate.binding->state == BindingState::former;
        if (in_use && wanted.admits(candidate.entry->certificate.protocol)) {
            all.push_back(weigh(candidate, wanted, now));
        }
    }
    std::sort(all.begin(), all.end(), preferred);
    const auto* const held = strongest_unusable(all);
    std::vector<const Weighed*> eligible;
    for (const auto& weighed : all) {
        if (!weighed.unusable && (held == nullptr || weighed.hold() >= held->hold())) {
            eligible.push_back(&weighed);
        }
    }

    Choice choice;
    for (const auto& weighed : all) {
        const auto* entry = weighed.candidate.entry;
        if (weighed.unusable) {
            choice.rejected.push_back({entry, weighed.unusable->describe(), true});
        } else if (std::find(eligible.begin(), eligible.end(), &weighed) == eligible.end()) {
            choice.rejected.push_back({entry,
                                       fmt::format("usable, but does not take the place of {}, which is {}",
                                                   held->certificate().fingerprint,
                                                   held->pinned ? "pinned" : "trusted by a person"),
                                       false});
        } else if (choice.chosen) {
            choice.rejected.push_back({entry, "usable, but another one is preferred", false});
        } else {
            choice.chosen = weighed.candidate;
            choice.certificate = entry->certificate;
            if (const auto* key = encryption_key_at(*entry, now)) {
                choice.certificate->encryption_key = key->fingerprint;
            }
            choice.reason = why_first(eligible, all.size() == 1, wanted);
        }
    }
    auto others = with_those_not_in_use(candidates, wanted);
    choice.rejected.insert(choice.rejected.end(), others.rejected.begin(), others.rejected.end());
    choice.pending = std::move(others.pending);
    return choice;
}

} // namespace lockbox::keyring
