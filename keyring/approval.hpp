// A person's word on bindings: for Keyring::rebind().
#pragma once

#include "keyring/entry.hpp"
#include "keyring/keyring.hpp"

#include <string>
#include <vector>

namespace lockbox::keyring {

/// What a person says about the certificates for one address. `digits` are the first or last ones of the
/// fingerprint that is meant; empty: the only one for which it makes sense.
///
/// Each throws Error(no_certificate) where there is nothing of the kind, and Error(usage) where several are
/// meant, or where the certificate, or its User ID for the address, is revoked.

/// One that waits, or the one with that fingerprint whatever its state, becomes active and trusted by a
/// person; those of the same protocol that were active become former ones.
[[nodiscard]] std::vector<Rebinding> approve(const std::vector<Bound>& bound, const mail::Address& address,
                                             const std::string& digits, Time now);

/// One that waits is not used, and not offered again.
[[nodiscard]] std::vector<Rebinding> reject(const std::vector<Bound>& bound, const mail::Address& address,
                                            const std::string& digits);

/// An active one is not replaced but by a person's word; or it is again.
[[nodiscard]] std::vector<Rebinding> pin(const std::vector<Bound>& bound, const mail::Address& address,
                                         const std::string& digits, bool pinned);

} // namespace lockbox::keyring
