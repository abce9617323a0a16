// The configuration's lists of revoked certificates, as commands look at them.
#pragma once

#include "cli/command.hpp"
#include "crypto/revocation.hpp"
#include "keyring/revocation.hpp"

#include <memory>
#include <string>
#include <vector>

namespace lockbox::cli {

enum class UnreadableList {
    warn, ///< what is asked for does not depend on it alone, and the milter says the rest
    fail, ///< something would be sealed without knowing who is revoked
};

enum class ListSigners {
    are_known,           ///< one who is not is warned of
    come_with_the_input, ///< as at import: each certificate tells
};

struct Revocations {
    std::shared_ptr<const crypto::RevocationLists> lists; ///< never null
    std::vector<std::string> warnings;                    ///< what is wrong with which list
};

/// Those that `smime-ca` names; none where they cannot be read, of which it warns.
[[nodiscard]] crypto::TrustedAuthorities trusted_authorities(const policy::Config& config,
                                                             const Invocation& invocation);

/// Warns of each certificate of which it is not known whether it is revoked; gives `warnings` with them.
[[nodiscard]] std::vector<std::string> with_doubts(std::vector<std::string> warnings,
                                                   const keyring::RevocationDoubts& doubts,
                                                   const Invocation& invocation);

/// Warns of lists that are overdue, of those that nobody has signed who is among the configured authorities
/// or above a certificate in the keyring, and of those that cannot be read unless they are a failure: then it
/// throws what RevocationLists::load() throws.
[[nodiscard]] Revocations revocations_of(const policy::Config& config, const Invocation& invocation,
                                         UnreadableList unreadable,
                                         ListSigners signers = ListSigners::are_known);

} // namespace lockbox::cli
