#include "base/ascii.hpp"

#include "base/invisible.hpp"

#include <algorithm>
#include <cstdint>

namespace lockbox {
namespace {

struct Decoded {
    std::uint32_t code_point = 0;
    std::size_t octets = 0; ///< 0: not UTF-8 here
};

/// The first character of a non-empty text (RFC 3629 §4).
Decoded decode_utf8(std::string_view text) noexcept {
    const auto octet = [&](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
    };
    const auto first = octet(0);
    if (first < 0x80) {
        return {first, 1};
    }
    std::size_t octets = 0;
    std::uint32_t code_point = 0;
    std::uint32_t smallest = 0;
    if (first >= 0xc2 && first < 0xe0) {
        octets = 2, code_point = first & 0x1fU, smallest = 0x80;
    } else if (first >= 0xe0 && first < 0xf0) {
        octets = 3, code_point = first & 0x0fU, smallest = 0x800;
    } else if (first >= 0xf0 && first < 0xf5) {
        octets = 4, code_point = first & 0x07U, smallest = 0x10000;
    }
    if (octets == 0 || text.size() < octets) {
        return {};
    }
    for (std::size_t i = 1; i < octets; ++i) {
        if ((octet(i) & 0xc0U) != 0x80U) {
            return {};
        }
        code_point = (code_point << 6U) | (octet(i) & 0x3fU);
    }
    const bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
    if (code_point < smallest || code_point > 0x10ffff || surrogate) {
        return {};
    }
    return {code_point, octets};
}

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
        const auto character = decode_utf8(text);
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
        const auto character = decode_utf8(text);
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
