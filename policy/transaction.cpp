#include "policy/transaction.hpp"

#include "base/ascii.hpp"

#include <utility>

namespace lockbox::policy {

Path Path::from(std::string raw, std::vector<std::string> parameters) {
    auto address = mail::Address::parse_path(raw);
    return {std::move(raw), std::move(parameters), std::move(address)};
}

bool Path::is_null() const {
    const auto text = trim(raw);
    return text.empty() || text == "<>";
}

} // namespace lockbox::policy
