#include "policy/route_secret.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockbox::policy {

RouteSecret RouteSecret::parse(std::string_view text) {
    constexpr const char* make_one = "`openssl rand -hex 16` makes one";
    if (!std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; })) {
        throw Error(ErrorKind::configuration, "the word has something in it that is no letter, digit, - or _",
                    make_one);
    }
    if (text.size() < route_secret_octets_least || text.size() > route_secret_octets_most) {
        throw Error(ErrorKind::configuration,
                    fmt::format("the word has {} characters, and must have {} to {}", text.size(),
                                route_secret_octets_least, route_secret_octets_most),
                    make_one);
    }
    return RouteSecret(std::string(text));
}

} // namespace lockbox::policy
