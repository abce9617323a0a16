// Business cards (vCard: RFC 6350, RFC 2426, and version 2.1 of the Versit Consortium), as text.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lockbox::reader {

constexpr std::size_t card_octets_max = 1U << 20U;
/// Lines that are written of all cards together.
constexpr std::size_t card_lines_max = 500;
constexpr std::size_t card_value_octets_max = 500;

/// Names, organizations, addresses, telephones and notes; pictures and keys are left out. UTF-8, LF line
/// ends, not harmless. nullopt: there is no card in it.
[[nodiscard]] std::optional<std::string> card_text(std::string_view vcard);

} // namespace lockbox::reader
