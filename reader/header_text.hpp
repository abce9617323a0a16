// Header fields for a person.
#pragma once

#include <string>
#include <string_view>

namespace lockbox::reader {

/// One harmless line: encoded words (RFC 2047) read, folds gone. Of a longer field the beginning.
[[nodiscard]] std::string header_text(std::string_view field_body);

/// The same of a field with addresses, as mail::mailboxes_in() reads it: whatever compares an address of the
/// field compares what is shown. Each address stands behind its display name in angle brackets. A display
/// name with a special character in it is in quotes, which it cannot have inside. Of more than 100 addresses
/// the rest is counted. A field that is not understood is shown as it was written, by header_text().
[[nodiscard]] std::string header_addresses(std::string_view field_body);

} // namespace lockbox::reader
