// Putting opened parts where the sealed ones stood, with every other octet as it was.
#pragma once

#include "base/secret.hpp"
#include "mail/entity.hpp"
#include "mail/header.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace lockbox::reader {

/// Of a part of the bytes that are composed.
struct Replacement {
    std::string_view what;
    Secret with;
};

/// `bytes` with these parts of it replaced; they do not overlap. The order does not matter.
[[nodiscard]] Secret composed(std::string_view bytes, std::vector<Replacement> replacements);

/// An entity: `name:body` for each field, an empty line, the body.
[[nodiscard]] Secret entity_of(const mail::HeaderSection& header, std::string_view body);

/// An encrypted file, opened, as an attachment of the same name without its suffix.
[[nodiscard]] Secret entity_of_file(std::string_view name, std::string_view content);

/// The header section for the text of an inline message: the given one described the armor. OpenPGP text is
/// UTF-8 (RFC 9580 §5.9) wherever it can be.
[[nodiscard]] mail::HeaderSection header_for_text(const mail::HeaderSection& header, std::string_view text);

/// Structural fields only, without the marks of header protection: what a part may say of itself.
[[nodiscard]] mail::HeaderSection header_for_part(const mail::HeaderSection& payload);

/// What removes what is there for old readers only, of the root of a Cryptographic Payload that was sealed:
/// with hp="cipher" the Legacy Display Elements of its Main Body Parts (RFC 9788 §4.5.3), with
/// protected-headers="v1" the part before the text that repeats protected fields.
[[nodiscard]] std::vector<Replacement> without_legacy_display(const mail::Entity& payload);

} // namespace lockbox::reader
