// The word by which the MTA's routing knows that Lockbox has let a message go on.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace lockbox::policy {

constexpr std::size_t route_secret_octets_least =
    16; ///< 64 bits where the word is 16 random hexadecimal digits
constexpr std::size_t route_secret_octets_most = 64;

/// Letters, digits, `-` and `_`, so that it means itself in a regular expression. Always valid: the only way
/// to get one is parse(). Nothing prints it; whoever has to show it to the MTA spells expose().
class RouteSecret {
public:
    /// Throws Error(configuration), which says what is wrong with the word and not what it is.
    [[nodiscard]] static RouteSecret parse(std::string_view text);

    [[nodiscard]] const std::string& expose() const noexcept { return word_; }
    bool operator==(const RouteSecret&) const = default;

private:
    explicit RouteSecret(std::string word) : word_(std::move(word)) {}
    std::string word_;
};

} // namespace lockbox::policy
