#include "keyring/entry.hpp"

#include <array>
#include <utility>

namespace lockbox::keyring {
namespace {

constexpr std::array<std::pair<Trust, std::string_view>, 4> trust_words{{
    {Trust::harvested, "harvested"},
    {Trust::discovered, "discovered"},
    {Trust::verified, "verified"},
    {Trust::manual, "manual"},
}};

} // namespace

std::string_view to_string(Trust trust) noexcept {
    for (const auto& [value, word] : trust_words) {
        if (value == trust) {
            return word;
        }
    }
    return "unknown";
}

std::optional<Trust> trust_from(std::string_view word) noexcept {
    for (const auto& [value, name] : trust_words) {
        if (name == word) {
            return value;
        }
    }
    return std::nullopt;
}

} // namespace lockbox::keyring
