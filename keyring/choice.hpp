// Which of several certificates a message is sealed to.
#pragma once

#include "keyring/entry.hpp"
#include "keyring/usability.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lockbox::keyring {

/// A certificate that may be meant, and why.
struct Candidate {
    const Entry* entry = nullptr;
    const Binding* binding = nullptr; ///< null: an alias stands for it, which is a person's word
};

struct Rejected {
    const Entry* entry;
    std::string reason;
    bool unusable; ///< false: usable, but another one was preferred, or it is not for the address
};

struct Choice {
    std::optional<Candidate> chosen; ///< nullopt: none is usable, or one may not take another one's place
    /// The chosen one, with the key to encrypt to at that moment filled in; nullopt: none is chosen.
    std::optional<crypto::Certificate> certificate;
    std::string reason; ///< why this one: "the only usable certificate", "newest of 2 usable certificates"
    std::vector<Rejected> rejected;    ///< the others in order of preference, each with its reason
    std::vector<const Entry*> pending; ///< that wait for a person
};

/// Which protocols will do.
struct WantedProtocol {
    std::optional<crypto::Protocol> only; ///< nullopt: any
    crypto::Protocol preferred = crypto::Protocol::openpgp;
    bool because_of_signature = false; ///< `preferred` is that of the message's own signature

    [[nodiscard]] bool admits(crypto::Protocol protocol) const noexcept { return !only || *only == protocol; }
};

/// Deterministic. Only active bindings are chosen among: usable first, then pinned, then the preferred
/// protocol, then higher trust, then the newest encryption key, then the smaller fingerprint. Where one that
/// is pinned, or that a person trusts, has become unusable, one that is trusted less does not take its place:
/// none is chosen. Only entries that `wanted` admits are looked at.
[[nodiscard]] Choice choose(std::span<const Candidate> candidates, const WantedProtocol& wanted, Time now);

} // namespace lockbox::keyring
