// DER (X.690 §10): as much of it as it takes to write a CMS structure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::crypto::der {

/// Identifier and length octets (X.690 §8.1, §10.1) for contents of `length` octets that follow. The tag is
/// one of a single octet, as mail::ber names them.
[[nodiscard]] std::string header(unsigned tag, std::size_t length);

/// One element with all its contents.
[[nodiscard]] std::string element(unsigned tag, std::string_view contents);

/// A SET OF, whose elements DER sorts (X.690 §11.6).
[[nodiscard]] std::string set_of(std::vector<std::string> elements);

/// OBJECT IDENTIFIER, by OpenSSL's number for it (NID_…).
[[nodiscard]] std::string object_identifier(int nid);

} // namespace lockbox::crypto::der
