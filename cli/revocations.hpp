// The configuration's lists of revoked certificates, as commands look at them.
#pragma once

#include "cli/command.hpp"
#include "crypto/revocation.hpp"

#include <memory>
#include <string>
#include <vector>

namespace lockbox::cli {

enum class UnreadableList {
    warn, ///< what is asked for does not depend on it alone, and the milter says the rest
    fail, ///< something would be sealed without knowing who is revoked
};

struct Revocations {
    std::shared_ptr<const crypto::RevocationLists> lists; ///< never null
    std::vector<std::string> warnings;                    ///< what is wrong with which list
};

/// Warns of lists that are overdue, and of those that cannot be read unless they are a failure: then it
/// throws what RevocationLists::load() throws.
[[nodiscard]] Revocations revocations_of(const policy::Config& config, const Invocation& invocation,
                                         UnreadableList unreadable);

} // namespace lockbox::cli
