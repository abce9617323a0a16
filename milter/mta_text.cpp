#include "milter/mta_text.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "mail/header.hpp"
#include "mail/line_ends.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <variant>

namespace lockbox::milter {
namespace {

std::string field_body_for_mta(const std::string& body, bool leading_space) {
    auto value = mail::to_lf(body);
    std::erase(value, '\r');
    if (!leading_space && value.starts_with(' ')) {
        value.erase(0, 1); // the MTA puts one
    }
    return value;
}

bool fits(const FieldEdit& edit) noexcept {
    constexpr std::size_t number_and_two_zeros = 6;
    return edit.name.size() + edit.value.size() + number_and_two_zeros <= chunk_octets_max;
}

FieldEdit removal_of(std::string_view name, std::size_t occurrence) {
    return {std::string(name), {}, static_cast<int>(occurrence)};
}

} // namespace

std::string address_from_mta(const sockaddr* address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* octets = nullptr;
    if (address != nullptr && address->sa_family == AF_INET) {
        octets = &reinterpret_cast<const sockaddr_in*>(address)->sin_addr; // NOLINT: what the family says
    } else if (address != nullptr && address->sa_family == AF_INET6) {
        octets = &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr; // NOLINT
    }
    return octets != nullptr && ::inet_ntop(address->sa_family, octets, text.data(), text.size()) != nullptr
               ? std::string(text.data())
               : std::string();
}

std::string field_name_from_mta(std::string_view name) {
    const auto proper = mail::field_name(name);
    if (!proper) {
        throw Error(
            ErrorKind::malformed,
            fmt::format("the MTA shows a header field of the name '{}', which is none", printable(name)));
    }
    return std::string(*proper);
}

std::string field_body_from_mta(std::string_view body, bool leading_space) {
    auto proper = mail::to_crlf(body);
    return leading_space || proper.empty() ? proper : " " + proper;
}

bool EditsForMta::fit() const noexcept {
    return std::all_of(header.begin(), header.end(), fits) && std::all_of(route.begin(), route.end(), fits);
}

EditsForMta edits_for_mta(const Verdict& verdict, bool leading_space) {
    EditsForMta edits;
    std::optional<Route> route;
    if (const auto* edit = std::get_if<Edit>(&verdict)) {
        for (const auto& change : edit->header.changes) {
            edits.header.push_back(
                {change.name, change.body ? field_body_for_mta(*change.body, leading_space) : std::string(),
                 static_cast<int>(change.occurrence)});
        }
        for (const auto& field : edit->header.appended) {
            edits.header.push_back({field.name, field_body_for_mta(field.body, leading_space), 0});
        }
        route = edit->route;
    } else if (const auto* pass = std::get_if<Pass>(&verdict)) {
        route = pass->route;
    }
    if (route) {
        edits.route.push_back({std::string(route_field), field_body_for_mta(route->body, leading_space), 0});
        for (auto occurrence = route->foreign + 1; occurrence > 0; --occurrence) {
            edits.route.push_back(removal_of(route_field, occurrence));
        }
    }
    return edits;
}

std::string reply_line_for_mta(std::string_view text) {
    std::string doubled;
    for (const char c : text) {
        doubled.append(c == '%' ? 2 : 1, c);
    }
    return doubled;
}

} // namespace lockbox::milter
