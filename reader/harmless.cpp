#include "reader/harmless.hpp"

#include "base/ascii.hpp"
#include "base/invisible.hpp"
#include "base/utf8.hpp"
#include "reader/code_range.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace lockbox::reader {
namespace {

/// Scripts in which a joiner changes how letters look, and emoji, which are put together with it.
constexpr std::array<CodeRange, 4> joining{{
    {0x0600, 0x08ff},
    {0x0900, 0x0dff},
    {0x1000, 0x18ff},
    {0x1f000, 0x1faff},
}};

constexpr std::array<CodeRange, 13> combining{{
    {0x0300, 0x036f},
    {0x0483, 0x0489},
    {0x0591, 0x05bd},
    {0x0610, 0x061a},
    {0x064b, 0x065f},
    {0x06d6, 0x06dc},
    {0x0e34, 0x0e3a},
    {0x0e47, 0x0e4e},
    {0x1ab0, 0x1aff},
    {0x1dc0, 0x1dff},
    {0x200c, 0x200d},
    {0x20d0, 0x20ff},
    {0xfe00, 0xfe2f},
}};

constexpr std::uint32_t zero_width_non_joiner = 0x200c;
constexpr std::uint32_t zero_width_joiner = 0x200d;

bool is_harmless(std::uint32_t code, std::uint32_t before) noexcept {
    if (code < 0x20U || (code >= 0x7fU && code < 0xa0U)) {
        return code == '\n' || code == '\t';
    }
    if (code == zero_width_non_joiner || code == zero_width_joiner) {
        return is_in(before, joining) || is_in(before, combining);
    }
    return !is_invisible(code);
}

} // namespace

std::string harmless(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (std::uint32_t before = 0; !text.empty();) {
        if (text.starts_with("\r\n")) {
            text.remove_prefix(1);
        }
        const auto character = first_utf8_character(text);
        if (character.octets > 0 && is_harmless(character.code_point, before)) {
            result += text.substr(0, character.octets);
            before = character.code_point;
        } else {
            result += harmless_replacement;
            before = 0; // a joiner has nothing to join to it
        }
        text.remove_prefix(std::max<std::size_t>(character.octets, 1));
    }
    return result;
}

std::string harmless_line(std::string_view text) {
    auto line = harmless(text);
    std::replace_if(
        line.begin(), line.end(), [](char c) { return is_space(c); }, ' ');
    return std::string(trim(line));
}

} // namespace lockbox::reader
