#include "keyring/binding.hpp"

#include <array>
#include <utility>

namespace lockbox::keyring {
namespace {

template <typename Value, std::size_t count>
using Words = std::array<std::pair<Value, std::string_view>, count>;

constexpr Words<Trust, 4> trust_words{{
    {Trust::harvested, "harvested"},
    {Trust::discovered, "discovered"},
    {Trust::verified, "verified"},
    {Trust::manual, "manual"},
}};

constexpr Words<BindingState, 4> state_words{{
    {BindingState::active, "active"},
    {BindingState::pending, "pending"},
    {BindingState::rejected, "rejected"},
    {BindingState::former, "former"},
}};

template <typename Value, std::size_t count>
std::string_view word_of(const Words<Value, count>& words, Value wanted) noexcept {
    for (const auto& [value, word] : words) {
        if (value == wanted) {
            return word;
        }
    }
    return "unknown";
}

template <typename Value, std::size_t count>
std::optional<Value> value_of(const Words<Value, count>& words, std::string_view wanted) noexcept {
    for (const auto& [value, word] : words) {
        if (word == wanted) {
            return value;
        }
    }
    return std::nullopt;
}

} // namespace

std::string_view to_string(Trust trust) noexcept {
    return word_of(trust_words, trust);
}

std::optional<Trust> trust_from(std::string_view word) noexcept {
    return value_of(trust_words, word);
}

std::string_view to_string(BindingState state) noexcept {
    return word_of(state_words, state);
}

std::optional<BindingState> binding_state_from(std::string_view word) noexcept {
    return value_of(state_words, word);
}

} // namespace lockbox::keyring
