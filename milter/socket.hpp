// The milter's socket.
#pragma once

#include "base/descriptor.hpp"

#include <sys/types.h>

#include <optional>
#include <string>

namespace lockbox::milter {

/// A socket in the notation of libmilter and MTAs, read.
struct SocketName {
    std::string path;      ///< of a unix socket; empty: TCP
    std::string host = {}; ///< name or address, without the brackets of IPv6
    std::string port = {};
    bool is_ipv6 = false;

    /// `unix:/path`, `local:/path`, `/path`, `inet:port@host`, `inet6:port@host`: the configuration has
    /// checked the form.
    [[nodiscard]] static SocketName parse(const std::string& notation);
};

/// Sees that the socket can be made. A unix socket: the directory is there and may be written to, the path is
/// short enough, what is in the way is a socket left behind, and, `for_listening`, nobody listens there
/// already; where that cannot be told, somebody does. TCP, `for_listening`: the port can be had. Throws
/// Error(unavailable) that says which.
void check_socket(const SocketName& name, bool for_listening);

/// While it lives, no other milter that starts in the same directory gets past this point: from looking
/// whether somebody listens on a unix socket until somebody does. Nothing for TCP, where the kernel sees to
/// that. Waits for the other one, which has nothing to wait for. Throws Error(unavailable).
class StartLock {
public:
    explicit StartLock(const SocketName& name);

private:
    Descriptor directory_;
};

/// So that a TCP connection of an MTA costs no waiting and ends with its host: replies do not wait for
/// acknowledgements (TCP_NODELAY), and a host that has vanished is noticed within minutes. Accepted sockets
/// inherit it; libmilter itself switches SO_KEEPALIVE on. Nothing for a unix socket.
void prepare_accepted(const SocketName& name, int listening) noexcept;

/// Gives a unix socket its mode, and its group where there is any. Throws Error(permission).
void set_socket_access(const SocketName& name, mode_t mode, std::optional<gid_t> group);

} // namespace lockbox::milter
