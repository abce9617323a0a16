// What lists of revoked certificates say of certificates in the keyring.
#pragma once

#include "crypto/revocation.hpp"
#include "crypto/trusted_authorities.hpp"
#include "keyring/alias.hpp"

#include <optional>
#include <set>
#include <string>

namespace lockbox::keyring {

/// Why it is not known whether certificates are revoked, each sentence once, as RevocationStatus::unknown has
/// it.
using RevocationDoubts = std::set<std::string>;

/// Marks an S/MIME entry as revoked where the lists say so of it or of its chain. Where that cannot be said,
/// `doubts` gets to know why.
void mark_revoked(Entry& entry, const crypto::RevocationLists& lists, RevocationDoubts& doubts);
/// The same for all that is known of an address.
[[nodiscard]] Known marked_revoked(Known known, const crypto::RevocationLists& lists,
                                   RevocationDoubts& doubts);

/// A sentence about an S/MIME certificate that was taken because of an authority, and above which none of
/// `trusted` stands: it hangs in the air, as when that authority was removed from `smime-ca`. nullopt: one
/// does, or a person vouches for the certificate, or it is one of OpenPGP. `now` is as for
/// crypto::build_chain().
[[nodiscard]] std::optional<std::string> why_in_the_air(const Entry& entry,
                                                        const crypto::TrustedAuthorities& trusted, Time now);

} // namespace lockbox::keyring
