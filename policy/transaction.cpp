#include "policy/transaction.hpp"

#include "base/ascii.hpp"

#include <utility>

namespace lockbox::policy {

Path Path::from(std::string raw, std::vector<std::string> parameters) {
    auto address = mail::Address::parse_path(raw);
    return {std::move(raw), std::move(parameters), std::move(address)};
}

Path Path::to(const mail::Address& address) {
    return {'<' + address.to_string() + '>', {}, address};
}

std::string Path::mailbox() const {
    auto text = trim(raw);
    if (text.size() >= 2 && text.front() == '<' && text.back() == '>') {
        text = text.substr(1, text.size() - 2);
    }
    return std::string(text);
}

bool Path::is_null() const {
    const auto text = trim(raw);
    return text.empty() || text == "<>";
}

} // namespace lockbox::policy
