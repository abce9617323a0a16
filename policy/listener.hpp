// Where the MTA takes copies back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lockbox::policy {

/// Of a Unix socket: sun_path without its final NUL, unix(7).
constexpr std::size_t listener_path_octets_max = 107;

/// An SMTP server at one address: an IP address with a port, or a Unix socket. Never a name: a name may have
/// several addresses, and another user may listen on the one that is tried first.
struct Listener {
    std::string host; ///< an IP address without brackets; empty: a Unix socket
    std::uint16_t port = 0;
    std::string path = {}; ///< of the Unix socket, absolute; empty: host and port

    /// `127.0.0.1:PORT`, `[::1]:PORT`, libmilter's `inet:PORT@ADDRESS` and `inet6:PORT@ADDRESS`, `unix:/PATH`
    /// or `/PATH`. Throws Error(configuration), which says what is wrong, for everything else.
    [[nodiscard]] static Listener parse(std::string_view text);

    [[nodiscard]] bool is_unix() const noexcept { return !path.empty(); }

    /// On this machine: nobody on a network sees what is handed over.
    [[nodiscard]] bool is_local() const;

    /// "127.0.0.1:10026", "[::1]:10026", "unix:/run/mta/reinject".
    [[nodiscard]] std::string to_string() const;
    bool operator==(const Listener&) const = default;
};

} // namespace lockbox::policy
