#include "cli/revocations.hpp"

#include <string>
#include <vector>

namespace lockbox::cli {

std::shared_ptr<const crypto::RevocationLists>
revocations_of(const policy::Config& config, const Invocation& invocation, UnreadableList unreadable) {
    auto& err = invocation.io().err;
    std::vector<std::string> problems;
    auto lists = unreadable == UnreadableList::fail
                     ? crypto::RevocationLists::load(config.smime_revocations)
                     : crypto::RevocationLists::load_readable(config.smime_revocations, problems);
    for (const auto& problem : problems) {
        warn(err, problem + "; nothing is known of what it has revoked");
    }
    for (const auto& list : lists->overdue(invocation.environment().now)) {
        warn(err, list.describe());
    }
    return lists;
}

} // namespace lockbox::cli
