// Encoded words in header fields (RFC 2047), as UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lockbox::mail {

/// Of a text; what is behind it is left out. A header field of a thousand recipients is smaller.
constexpr std::size_t encoded_words_octets_max = 256U << 10U;

/// A text with its encoded words read (RFC 2047 §2, RFC 2231 §5), in the charsets that to_utf8() knows; 8-bit
/// text beside them is UTF-8 or else windows-1252. White space between two encoded words goes (§6.2), and
/// words in one charset are put together before they are converted: many programs cut in the middle of a
/// character. A word in an unknown charset, or that cannot be read, stays as it is written. Words are read
/// wherever they stand, also inside of other words, as mail programs do. The result may have any character in
/// it: it is not harmless.
[[nodiscard]] std::string decoded_words(std::string_view text);

} // namespace lockbox::mail
