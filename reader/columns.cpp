#include "reader/columns.hpp"

#include "base/utf8.hpp"

#include <unicode/uchar.h>

#include <algorithm>
#include <array>

namespace lockbox::reader {
namespace {

constexpr std::size_t wide = 2;

/// Ambiguous, and yet narrow wherever nobody has set a terminal up for East Asia: letters, what a typographer
/// sets between them, and the lines that draw boxes. Counted twice, Russian and Greek would fill half a line.
bool is_narrow_outside_east_asia(UChar32 code, int category) noexcept {
    const bool is_letter_or_mark = ((U_GC_L_MASK | U_GC_M_MASK) & U_MASK(category)) != 0U;
    const bool is_typography = (code >= 0xa0 && code <= 0xff) || (code >= 0x2010 && code <= 0x2027);
    const bool is_box = code >= 0x2500 && code <= 0x257f;
    constexpr UChar32 replacement = 0xfffd;
    return is_letter_or_mark || is_typography || is_box || code == replacement;
}

/// Symbols become wide from one release to the next, and the C library of a terminal may know it first: emoji
/// in each, the hexagrams (U+4DC0) in Unicode 16.
bool is_likely_to_become_wide(UChar32 code, int category) noexcept {
    constexpr UChar32 miscellaneous_symbols = 0x2600;
    const bool is_braille = code >= 0x2800 && code <= 0x28ff;
    return category == U_OTHER_SYMBOL && code >= miscellaneous_symbols && !is_braille;
}

bool is_old(UChar32 code) noexcept {
    constexpr std::uint8_t terminals_know = 5; // Unicode 5.0
    std::array<std::uint8_t, U_MAX_VERSION_LENGTH> age{};
    u_charAge(code, age.data());
    return age.front() > 0 &&
           (age.front() < terminals_know || (age.front() == terminals_know && age[1] == 0));
}

} // namespace

std::size_t columns_of(std::uint32_t code_point, Ambiguous ambiguous) noexcept {
    constexpr std::uint32_t ascii_end = 0x80;
    if (code_point < ascii_end) {
        return 1;
    }
    const auto code = static_cast<UChar32>(code_point);
    const int category = u_charType(code);
    constexpr UChar32 emoji_selector = 0xfe0f;
    if (category == U_UNASSIGNED) {
        return wide;
    }
    if (code == emoji_selector) {
        return 1;
    }
    if ((category == U_NON_SPACING_MARK || category == U_ENCLOSING_MARK) && is_old(code)) {
        return 0;
    }
    switch (u_getIntPropertyValue(code, UCHAR_EAST_ASIAN_WIDTH)) {
    case U_EA_WIDE:
    case U_EA_FULLWIDTH:
        return wide;
    case U_EA_AMBIGUOUS:
        if (ambiguous == Ambiguous::wide || !is_narrow_outside_east_asia(code, category)) {
            return wide;
        }
        break;
    default:
        break;
    }
    return u_hasBinaryProperty(code, UCHAR_EMOJI) != 0 || is_likely_to_become_wide(code, category) ? wide : 1;
}

std::size_t columns_of(std::string_view text, Ambiguous ambiguous) noexcept {
    std::size_t columns = 0;
    while (!text.empty()) {
        const auto character = first_utf8_character(text);
        columns += columns_of(character.code_point, ambiguous);
        text.remove_prefix(std::max<std::size_t>(character.octets, 1));
    }
    return columns;
}

} // namespace lockbox::reader
