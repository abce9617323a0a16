// Character classes and comparisons that do not ask the locale.
#pragma once

#include <string>
#include <string_view>

namespace lockbox {

[[nodiscard]] constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
[[nodiscard]] constexpr bool is_upper(char c) noexcept {
    return c >= 'A' && c <= 'Z';
}
[[nodiscard]] constexpr bool is_alpha(char c) noexcept {
    return is_upper(c) || (c >= 'a' && c <= 'z');
}
[[nodiscard]] constexpr bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t';
}
[[nodiscard]] constexpr bool is_space(char c) noexcept {
    return is_blank(c) || c == '\r' || c == '\n';
}
[[nodiscard]] constexpr bool is_control(char c) noexcept {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}
[[nodiscard]] constexpr bool is_ascii(char c) noexcept {
    return static_cast<unsigned char>(c) < 0x80;
}
[[nodiscard]] constexpr char to_lower(char c) noexcept {
    return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
}
[[nodiscard]] constexpr char to_upper(char c) noexcept {
    return is_alpha(c) && !is_upper(c) ? static_cast<char>(c - 'a' + 'A') : c;
}

/// A-Z become a-z; every other byte, UTF-8 included, stays.
[[nodiscard]] std::string to_lower(std::string_view text);

/// Equal but for the case of A-Z.
[[nodiscard]] bool equal_ignoring_case(std::string_view left, std::string_view right) noexcept;

/// Begins with `prefix`, but for the case of A-Z.
[[nodiscard]] bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) noexcept;

/// Without leading and trailing spaces, tabs, CR and LF.
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;

/// Nothing in it but spaces, tabs, CR and LF.
[[nodiscard]] bool all_space(std::string_view text) noexcept;

[[nodiscard]] bool all_ascii(std::string_view text) noexcept;

/// Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// For a log line or a terminal: control characters, C1 controls, bidi controls and bytes that are not UTF-8
/// become `?`, and what is longer than `octets_max` is cut with "...".
[[nodiscard]] std::string printable(std::string_view text, std::size_t octets_max = 300);

} // namespace lockbox
