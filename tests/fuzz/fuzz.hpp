// What every fuzzer needs: its input as text, and a property that must hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace lockbox::fuzz {

inline std::string_view text(const std::uint8_t* data, std::size_t size) noexcept {
    return {reinterpret_cast<const char*>(data), size};
}

inline void require(bool holds) noexcept {
    if (!holds) {
        std::abort();
    }
}

} // namespace lockbox::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
