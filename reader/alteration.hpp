// Traces that changing CBC ciphertext leaves in the text that it decrypts to.
#pragma once

#include "mail/entity.hpp"

#include <optional>
#include <string>

namespace lockbox::reader {

/// CBC has no integrity, but who changes it blindly pays: each 16 octets of his choice come with 16 random
/// ones ("Efail", USENIX Security 2018, §4). Mail is text, and random octets are none: 16 of them have no
/// control character, and are UTF-8 or ASCII, once in more than a million times.
///
/// Returns what speaks against the entity, in words; nullopt: nothing does, which proves nothing.
///
/// Header sections and markup are judged strictly: there a gadget can send away what was sealed. They must be
/// UTF-8 without control characters; markup in another charset must announce its 8-bit octets, or be valid in
/// a charset of several octets. Plain text may be in any charset, if the charset or the transfer
/// encoding says so, and has no control characters but those of text. What is neither text nor in a transfer
/// encoding for text (Content-Transfer-Encoding: binary) may have any octets.
[[nodiscard]] std::optional<std::string> alteration_in(const mail::Entity& entity);

} // namespace lockbox::reader
