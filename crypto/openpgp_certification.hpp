// Whether one certificate vouches for another.
#pragma once

#include "base/time.hpp"

#include <string_view>

namespace lockbox::crypto {

/// Whether the owner of `certifier` has certified that `address` belongs to the key of `offered`: with a
/// signature of type 0x10 to 0x13 (RFC 9580 §5.2.1) over a User ID of `offered` that names exactly that
/// address, which GnuPG verifies, which is in force at `now`, which was made before `certifier` expired, and
/// which is the newest of the certifier's over that User ID and no revocation (0x30).
///
/// Both are one transferable public key each, binary: `offered` as it came, with others' signatures;
/// `certifier` as the keyring has it. A certificate does not vouch for itself. `certifier` must not be
/// revoked, which is for the caller to see to. Throws Error(engine) or Error(io) when GnuPG cannot be asked:
/// a failure is no "no".
[[nodiscard]] bool openpgp_certified_by(std::string_view offered, std::string_view certifier,
                                        std::string_view address, Time now);

} // namespace lockbox::crypto
