// Text in the charsets of the world, as UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace lockbox::reader {

struct Converted {
    std::string text;     ///< UTF-8
    bool complete = true; ///< false: the charset is not known, or not all of it could be read
};

/// From a charset as MIME names it (RFC 2045 §5.1; none is US-ASCII, and 8-bit text without one is taken for
/// UTF-8 or else for windows-1252, as everybody does). What cannot be read becomes U+FFFD. UTF-7 is not read:
/// it hides what a filter looks for.
[[nodiscard]] Converted to_utf8(std::string_view bytes, std::string_view charset);

} // namespace lockbox::reader
