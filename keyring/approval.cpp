#include "keyring/approval.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string_view>

namespace lockbox::keyring {
namespace {

bool is_named(const Bound& bound, const std::string& digits) {
    const auto& fingerprint = bound.entry.certificate.fingerprint;
    return fingerprint.starts_with(digits) || fingerprint.ends_with(digits);
}

/// The one that is meant: of those in that state, or in any state where `digits` name it.
const Bound& the_one(const std::vector<Bound>& all, const mail::Address& address, const std::string& digits,
                     const std::function<bool(const Binding&)>& makes_sense, std::string_view nothing) {
    std::vector<const Bound*> meant;
    for (const auto& bound : all) {
        if (makes_sense(bound.binding) && (digits.empty() || is_named(bound, digits))) {
            meant.push_back(&bound);
        }
    }
    if (meant.empty()) {
        throw Error(ErrorKind::no_certificate,
                    digits.empty() ? fmt::format("{} for {}", nothing, address.to_string())
                                   : fmt::format("{} for {} with the fingerprint {}", nothing,
                                                 address.to_string(), digits),
                    fmt::format("`lockbox list {}` shows what there is", address.to_string()));
    }
    if (meant.size() > 1) {
        std::string fingerprints;
        for (const auto* bound : meant) {
            fingerprints += " " + bound->entry.certificate.fingerprint;
        }
        throw Error(ErrorKind::usage,
                    fmt::format("{} has several of these certificates:{}", address.to_string(), fingerprints),
                    "name one by its fingerprint, behind the address");
    }
    return *meant.front();
}

void check_not_revoked(const Bound& bound) {
    const auto& fingerprint = bound.entry.certificate.fingerprint;
    if (bound.entry.revoked) {
        throw Error(ErrorKind::usage, fmt::format("certificate {} is revoked", fingerprint),
                    "its owner has another one: ask for that");
    }
    if (bound.binding.reason == former_because::revoked) {
        throw Error(ErrorKind::usage,
                    fmt::format("the owner of certificate {} has revoked it for {}", fingerprint,
                                bound.binding.address.to_string()),
                    "its owner has another one for this address: ask for that");
    }
}

Rebinding changed(const Bound& bound, const std::function<void(Binding&)>& change) {
    Rebinding result{bound.entry.certificate.fingerprint, bound.binding};
    change(result.binding);
    return result;
}

} // namespace

std::vector<Rebinding> approve(const std::vector<Bound>& bound, const mail::Address& address,
                               const std::string& digits, Time now) {
    const auto& chosen = the_one(
        bound, address, digits,
        [&](const Binding& binding) {
            return binding.state == BindingState::pending ||
                   (!digits.empty() && binding.state != BindingState::active);
        },
        "nothing waits for approval");
    check_not_revoked(chosen);
    std::vector<Rebinding> changes{changed(chosen, [&](Binding& binding) {
        binding.state = BindingState::active;
        binding.trust = Trust::manual;
        // What the certificate does not name rests on the person alone from now on.
        binding.assigned = binding.assigned || binding.reason == former_because::not_named;
        binding.confirmed = now;
        binding.reason.clear();
    })};
    for (const auto& other : bound) {
        if (other.binding.state == BindingState::active &&
            other.entry.certificate.fingerprint != chosen.entry.certificate.fingerprint &&
            other.entry.certificate.protocol == chosen.entry.certificate.protocol) {
            changes.push_back(changed(other, [&](Binding& binding) {
                binding.state = BindingState::former;
                binding.pinned = false;
                binding.reason = std::string(former_because::replaced) + chosen.entry.certificate.fingerprint;
            }));
        }
    }
    return changes;
}

std::vector<Rebinding> reject(const std::vector<Bound>& bound, const mail::Address& address,
                              const std::string& digits) {
    const auto& chosen = the_one(
        bound, address, digits, [](const Binding& binding) { return binding.state == BindingState::pending; },
        "nothing waits for approval");
    return {changed(chosen, [](Binding& binding) {
        binding.state = BindingState::rejected;
        binding.reason = "rejected by a person";
    })};
}

std::vector<Rebinding> pin(const std::vector<Bound>& bound, const mail::Address& address,
                           const std::string& digits, bool pinned) {
    const auto& chosen = the_one(
        bound, address, digits,
        [&](const Binding& binding) {
            return binding.state == BindingState::active && (pinned || binding.pinned);
        },
        pinned ? "there is no active certificate" : "there is no pinned certificate");
    return {changed(chosen, [&](Binding& binding) { binding.pinned = pinned; })};
}

} // namespace lockbox::keyring
