// The kernel's table of TCP sockets: /proc/net/tcp and /proc/net/tcp6, proc(5), or one row of it,
// sock_diag(7).
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::milter {

/// An address with a port. An IPv4 address is kept as the IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2): the
/// two ends of one connection may lie in different tables.
struct TcpEnd {
    std::array<std::uint8_t, 16> address{};
    std::uint16_t port = 0;

    /// nullopt: the address is not one of IPv4 or IPv6.
    [[nodiscard]] static std::optional<TcpEnd> from(const sockaddr_storage& address);
    /// `address` as inet_pton(3) reads it. nullopt: it does not.
    [[nodiscard]] static std::optional<TcpEnd> from(const std::string& address, std::uint16_t port);

    [[nodiscard]] bool is_loopback() const noexcept;
    /// 0.0.0.0 or ::.
    [[nodiscard]] bool is_every_address() const noexcept;
    bool operator==(const TcpEnd&) const = default;
};

/// One socket.
struct TcpRow {
    static constexpr unsigned established = 1; // include/net/tcp_states.h
    static constexpr unsigned listening = 10;

    TcpEnd local;
    TcpEnd remote;
    unsigned state = 0;
    uid_t uid = 0;           ///< whose process has made the socket, by accept(2) where it was accepted
    std::uint64_t inode = 0; ///< 0: the socket is nobody's, not yet or not any more, and `uid` says nothing

    /// A line of the table. nullopt: the heading, or no such line.
    [[nodiscard]] static std::optional<TcpRow> parse(std::string_view line);
    bool operator==(const TcpRow&) const = default;
};

/// Every row of both tables as this process sees them. A row may be missing while other sockets come and go.
/// Throws Error(unavailable) where the IPv4 table cannot be read; a machine may be without that of IPv6.
[[nodiscard]] std::vector<TcpRow> read_tcp_table();

/// The established socket with these ends, asked for by name: some microseconds, where reading the table
/// takes milliseconds. nullopt: there is none, or the kernel or a sandbox does not let one ask.
[[nodiscard]] std::optional<TcpRow> find_tcp_row(const TcpEnd& local, const TcpEnd& remote);

/// Who has accepted the connection from `client` to `server`: the established socket whose own end is
/// `server`. nullopt: the table does not say.
[[nodiscard]] std::optional<uid_t> who_accepted(const std::vector<TcpRow>& table, const TcpEnd& server,
                                                const TcpEnd& client);

/// Who listens where a connection to `server` would arrive, as far as the table says: on this very address,
/// or on every address.
[[nodiscard]] std::vector<uid_t> who_listens(const std::vector<TcpRow>& table, const TcpEnd& server);

} // namespace lockbox::milter
