#include "keyring/renewal.hpp"

#include "crypto/openpgp_certification.hpp"
#include "crypto/x509_judge.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockbox::keyring {
namespace {

/// The authority nearest to the new certificate that stands above both; empty: none.
std::string common_authority(const Entry& entry, const Entry& rival) {
    const auto found =
        std::find_first_of(entry.chain.begin(), entry.chain.end(), rival.chain.begin(), rival.chain.end());
    if (found == entry.chain.end()) {
        return {};
    }
    const auto authority = crypto::x509_from_der(*found);
    return authority ? crypto::name_of(X509_get_subject_name(authority.get())) : std::string();
}

} // namespace

Renewals renewals(std::string_view offered, const Entry& entry, const Grounds& grounds, Keyring& keyring) {
    Renewals renewed;
    for (const auto& proposal : grounds.proposals) {
        for (const auto& [binding, rival] : keyring.find(proposal.address)) {
            const auto& fingerprint = rival.certificate.fingerprint;
            const std::pair pair(proposal.address, fingerprint);
            if (binding.state != BindingState::active || fingerprint == entry.certificate.fingerprint ||
                rival.certificate.protocol != entry.certificate.protocol) {
                continue;
            }
            if (entry.certificate.protocol == crypto::Protocol::smime) {
                if (const auto authority = common_authority(entry, rival); !authority.empty()) {
                    renewed.emplace(pair, fmt::format("the authority '{}' vouches for both", authority));
                }
            } else if (!rival.revoked &&
                       crypto::openpgp_certified_by(offered, rival.certificate.bytes,
                                                    proposal.address.to_string(), entry.updated)) {
                renewed.emplace(pair, fmt::format("the owner of {} has certified it", fingerprint));
            }
        }
    }
    return renewed;
}

} // namespace lockbox::keyring
