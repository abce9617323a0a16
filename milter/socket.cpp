#include "milter/socket.hpp"

#include "base/error.hpp"
#include "base/handle.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace lockbox::milter {
namespace {

/// Of a path that check_socket() has found short enough.
sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(static_cast<char*>(address.sun_path), path.c_str(), path.size() + 1);
    return address;
}

bool somebody_listens(const std::string& path) {
    const auto address = address_of(path);
    const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return probe &&
           ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0; // NOLINT
}

Error cannot_listen(const std::string& where, const std::string& why) {
    return {ErrorKind::unavailable, fmt::format("cannot listen on {}: {}", where, why),
            "is another lockbox-milter running, and may this user listen there?"};
}

Descriptor listen_on_path(const std::string& path) {
    Descriptor listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto address = address_of(path);
    (void)::unlink(path.c_str());        // check_socket() has seen that nobody listens there
    const auto old_mask = ::umask(0177); // nobody connects before the mode is set
    const bool bound =
        listening && ::bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), // NOLINT
                            sizeof address) == 0;
    const int error = errno;
    (void)::umask(old_mask);
    if (!bound) {
        throw cannot_listen(path, reason_of(error));
    }
    return listening;
}

Descriptor listen_on_port(const SocketName& name) {
    const auto where = name.port + '@' + name.host;
    addrinfo wanted{};
    wanted.ai_family = name.is_ipv6 ? AF_INET6 : AF_INET;
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* list = nullptr;
    if (const int error = ::getaddrinfo(name.host.c_str(), name.port.c_str(), &wanted, &list); error != 0) {
        throw cannot_listen(where, ::gai_strerror(error));
    }
    const Handle<addrinfo, ::freeaddrinfo> found(list);
    Descriptor listening(::socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, found->ai_protocol));
    const int on = 1;
    // Accepted sockets inherit TCP_NODELAY: a reply must not wait for an acknowledgement.
    if (!listening || ::setsockopt(listening.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::setsockopt(listening.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        ::bind(listening.get(), found->ai_addr, found->ai_addrlen) != 0) {
        throw cannot_listen(where, reason_of(errno));
    }
    return listening;
}

} // namespace

SocketName SocketName::parse(const std::string& notation) {
    SocketName name;
    for (const auto* prefix : {"unix:", "local:"}) {
        if (notation.starts_with(prefix)) {
            name.path = notation.substr(std::strlen(prefix));
            return name;
        }
    }
    if (notation.starts_with('/')) {
        name.path = notation;
        return name;
    }
    const auto colon = notation.find(':');
    const auto at = notation.find('@', colon);
    name.is_ipv6 = notation.starts_with("inet6:");
    name.port = notation.substr(colon + 1, at - colon - 1);
    name.host = notation.substr(at + 1);
    if (name.host.starts_with('[') && name.host.ends_with(']')) {
        name.host = name.host.substr(1, name.host.size() - 2);
    }
    return name;
}

Descriptor listen_on(const SocketName& name) {
    auto listening = name.path.empty() ? listen_on_port(name) : listen_on_path(name.path);
    if (::listen(listening.get(), SOMAXCONN) != 0) {
        throw cannot_listen(name.path.empty() ? name.port + '@' + name.host : name.path, reason_of(errno));
    }
    return listening;
}

void check_socket(const SocketName& name, bool for_listening) {
    if (name.path.empty()) {
        return; // what is wrong with a TCP port shows when it is opened
    }
    const auto fail = [&](const std::string& what, std::string hint) {
        throw Error(ErrorKind::unavailable, fmt::format("cannot listen on {}: {}", name.path, what),
                    std::move(hint));
    };
    constexpr std::size_t path_octets_max = sizeof(sockaddr_un::sun_path) - 1;
    if (name.path.size() > path_octets_max) {
        fail(
            fmt::format("the path is longer than the {} octets that a unix socket may have", path_octets_max),
            "choose a shorter one");
    }
    const auto directory = std::filesystem::path(name.path).parent_path();
    struct stat status {};
    if (::stat(directory.c_str(), &status) != 0) {
        fail(fmt::format("the directory {}: {}", directory.string(), reason_of(errno)),
             fmt::format("`install -d -o lockbox -g postfix -m 2750 {}` makes it", directory.string()));
    }
    if (!S_ISDIR(status.st_mode)) {
        fail(fmt::format("{} is no directory", directory.string()), "see the key `socket`");
    }
    if (::access(directory.c_str(), W_OK | X_OK) != 0) {
        fail(fmt::format("the directory {} cannot be written to: {}", directory.string(), reason_of(errno)),
             fmt::format("{} must belong to the user that lockbox-milter runs as, and stand in "
                         "ReadWritePaths= of its systemd unit",
                         directory.string()));
    }
    if (::lstat(name.path.c_str(), &status) != 0) {
        return;
    }
    if (!S_ISSOCK(status.st_mode)) {
        fail("something that is no socket is in the way", "remove it, or choose another path");
    }
    if (for_listening && somebody_listens(name.path)) {
        fail("another program listens there", "is another lockbox-milter running?");
    }
}

void set_socket_owner(const SocketName& name, mode_t mode, std::optional<uid_t> owner,
                      std::optional<gid_t> group) {
    if (name.path.empty()) {
        return;
    }
    const bool owned =
        (!owner && !group) || ::chown(name.path.c_str(), owner.value_or(static_cast<uid_t>(-1)),
                                      group.value_or(static_cast<gid_t>(-1))) == 0;
    if (!owned || ::chmod(name.path.c_str(), mode) != 0) {
        throw Error(ErrorKind::permission,
                    fmt::format("cannot give {} its owner and mode: {}", name.path, reason_of(errno)),
                    "the user that lockbox-milter runs as must be a member of socket-group");
    }
}

} // namespace lockbox::milter
