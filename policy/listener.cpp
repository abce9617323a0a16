#include "policy/listener.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "mail/address.hpp"
#include "policy/network.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace lockbox::policy {
namespace {

[[noreturn]] void fail(std::string_view text, std::string_view why) {
    throw Error(ErrorKind::configuration, fmt::format("'{}' {}", printable(text), why));
}

[[noreturn]] void fail_without_form(std::string_view text) {
    fail(text, "is not a listener; the valid forms are: 127.0.0.1:PORT, [::1]:PORT, inet:PORT@ADDRESS, "
               "inet6:PORT@ADDRESS, unix:/PATH, /PATH");
}

std::optional<std::uint16_t> port_from(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && port != 0 ? std::optional(port) : std::nullopt;
}

/// Strictly as inet_pton(3) has it: no zone, nothing behind it.
bool is_address(std::string_view text) {
    const std::string address(text);
    in6_addr octets{};
    return address.find('\0') == std::string::npos && (::inet_pton(AF_INET, address.c_str(), &octets) == 1 ||
                                                       ::inet_pton(AF_INET6, address.c_str(), &octets) == 1);
}

/// 0.0.0.0 or ::, where a server listens on every address and no client is sure whom it reaches.
bool is_every_address(std::string_view address) {
    return address.find_first_not_of("0.:") == std::string_view::npos;
}

Listener at_path(std::string_view text, std::string_view path) {
    if (path.size() > listener_path_octets_max) {
        fail(text, fmt::format("is longer than the path of a Unix socket may be, {} octets",
                               listener_path_octets_max));
    }
    if (path.size() < 2 || path.front() != '/' || std::any_of(path.begin(), path.end(), is_control)) {
        fail(text, "is no absolute path of a Unix socket");
    }
    return {{}, 0, std::string(path)};
}

} // namespace

Listener Listener::parse(std::string_view text) {
    for (const std::string_view prefix : {"unix:", "local:"}) {
        if (text.starts_with(prefix)) {
            return at_path(text, text.substr(prefix.size()));
        }
    }
    if (text.starts_with('/')) {
        return at_path(text, text);
    }
    std::string_view host;
    std::string_view port;
    const bool libmilter_notation = text.starts_with("inet:") || text.starts_with("inet6:");
    if (libmilter_notation) {
        const auto rest = text.substr(text.find(':') + 1);
        const auto at = rest.find('@');
        if (at == std::string_view::npos) {
            fail_without_form(text);
        }
        port = rest.substr(0, at);
        host = rest.substr(at + 1);
    } else {
        const auto colon = text.rfind(':');
        if (colon == std::string_view::npos) {
            fail_without_form(text);
        }
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
        if (host.find(':') != std::string_view::npos && host.front() != '[') {
            fail_without_form(text); // an IPv6 address without brackets: where does the port begin?
        }
    }
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) {
        host = host.substr(1, host.size() - 2);
    }
    const auto known_port = port_from(port);
    if (!known_port) {
        fail_without_form(text);
    }
    if (!is_address(host)) {
        if (!bracketed && mail::normalised_domain(host)) {
            fail(text, "names a host: name one IP address, such as 127.0.0.1 or [::1]. A name may have "
                       "several addresses, localhost too, and another user may listen on the first");
        }
        fail_without_form(text);
    }
    if (is_every_address(host)) {
        fail(text, "is every address of the machine: name one, such as 127.0.0.1 or [::1]");
    }
    return {std::string(host), *known_port};
}

bool Listener::is_local() const {
    return is_unix() || is_loopback(host);
}

std::string Listener::to_string() const {
    if (is_unix()) {
        return "unix:" + path;
    }
    return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                               : fmt::format("[{}]:{}", host, port);
}

} // namespace lockbox::policy
