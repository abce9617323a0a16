// Which certificates a new one renews: those whose owner, or whose authority, says so.
#pragma once

#include "keyring/keyring.hpp"
#include "keyring/takeover.hpp"

#include <map>
#include <string>
#include <string_view>

namespace lockbox::keyring {

using Renewals = decltype(Grounds::renews);

/// Grounds::renews for the addresses that are proposed: of the certificates of the same protocol that are
/// active for one of them,
/// - X.509: those above which stands an authority that stands above the new one, too: it says of both whose
///   they are;
/// - OpenPGP: those that have certified the User ID of the address on the new one (RFC 9580 §5.2.1.4 to
///   §5.2.1.7), as GnuPG verifies it, and are not revoked.
/// `offered` are the bytes as they came, with the signatures of others. Throws Error(engine) or Error(io)
/// where GnuPG cannot be run.
[[nodiscard]] Renewals renewals(std::string_view offered, const Entry& entry, const Grounds& grounds,
                                Keyring& keyring);

} // namespace lockbox::keyring
