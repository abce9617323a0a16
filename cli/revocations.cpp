#include "cli/revocations.hpp"

#include "base/error.hpp"
#include "crypto/trusted_authorities.hpp"

#include <iterator>
#include <utility>

namespace lockbox::cli {
namespace {

/// The configured authorities, and those above certificates in the keyring, which one of these vouched for.
/// What cannot be read is left out: somebody else says so, and lists count less without it.
std::vector<std::string> known_authorities(const policy::Config& config, const Invocation& invocation) {
    auto known = trusted_authorities(config, invocation).certificates();
    try {
        auto issuers = invocation.open_keyring(keyring::Access::read).issuers();
        std::move(issuers.begin(), issuers.end(), std::back_inserter(known));
    } catch (const Error&) {
        return known; // there is none yet
    }
    return known;
}

} // namespace

crypto::TrustedAuthorities trusted_authorities(const policy::Config& config, const Invocation& invocation) {
    try {
        return crypto::TrustedAuthorities::load(config.smime_authorities);
    } catch (const Error& error) {
        warn(invocation.io().err, error.what());
        return {};
    }
}

std::vector<std::string> with_doubts(std::vector<std::string> warnings,
                                     const keyring::RevocationDoubts& doubts, const Invocation& invocation) {
    for (const auto& doubt : doubts) {
        warn(invocation.io().err, doubt);
        warnings.push_back(doubt);
    }
    return warnings;
}

Revocations revocations_of(const policy::Config& config, const Invocation& invocation,
                           UnreadableList unreadable, ListSigners signers) {
    Revocations found;
    std::vector<std::string> problems;
    const auto authorities =
        config.smime_revocations.empty() ? std::vector<std::string>() : known_authorities(config, invocation);
    found.lists =
        unreadable == UnreadableList::fail
            ? crypto::RevocationLists::load(config.smime_revocations, authorities)
            : crypto::RevocationLists::load_readable(config.smime_revocations, authorities, problems);
    for (const auto& problem : problems) {
        found.warnings.push_back(problem + "; nothing is known of what it has revoked");
    }
    for (const auto& list : found.lists->overdue(invocation.environment().now)) {
        found.warnings.push_back(list.describe());
    }
    if (signers == ListSigners::are_known) {
        for (auto& doubt : found.lists->of_unknown_authorities()) {
            found.warnings.push_back(std::move(doubt));
        }
    }
    for (const auto& warning : found.warnings) {
        warn(invocation.io().err, warning);
    }
    return found;
}

} // namespace lockbox::cli
