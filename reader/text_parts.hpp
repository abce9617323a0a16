// The text of a message, as a person reads it.
#pragma once

#include "mail/entity.hpp"

#include <cstddef>
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

/// In order. Of alternatives (RFC 2046 §5.1.4) the plain one, else HTML as text. Attachments are none.
/// `skipped` are the numbers of entities that are not looked into.
[[nodiscard]] std::vector<TextPart> text_parts_in(const mail::Entity& root,
                                                  const std::vector<std::string>& skipped = {});

} // namespace lockbox::reader
