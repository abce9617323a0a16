// A certificate in the keyring, with what the keyring knows about it.
#pragma once

#include "base/time.hpp"
#include "crypto/certificate.hpp"
#include "crypto/judgement.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::keyring {

/// How a certificate came to be believed; a higher one is chosen before a lower one.
enum class Trust { harvested = 0, discovered = 1, verified = 2, manual = 3 };
[[nodiscard]] std::string_view to_string(Trust trust) noexcept;
[[nodiscard]] std::optional<Trust> trust_from(std::string_view word) noexcept;

struct Entry {
    crypto::Certificate certificate;
    std::string algorithm;
    Time created;
    std::optional<Time> expires;
    bool revoked = false;
    std::vector<crypto::EncryptionKey> encryption_keys;
    std::vector<crypto::UserId> user_ids;
    std::vector<std::string> chain; ///< X.509: as crypto::JudgedCertificate has it
    std::vector<std::string>
        addresses; ///< normalised, as Address::to_string() has them: what it may be used for
    /// What it could be used for once, until its owner revoked the User ID or the certificate. Remembered, so
    /// that nobody who was sealed to yesterday counts as somebody without a certificate today.
    std::vector<std::string> former_addresses;
    bool address_revoked = false; ///< set by Keyring::find(): the address that was asked for is a former one
    Trust trust = Trust::manual;
    std::string source; ///< where it came from: a file name, "-", "autocrypt"
    Time imported;      ///< first
    Time updated;       ///< last change
    bool operator==(const Entry&) const = default;
};

} // namespace lockbox::keyring
