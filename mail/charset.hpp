// Text in the charsets of the world, as UTF-8.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockbox::mail {

struct Converted {
    std::string text;     ///< UTF-8, without a byte order mark at its beginning
    bool complete = true; ///< false: the charset is not known, or not all of it could be read
};

/// From a charset as MIME names it (RFC 2045 §5.1; none is US-ASCII, and 8-bit text without one is taken for
/// UTF-8 or else for windows-1252, as everybody does). A label means what browsers take it for (WHATWG
/// Encoding §4.2): gb2312 is GB 18030, ks_c_5601-1987 is windows-949, iso-8859-1 is windows-1252; others are
/// iconv's. A byte order mark is believed before the label (§6). What cannot be read becomes U+FFFD. UTF-7 is
/// not read: it hides what a filter looks for.
[[nodiscard]] Converted to_utf8(std::string_view bytes, std::string_view charset);

/// The charset that a label of WHATWG's means, as iconv(3) names it. Empty: it is none of them. Case, spaces
/// around it and quotes do not matter; hyphens, underscores and colons only where two labels would be one.
[[nodiscard]] std::string_view charset_labelled(std::string_view label) noexcept;

/// All labels of WHATWG's that charset_labelled() knows.
[[nodiscard]] std::vector<std::string_view> charset_labels();

} // namespace lockbox::mail
