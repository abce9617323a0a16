// Where the MTA takes copies back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lockbox::policy {

/// An SMTP server by name or address.
struct Listener {
    std::string host; ///< without brackets
    std::uint16_t port = 0;

    /// `HOST:PORT`, `[IPV6]:PORT`, or libmilter's `inet:PORT@HOST` and `inet6:PORT@HOST`. nullopt: none of
    /// these.
    [[nodiscard]] static std::optional<Listener> parse(std::string_view text);

    /// On this machine: nobody on a network sees what is handed over.
    [[nodiscard]] bool is_local() const;

    /// "127.0.0.1:10026", "[::1]:10026".
    [[nodiscard]] std::string to_string() const;
    bool operator==(const Listener&) const = default;
};

} // namespace lockbox::policy
