// Internationalised domains for a person: in Unicode where that misleads nobody.
#pragma once

#include "mail/address.hpp"

#include <string>
#include <string_view>

namespace lockbox::reader {

/// A domain name with each label as UTS #39 allows: an A-label (RFC 5890 §2.3.2.1) becomes Unicode only where
/// all of it is of one script, or of those that Chinese, Japanese and Korean are written with beside Latin
/// ("highly restrictive", §5.2), has only characters that are recommended for identifiers, and is not
/// confusable with a label in ASCII (§4). Otherwise it stays as it was written. A label in raw Unicode that
/// fails this becomes its A-label, or where it has none, U+FFFD for each character that is not ASCII. What is
/// no domain name, an address literal, stays.
[[nodiscard]] std::string shown_domain(std::string_view domain);

/// `local-part@domain`, the domain as shown_domain() has it. Not harmless(): the local part is as it is.
[[nodiscard]] std::string shown_address(const mail::Address& address);

} // namespace lockbox::reader
