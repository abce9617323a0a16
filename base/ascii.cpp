#include "base/ascii.hpp"

#include "base/invisible.hpp"
#include "base/utf8.hpp"

#include <algorithm>
#include <cstdint>

namespace lockbox {
namespace {

bool misleads_a_terminal(std::uint32_t c) noexcept {
    constexpr std::uint32_t zero_width_non_joiner = 0x200c;
    constexpr std::uint32_t zero_width_joiner = 0x200d;
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == zero_width_non_joiner || c == zero_width_joiner ||
           is_invisible(c);
}

} // namespace

std::string to_lower(std::string_view text) {
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return to_lower(c); });
    return lower;
}

bool equal_ignoring_case(std::string_view left, std::string_view right) noexcept {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                      [](char a, char b) { return to_lower(a) == to_lower(b); });
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) noexcept {
    return text.size() >= prefix.size() && equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && is_space(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && is_space(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

bool all_space(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return is_space(c); });
}

bool all_ascii(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return is_ascii(c); });
}

bool is_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const auto character = first_utf8_character(text);
        if (character.octets == 0) {
            return false;
        }
        text.remove_prefix(character.octets);
    }
    return true;
}

std::string printable(std::string_view text, std::size_t octets_max) {
    std::string result;
    while (!text.empty()) {
        if (result.size() >= octets_max) {
            return result + "...";
        }
        const auto character = first_utf8_character(text);
        if (character.octets == 0) {
            result += '?';
            text.remove_prefix(1);
            continue;
        }
        if (misleads_a_terminal(character.code_point)) {
            result += '?';
        } else {
            result += text.substr(0, character.octets);
        }
        text.remove_prefix(character.octets);
    }
    return result;
}

} // namespace lockbox
