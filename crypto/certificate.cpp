#include "crypto/certificate.hpp"

#include <algorithm>

namespace lockbox::crypto {

std::string_view to_string(Protocol protocol) noexcept {
    return protocol == Protocol::openpgp ? "openpgp" : "smime";
}

std::optional<Protocol> protocol_from(std::string_view word) noexcept {
    for (const auto protocol : {Protocol::openpgp, Protocol::smime}) {
        if (word == to_string(protocol)) {
            return protocol;
        }
    }
    return std::nullopt;
}

std::optional<Recipients> Recipients::from(std::vector<Certificate> certificates) {
    const auto by_fingerprint = [](const Certificate& left, const Certificate& right) {
        return left.fingerprint < right.fingerprint;
    };
    const auto same_fingerprint = [](const Certificate& left, const Certificate& right) {
        return left.fingerprint == right.fingerprint;
    };
    std::sort(certificates.begin(), certificates.end(), by_fingerprint);
    certificates.erase(std::unique(certificates.begin(), certificates.end(), same_fingerprint),
                       certificates.end());
    const auto other_protocol = [&](const Certificate& certificate) {
        return certificate.protocol != certificates.front().protocol;
    };
    if (certificates.empty() || std::any_of(certificates.begin(), certificates.end(), other_protocol)) {
        return std::nullopt;
    }
    return Recipients(std::move(certificates));
}

} // namespace lockbox::crypto
