// Header fields for a person.
#pragma once

#include <string>
#include <string_view>

namespace lockbox::reader {

/// One harmless line: encoded words (RFC 2047) read, folds gone. Of a longer field the beginning.
[[nodiscard]] std::string header_text(std::string_view field_body);

/// The same of a field with addresses. Each address stands behind its display name in angle brackets, and a
/// display name with "@", "<" or "," in it is in quotes, so that it cannot be taken for an address.
[[nodiscard]] std::string header_addresses(std::string_view field_body);

} // namespace lockbox::reader
