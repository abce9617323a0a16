// The Date of a message (RFC 5322 §3.3).
#pragma once

#include "base/time.hpp"

#include <optional>
#include <string_view>

namespace lockbox::mail {

/// The moment that the body of a Date field names, with its obsolete forms (§4.3). nullopt: it names none.
[[nodiscard]] std::optional<Time> parse_date(std::string_view field_body);

} // namespace lockbox::mail
