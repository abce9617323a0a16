// Bindings: that a certificate may be used for an address, and how far that is believed.
#pragma once

#include "base/time.hpp"
#include "mail/address.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace lockbox::keyring {

/// How a pair of address and certificate came to be believed; a higher one is chosen before a lower one.
enum class Trust {
    harvested = 0,  ///< a mail message brought it, and nothing proves who wrote that
    discovered = 1, ///< found where certificates for the address are published
    verified = 2,   ///< an authority that is trusted says so
    manual = 3,     ///< a person says so
};
[[nodiscard]] std::string_view to_string(Trust trust) noexcept;
/// nullopt: no such word.
[[nodiscard]] std::optional<Trust> trust_from(std::string_view word) noexcept;

enum class BindingState {
    active,   ///< the certificate is used for the address
    pending,  ///< it waits for a person: mail goes on as if it were not there
    rejected, ///< a person does not want it, and is not asked again
    former,   ///< it was active. Remembered, so that nobody who was sealed to yesterday counts as somebody
              ///< without a certificate today
};
/// "active", "pending", "rejected", "former".
[[nodiscard]] std::string_view to_string(BindingState state) noexcept;
/// nullopt: no such word.
[[nodiscard]] std::optional<BindingState> binding_state_from(std::string_view word) noexcept;

/// A certificate has one for each address that it may, might or could once be used for.
struct Binding {
    mail::Address address;
    BindingState state = BindingState::active;
    Trust trust = Trust::manual;
    std::string source{}; ///< where it came from: a file name, "-", "mail.eml (Autocrypt)"
    bool pinned = false;  ///< replaced by a person's word alone, be it a renewal
    /// A person, or the message that brought it, named the address: no name in the certificate has to.
    bool assigned = false;
    Time first_seen{};
    Time confirmed{};                 ///< when it was last found to hold
    std::optional<Time> good_until{}; ///< not used from then on; nullopt: no such moment
    std::string reason{}; ///< why it is in its state, where somebody may ask: "certificate removed"
    bool operator==(const Binding&) const = default;
};

/// Why a binding is a former one: the words that list, explain, the SMTP reply and the log share.
namespace former_because {
constexpr std::string_view revoked = "certificate revoked for this address";
constexpr std::string_view not_named = "certificate does not name this address any more";
constexpr std::string_view removed = "certificate removed by a person";
constexpr std::string_view replaced = "certificate replaced by "; ///< and a fingerprint
} // namespace former_because

} // namespace lockbox::keyring
