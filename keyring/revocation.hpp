// What lists of revoked certificates say of certificates in the keyring.
#pragma once

#include "crypto/revocation.hpp"
#include "keyring/alias.hpp"

namespace lockbox::keyring {

/// Marks an S/MIME entry as revoked where the lists say so of it or of its chain.
void mark_revoked(Entry& entry, const crypto::RevocationLists& lists);
/// The same for all that is known of an address.
[[nodiscard]] Known marked_revoked(Known known, const crypto::RevocationLists& lists);

} // namespace lockbox::keyring
