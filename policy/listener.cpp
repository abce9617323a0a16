#include "policy/listener.hpp"

#include "base/ascii.hpp"
#include "mail/address.hpp"
#include "policy/network.hpp"

#include <fmt/format.h>

#include <charconv>

namespace lockbox::policy {
namespace {

std::optional<std::uint16_t> port_from(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && port != 0 ? std::optional(port) : std::nullopt;
}

std::optional<std::string> host_from(std::string_view text) {
    const bool bracketed = text.size() > 2 && text.front() == '[' && text.back() == ']';
    if (bracketed) {
        text = text.substr(1, text.size() - 2);
    }
    const bool known = is_ip_address(text) || (!bracketed && mail::normalised_domain(text).has_value());
    return known ? std::optional(std::string(text)) : std::nullopt;
}

} // namespace

std::optional<Listener> Listener::parse(std::string_view text) {
    std::string_view host;
    std::string_view port;
    const bool libmilter_notation = text.starts_with("inet:") || text.starts_with("inet6:");
    if (libmilter_notation) {
        text.remove_prefix(text.find(':') + 1);
        const auto at = text.find('@');
        if (at == std::string_view::npos) {
            return std::nullopt;
        }
        port = text.substr(0, at);
        host = text.substr(at + 1);
    } else {
        const auto colon = text.rfind(':');
        if (colon == std::string_view::npos) {
            return std::nullopt;
        }
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
        if (host.find(':') != std::string_view::npos && host.front() != '[') {
            return std::nullopt; // an IPv6 address without brackets: where does the port begin?
        }
    }
    auto known_host = host_from(host);
    const auto known_port = port_from(port);
    if (!known_host || !known_port) {
        return std::nullopt;
    }
    return Listener{*std::move(known_host), *known_port};
}

bool Listener::is_local() const {
    return is_loopback(host) || equal_ignoring_case(host, "localhost");
}

std::string Listener::to_string() const {
    return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                               : fmt::format("[{}]:{}", host, port);
}

} // namespace lockbox::policy
