#include "cli/revocations.hpp"

namespace lockbox::cli {

Revocations revocations_of(const policy::Config& config, const Invocation& invocation,
                           UnreadableList unreadable) {
    Revocations found;
    std::vector<std::string> problems;
    found.lists = unreadable == UnreadableList::fail
                      ? crypto::RevocationLists::load(config.smime_revocations)
                      : crypto::RevocationLists::load_readable(config.smime_revocations, problems);
    for (const auto& problem : problems) {
        found.warnings.push_back(problem + "; nothing is known of what it has revoked");
    }
    for (const auto& list : found.lists->overdue(invocation.environment().now)) {
        found.warnings.push_back(list.describe());
    }
    for (const auto& warning : found.warnings) {
        warn(invocation.io().err, warning);
    }
    return found;
}

} // namespace lockbox::cli
