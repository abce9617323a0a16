// Bindings for tests: what an import would have made.
#pragma once

#include "keyring/choice.hpp"
#include "keyring/entry.hpp"

#include <string>
#include <vector>

namespace lockbox::test {

inline keyring::Binding binding(const std::string& address,
                                keyring::BindingState state = keyring::BindingState::active,
                                Time since = Time{}) {
    keyring::Binding made{mail::Address::parse(address).value()};
    made.state = state;
    made.source = "test.asc";
    made.first_seen = since;
    made.confirmed = since;
    if (state == keyring::BindingState::former) {
        made.reason = keyring::former_because::revoked;
    }
    return made;
}

inline std::vector<keyring::Binding> bindings(const std::vector<std::string>& addresses,
                                              keyring::BindingState state = keyring::BindingState::active,
                                              Time since = Time{}) {
    std::vector<keyring::Binding> made;
    for (const auto& address : addresses) {
        made.push_back(binding(address, state, since));
    }
    return made;
}

/// Each entry with its first binding.
inline std::vector<keyring::Candidate> candidates(const std::vector<keyring::Entry>& entries) {
    std::vector<keyring::Candidate> made;
    for (const auto& entry : entries) {
        made.push_back({&entry, entry.bindings.empty() ? nullptr : &entry.bindings.front()});
    }
    return made;
}

inline std::vector<keyring::Candidate> candidates(const std::vector<keyring::Bound>& all) {
    std::vector<keyring::Candidate> made;
    for (const auto& bound : all) {
        made.push_back({&bound.entry, &bound.binding});
    }
    return made;
}

} // namespace lockbox::test
