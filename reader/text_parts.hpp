// The text of a message, as a person reads it.
#pragma once

#include "mail/entity.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::reader {

/// Of one part; the rest of it is left out, and said to be.
constexpr std::size_t text_octets_max = 4U << 20U;

struct TextPart {
    std::string number; ///< as mail::Entity::number, never empty
    std::string media_type;
    std::string text; ///< UTF-8, harmless, LF line ends
    std::string note; ///< what is to be known of it: HTML shown as text, a charset nobody knows; may be empty
    std::string forwarded; ///< who wrote it and about what, where it is from a message inside; may be empty
};

/// Which of alternatives is shown (RFC 2046 §5.1.4), where there are both.
enum class TextChoice {
    fitting, ///< the plain one; the HTML one behind it where it says far more
    plain,
    html,
};

/// In order. Of alternatives the chosen ones; the note of a plain one names the HTML one. Beside texts these
/// are written as text: invitations and events, business cards, reports on delivery and reading, messages
/// that were forwarded, as attachments too; and a file that is all there is, where its name and its octets
/// are those of a text. Other attachments are none. `skipped` are the numbers of entities that are not looked
/// into.
[[nodiscard]] std::vector<TextPart> text_parts_in(const mail::Entity& root,
                                                  const std::vector<std::string>& skipped = {},
                                                  TextChoice choice = TextChoice::fitting);

/// The entity of that number, as TextPart and Attachment have it; null: there is none.
[[nodiscard]] const mail::Entity* entity_numbered(const mail::Entity& root, std::string_view number);

/// The text of one entity, attachment or not, and of what is in it. nullopt: it is no text.
[[nodiscard]] std::optional<std::vector<TextPart>> texts_of(const mail::Entity& entity);

} // namespace lockbox::reader
