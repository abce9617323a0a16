#include "milter/recipient_count.hpp"

#include <charconv>
#include <utility>

namespace lockbox::milter {
namespace {

std::optional<std::size_t> number_of(std::string_view macro) {
    std::size_t number = 0;
    const auto* const end = macro.data() + macro.size();
    const auto [stopped_at, error] = std::from_chars(macro.data(), end, number);
    return error == std::errc() && stopped_at == end ? std::optional(number) : std::nullopt;
}

} // namespace

void RecipientCount::add(std::string path, const Macros& macros) {
    paths_.insert(std::move(path));
    refused_ = number_of(macros.refused);
    accepted_ = number_of(macros.accepted);
    address_ = macros.address;
}

bool RecipientCount::is_doubtful(const Macros& macros) const {
    const auto refused = number_of(macros.refused);
    if (!refused || !refused_ || *refused == 0) {
        return false;
    }
    const bool all_before_are_in = *refused_ == 0 || accepted_ == paths_.size();
    const bool last_is_in =
        *refused == *refused_ || (*refused == *refused_ + 1 && macros.address != address_);
    return !(all_before_are_in && last_is_in);
}

} // namespace lockbox::milter
