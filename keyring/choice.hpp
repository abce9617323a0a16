// Which of several certificates a message is sealed to.
#pragma once

#include "keyring/entry.hpp"
#include "keyring/usability.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lockbox::keyring {

struct Rejected {
    const Entry* entry;
    std::string reason;
    bool unusable; ///< false: usable, but another one was preferred
};

struct Choice {
    const Entry* chosen = nullptr; ///< into the span that choose() was given; null: none is usable
    /// The chosen one, with the key to encrypt to at that moment filled in; nullopt: none is usable.
    std::optional<crypto::Certificate> certificate;
    std::string reason; ///< why this one: "the only usable certificate", "newest of 2 usable certificates"
    std::vector<Rejected> rejected; ///< the others in order of preference, each with its reason
};

/// Which protocols will do.
struct WantedProtocol {
    std::optional<crypto::Protocol> only; ///< nullopt: any
    crypto::Protocol preferred = crypto::Protocol::openpgp;
    bool because_of_signature = false; ///< `preferred` is that of the message's own signature

    [[nodiscard]] bool admits(crypto::Protocol protocol) const noexcept { return !only || *only == protocol; }
};

/// Deterministic: usable first, then the preferred protocol, then higher trust, then the newest encryption
/// key, then the smaller fingerprint. Only entries that `wanted` admits are looked at.
[[nodiscard]] Choice choose(std::span<const Entry> entries, const WantedProtocol& wanted, Time now);

} // namespace lockbox::keyring
