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

/// Sees that a unix socket can be made: the directory is there and may be written to, the path is short
/// enough, what is in the way is a socket left behind, and, `for_listening`, nobody listens there already.
/// Throws Error(unavailable) that says which.
void check_socket(const SocketName& name, bool for_listening);

/// Listens. A unix socket that was left behind goes; a new one is for nobody until set_socket_owner(). Throws
/// Error(unavailable) that says why not.
[[nodiscard]] Descriptor listen_on(const SocketName& name);

/// Gives a unix socket its mode, and its owner and group where there are any.
void set_socket_owner(const SocketName& name, mode_t mode, std::optional<uid_t> owner,
                      std::optional<gid_t> group);

} // namespace lockbox::milter
