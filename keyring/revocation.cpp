#include "keyring/revocation.hpp"

namespace lockbox::keyring {

void mark_revoked(Entry& entry, const crypto::RevocationLists& lists) {
    if (entry.certificate.protocol == crypto::Protocol::smime &&
        lists.revoked_since(entry.certificate.bytes, entry.chain)) {
        entry.revoked = true;
    }
}

Known marked_revoked(Known known, const crypto::RevocationLists& lists) {
    for (auto& bound : known.bound) {
        mark_revoked(bound.entry, lists);
    }
    for (auto* alias : {&known.alias, &known.domain_alias}) {
        if (*alias && (*alias)->certificate) {
            mark_revoked(*(*alias)->certificate, lists);
        }
    }
    return known;
}

} // namespace lockbox::keyring
