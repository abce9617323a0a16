#include "reader/harmless.hpp"

#include "base/ascii.hpp"
#include "base/invisible.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace lockbox::reader {
namespace {

struct Character {
    std::uint32_t code = 0;
    std::size_t octets = 1;
    bool valid = false;
};

/// The first of a text that is not empty (RFC 3629).
Character first_of(std::string_view text) noexcept {
    const auto octet = [&](std::size_t at) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at]));
    };
    const auto lead = octet(0);
    if (lead < 0x80U) {
        return {lead, 1, true};
    }
    const std::size_t octets = lead >= 0xf0U ? 4 : lead >= 0xe0U ? 3 : 2;
    if (octets > text.size() || !is_utf8(text.substr(0, octets))) {
        return {};
    }
    auto code = lead & (0x7fU >> octets);
    for (std::size_t at = 1; at < octets; ++at) {
        code = code << 6U | (octet(at) & 0x3fU);
    }
    return {code, octets, true};
}

struct Range {
    std::uint32_t first;
    std::uint32_t last;
};

template <std::size_t Size>
bool is_in(std::uint32_t code, const std::array<Range, Size>& ranges) noexcept {
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const Range& range) { return range.first <= code && code <= range.last; });
}

/// Scripts in which a joiner changes how letters look, and emoji, which are put together with it.
constexpr std::array<Range, 4> joining{{
    {0x0600, 0x08ff},
    {0x0900, 0x0dff},
    {0x1000, 0x18ff},
    {0x1f000, 0x1faff},
}};

constexpr std::array<Range, 13> combining{{
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

// Unicode 15, East_Asian_Width W and F, in blocks.
constexpr std::array<Range, 9> wide{{
    {0x1100, 0x115f},
    {0x2e80, 0x303e},
    {0x3041, 0xa4cf},
    {0xac00, 0xd7a3},
    {0xf900, 0xfaff},
    {0xfe30, 0xfe6f},
    {0xff00, 0xff60},
    {0x1f300, 0x1faff},
    {0x20000, 0x3fffd},
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

std::size_t width_of(std::uint32_t code) noexcept {
    return is_in(code, combining) ? 0U : is_in(code, wide) ? 2U : 1U;
}

constexpr std::size_t tab_columns = 8;

} // namespace

std::string harmless(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (std::uint32_t before = 0; !text.empty();) {
        if (text.starts_with("\r\n")) {
            text.remove_prefix(1);
        }
        const auto character = first_of(text);
        if (character.valid && is_harmless(character.code, before)) {
            result += text.substr(0, character.octets);
            before = character.code;
        } else {
            result += harmless_replacement;
            before = 0; // a joiner has nothing to join to it
        }
        text.remove_prefix(character.octets);
    }
    return result;
}

std::string harmless_line(std::string_view text) {
    auto line = harmless(text);
    std::replace_if(
        line.begin(), line.end(), [](char c) { return is_space(c); }, ' ');
    return std::string(trim(line));
}

std::size_t display_width(std::string_view harmless_text) noexcept {
    std::size_t columns = 0;
    while (!harmless_text.empty()) {
        const auto character = first_of(harmless_text);
        columns += character.code == '\t' ? tab_columns - columns % tab_columns : width_of(character.code);
        harmless_text.remove_prefix(character.octets);
    }
    return columns;
}

std::string indented(std::string_view harmless_text, std::string_view indent, std::size_t width) {
    const auto columns_min = display_width(indent) + 2; // one wide character must fit
    const auto columns_max = width == 0 ? static_cast<std::size_t>(-1) : std::max(width, columns_min);
    std::string result;
    result.reserve(harmless_text.size() + harmless_text.size() / 8);
    auto text = harmless_text;
    while (!text.empty()) {
        result += indent;
        const auto line_begin = result.size();
        auto columns = display_width(indent);
        std::size_t break_at = std::string::npos; // behind the last space of this line
        while (!text.empty() && text.front() != '\n') {
            const auto character = first_of(text);
            const auto next = character.code == '\t' ? columns + tab_columns - columns % tab_columns
                                                     : columns + width_of(character.code);
            if (next > columns_max) {
                break;
            }
            result += text.substr(0, character.octets);
            text.remove_prefix(character.octets);
            columns = next;
            if (is_blank(result.back())) {
                break_at = result.size();
            }
        }
        if (text.empty()) {
            result += '\n';
            break;
        }
        if (text.front() == '\n' || text.front() == ' ') { // a space between lines is not seen
            text.remove_prefix(1);
        } else if (break_at != std::string::npos && break_at > line_begin) { // take the word along
            const auto word = result.size() - break_at;
            result.erase(break_at);
            text = {text.data() - word, text.size() + word};
        }
        result += '\n';
    }
    return result;
}

} // namespace lockbox::reader
