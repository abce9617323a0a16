// UTF-8, one character at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lockbox {

struct Utf8Character {
    std::uint32_t code_point = 0;
    std::size_t octets = 0; ///< 0: there is no UTF-8 here
};

/// The first character of a text that is not empty (RFC 3629 §4).
[[nodiscard]] Utf8Character first_utf8_character(std::string_view text) noexcept;

} // namespace lockbox
