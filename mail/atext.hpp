// The characters of an atom (RFC 5322 §3.2.3).
#pragma once

#include "base/ascii.hpp"

#include <string_view>

namespace lockbox::mail {

/// US-ASCII alone, as in a Message-ID.
[[nodiscard]] inline bool is_ascii_atext(char c) noexcept {
    return is_alpha(c) || is_digit(c) ||
           std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

/// With RFC 6532's UTF-8: any octet above US-ASCII.
[[nodiscard]] inline bool is_atext(char c) noexcept {
    return !is_ascii(c) || is_ascii_atext(c);
}

} // namespace lockbox::mail
