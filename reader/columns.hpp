// How many columns a text takes on a terminal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lockbox::reader {

/// What a terminal makes of the characters that UAX #11 calls ambiguous. Terminals that are set up for
/// Chinese, Japanese or Korean may draw them in two columns.
enum class Ambiguous { narrow, wide };

/// Columns of one character that is no control: at least as many as a terminal takes for it, by the Unicode
/// release of the ICU that is installed. Two for what is wide (UAX #11), for emoji (UTS #51), for symbols of
/// ambiguous width or above U+2600, and for what the release does not know. Zero only for combining marks
/// that Unicode has had since 5.0 (2006). One for everything else; for the selector U+FE0F, too, which makes
/// emoji of symbols.
[[nodiscard]] std::size_t columns_of(std::uint32_t code_point, Ambiguous ambiguous) noexcept;

/// The sum over UTF-8 on one line, without tabs.
[[nodiscard]] std::size_t columns_of(std::string_view text, Ambiguous ambiguous) noexcept;

} // namespace lockbox::reader
