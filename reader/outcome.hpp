// What became of a message, or of a sealed part of one: states that cannot be taken for each other.
#pragma once

#include <string_view>

namespace lockbox::reader {

enum class Outcome {
    opened,          ///< it was sealed, and all of it is open now
    partly_sealed,   ///< something in it is sealed, opened or not, but the message as a whole is not
    nothing_to_open, ///< nothing in it is sealed
    no_key,          ///< it is sealed, and no secret key here opens it
    damaged,         ///< it is sealed or claims to be, and what is inside is damaged, forged or refused
    unavailable,     ///< what opening needs is not there: gpg-agent, gpgsm, a smart card
};

/// "opened", "partly-sealed", "nothing-to-open", "no-key", "damaged", "unavailable": for --json.
[[nodiscard]] std::string_view word(Outcome outcome) noexcept;

/// What sealing proves of a message or a part.
enum class Protection {
    none,              ///< it was not sealed
    without_integrity, ///< sealed with CBC: it may have been changed on its way (RFC 8551 §6, "EFAIL")
    authenticated,     ///< nobody changed it since it was sealed; who sealed it is another question
};

/// "none", "without-integrity", "authenticated": for --json.
[[nodiscard]] std::string_view word(Protection protection) noexcept;

} // namespace lockbox::reader
