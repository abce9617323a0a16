// Sets of characters, as the tables of Unicode write them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace lockbox::reader {

struct CodeRange {
    std::uint32_t first;
    std::uint32_t last; ///< is in it
};

template <std::size_t Size>
[[nodiscard]] bool is_in(std::uint32_t code, const std::array<CodeRange, Size>& ranges) noexcept {
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const CodeRange& range) { return range.first <= code && code <= range.last; });
}

} // namespace lockbox::reader
