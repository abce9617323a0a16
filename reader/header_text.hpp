// Header fields for a person.
#pragma once

#include <string>
#include <string_view>

namespace lockbox::reader {

/// One harmless line: encoded words (RFC 2047) read, folds gone. Of a longer field the beginning.
[[nodiscard]] std::string header_text(std::string_view field_body);

/// A name to stand before an address in angle brackets: one harmless line, in quotes where it has a special
/// character in it or one that looks like it. Nothing in it ends those quotes.
[[nodiscard]] std::string shown_name(std::string_view name);

/// header_text() of a field with addresses, as mail::mailboxes_in() reads it: whatever compares an address of
/// the field compares what is shown. Each address stands behind its shown_name() in angle brackets. Of more
/// than 100 addresses the rest is counted. A field that is not understood is shown as it was written, by
/// header_text().
[[nodiscard]] std::string header_addresses(std::string_view field_body);

} // namespace lockbox::reader
