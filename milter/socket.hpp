// The milter's socket: what must be right before libmilter listens on it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace lockbox::milter {

/// A socket in libmilter's notation, read.
struct SocketName {
    std::string path; ///< of a unix socket; empty: TCP

    /// `unix:/path`, `local:/path`, `/path`, `inet:port@host`, `inet6:port@host`: the configuration has
    /// checked the form.
    [[nodiscard]] static SocketName parse(const std::string& notation);
};

/// Sees that a unix socket can be made: the directory is there and may be written to, the path is short
/// enough, what is in the way is a socket left behind, and, `for_listening`, nobody listens there already.
/// Throws Error(unavailable) that says which.
void check_socket(const SocketName& name, bool for_listening);

/// Gives a unix socket its mode, and its owner and group where there are any.
void set_socket_owner(const SocketName& name, mode_t mode, std::optional<uid_t> owner,
                      std::optional<gid_t> group);

/// Switches Nagle's algorithm off for every connection accepted on the listening TCP sockets of this process:
/// libmilter writes many small packets, and each would wait for an acknowledgement.
void send_without_delay();

} // namespace lockbox::milter
