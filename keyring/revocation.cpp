#include "keyring/revocation.hpp"

#include "crypto/x509_chain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace lockbox::keyring {

void mark_revoked(Entry& entry, const crypto::RevocationLists& lists, RevocationDoubts& doubts) {
    if (entry.certificate.protocol != crypto::Protocol::smime) {
        return;
    }
    auto status = lists.status(entry.certificate.bytes, entry.chain);
    entry.revoked = entry.revoked || status.revoked;
    if (!status.unknown.empty()) {
        doubts.insert(std::move(status.unknown));
    }
}

Known marked_revoked(Known known, const crypto::RevocationLists& lists, RevocationDoubts& doubts) {
    for (auto& bound : known.bound) {
        mark_revoked(bound.entry, lists, doubts);
    }
    for (auto* alias : {&known.alias, &known.domain_alias}) {
        if (*alias && (*alias)->certificate) {
            mark_revoked(*(*alias)->certificate, lists, doubts);
        }
    }
    return known;
}

std::optional<std::string> why_in_the_air(const Entry& entry, const crypto::TrustedAuthorities& trusted,
                                          Time now) {
    const bool by_authority =
        std::any_of(entry.bindings.begin(), entry.bindings.end(), [](const Binding& binding) {
            return binding.state == BindingState::active && binding.trust != Trust::manual;
        });
    const auto certificate = entry.certificate.protocol == crypto::Protocol::smime && by_authority
                                 ? crypto::x509_from_der(entry.certificate.bytes)
                                 : crypto::X509Handle();
    if (!certificate) {
        return std::nullopt;
    }
    const auto chain =
        crypto::build_chain(certificate.get(), crypto::stack_of(entry.chain).get(), trusted, now);
    if (!chain.problem) {
        return std::nullopt;
    }
    return fmt::format(
        "the S/MIME certificate {} hangs in the air, for none of the authorities that `smime-ca` "
        "names vouches for it: {}; mail is sealed to it all the same",
        entry.certificate.fingerprint, chain.problem->words);
}

} // namespace lockbox::keyring
