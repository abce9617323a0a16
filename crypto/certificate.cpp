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

std::string_view to_string(ContentEncryption encryption) noexcept {
    return encryption == ContentEncryption::aes256_cbc ? "AES-256-CBC" : "AES-256-GCM";
}

std::string_view word(ContentEncryption encryption) noexcept {
    return encryption == ContentEncryption::aes256_cbc ? "cbc" : "gcm";
}

std::optional<ContentEncryption> content_encryption_from(std::string_view text) noexcept {
    for (const auto encryption : {ContentEncryption::aes256_cbc, ContentEncryption::aes256_gcm}) {
        if (text == word(encryption)) {
            return encryption;
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
    const auto differs = [&](const Certificate& certificate) {
        return certificate.protocol != certificates.front().protocol ||
               certificate.content_encryption != certificates.front().content_encryption;
    };
    if (certificates.empty() || std::any_of(certificates.begin(), certificates.end(), differs)) {
        return std::nullopt;
    }
    return Recipients(std::move(certificates));
}

} // namespace lockbox::crypto
