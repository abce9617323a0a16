#include "base/utf8.hpp"

namespace lockbox {

Utf8Character first_utf8_character(std::string_view text) noexcept {
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

} // namespace lockbox
