#include "keyring/choice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace lockbox::keyring {
namespace {

struct Candidate {
    const Entry* entry;
    std::optional<WhyUnusable> unusable;
    bool preferred_protocol;
    Time newest_key;
};

Candidate look_at(const Entry& entry, const WantedProtocol& wanted, Time now) {
    Candidate candidate{&entry, why_unusable(entry, now), entry.certificate.protocol == wanted.preferred,
                        entry.created};
    if (const auto* key = encryption_key_at(entry, now)) {
        candidate.newest_key = key->created;
    }
    return candidate;
}

bool preferred(const Candidate& left, const Candidate& right) {
    return std::tuple(left.unusable.has_value(), right.preferred_protocol, right.entry->trust,
                      right.newest_key, left.entry->certificate.fingerprint) <
           std::tuple(right.unusable.has_value(), left.preferred_protocol, left.entry->trust, left.newest_key,
                      right.entry->certificate.fingerprint);
}

std::string why_first(const std::vector<Candidate>& candidates, std::ptrdiff_t usable,
                      const WantedProtocol& wanted) {
    if (usable == 1) {
        return candidates.size() == 1 ? "the only certificate" : "the only usable certificate";
    }
    const auto& first = candidates[0];
    const auto& second = candidates[1];
    if (first.preferred_protocol != second.preferred_protocol) {
        return fmt::format("of {} usable certificates, {} is the {}", usable,
                           crypto::to_string(first.entry->certificate.protocol),
                           wanted.because_of_signature ? "protocol of the message's signature"
                                                       : "preferred protocol");
    }
    if (first.entry->trust != second.entry->trust) {
        return fmt::format("best trusted of {} usable certificates", usable);
    }
    if (first.newest_key != second.newest_key) {
        return fmt::format("newest of {} usable certificates", usable);
    }
    return fmt::format("smallest fingerprint of {} equally new usable certificates", usable);
}

} // namespace

Choice choose(std::span<const Entry> entries, const WantedProtocol& wanted, Time now) {
    std::vector<Candidate> candidates;
    for (const auto& entry : entries) {
        if (wanted.admits(entry.certificate.protocol)) {
            candidates.push_back(look_at(entry, wanted, now));
        }
    }
    std::sort(candidates.begin(), candidates.end(), preferred);
    const auto usable = std::count_if(candidates.begin(), candidates.end(),
                                      [](const Candidate& candidate) { return !candidate.unusable; });

    Choice choice;
    for (const auto& candidate : candidates) {
        if (candidate.unusable) {
            choice.rejected.push_back({candidate.entry, candidate.unusable->describe(), true});
        } else if (choice.chosen != nullptr) {
            choice.rejected.push_back({candidate.entry, "usable, but another one is preferred", false});
        } else {
            choice.chosen = candidate.entry;
            choice.certificate = candidate.entry->certificate;
            if (const auto* key = encryption_key_at(*candidate.entry, now)) {
                choice.certificate->encryption_key = key->fingerprint;
            }
            choice.reason = why_first(candidates, usable, wanted);
        }
    }
    return choice;
}

} // namespace lockbox::keyring
