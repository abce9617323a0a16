#include "policy/transaction.hpp"

#include "base/ascii.hpp"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace lockbox::policy {
namespace {

/// The address that an incomplete path has become in the MTA. nullopt: the MTA has not completed it.
std::optional<mail::Address> resolved_address(const mail::IncompletePath& path, std::string_view resolved) {
    const auto at = resolved.rfind('@');
    if (at == std::string_view::npos || !equal_ignoring_case(resolved.substr(0, at), path.local_part)) {
        return std::nullopt;
    }
    return mail::Address::parse_path(fmt::format("<{}@{}>", path.local_part, resolved.substr(at + 1)));
}

std::optional<mail::Address> completed_address(const mail::IncompletePath& path,
                                               const Completion& completion) {
    if (auto address = resolved_address(path, completion.resolved)) {
        return address;
    }
    return path.domain.empty() && !completion.default_domain.empty()
               ? mail::Address::parse(fmt::format("{}@{}", path.local_part, completion.default_domain))
               : std::nullopt;
}

} // namespace

Path Path::from(std::string raw, std::vector<std::string> parameters, const Completion& completion) {
    auto address = mail::Address::parse_path(raw);
    if (const auto incomplete = mail::incomplete_path(raw)) {
        if (auto completed = completed_address(*incomplete, completion)) {
            address = std::move(completed);
        }
    }
    return {std::move(raw), std::move(parameters), std::move(address)};
}

Path Path::to(const mail::Address& address) {
    return {'<' + address.to_string() + '>', {}, address};
}

std::string Path::read_as() const {
    auto text = address ? address->to_string() : std::string();
    return text == mailbox() ? std::string() : text;
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
