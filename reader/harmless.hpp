// Text from strangers made harmless: for a terminal that obeys escape sequences, and for a person who
// believes what he sees.
#pragma once

#include <string>
#include <string_view>

namespace lockbox::reader {

/// What stands where something was that must not be shown.
constexpr std::string_view harmless_replacement = "\xef\xbf\xbd"; // U+FFFD

/// UTF-8 without what steers a terminal or hides or reorders text: control characters (LF and tab stay, CR
/// LF becomes LF), C1 controls, bidirectional controls (Unicode TR 36 §2.10, CVE-2021-42574), characters
/// without width that a reader does not see, line and paragraph separators, tags, noncharacters, private use.
/// Each becomes U+FFFD, as does what is not UTF-8. Joiners stay where a letter of a script that needs them is
/// before.
[[nodiscard]] std::string harmless(std::string_view text);

/// The same on one line: LF, CR and tab become spaces; trimmed.
[[nodiscard]] std::string harmless_line(std::string_view text);

} // namespace lockbox::reader
