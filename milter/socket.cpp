#include "milter/socket.hpp"

#include "base/error.hpp"
#include "base/handle.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
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

/// Whether nobody listens on the socket at this path for certain: what refuses a connection was left behind.
bool was_left_behind(const std::string& path) {
    const auto address = address_of(path);
    const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    return probe &&
           ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
               0 && // NOLINT
           (errno == ECONNREFUSED || errno == ENOENT);
}

Error cannot_listen(const std::string& where, const std::string& why) {
    return {ErrorKind::unavailable, fmt::format("cannot listen on {}: {}", where, why),
            "is another lockbox-milter running, and may this user listen there?"};
}

/// libmilter says what is wrong with a port in the system's log alone.
void check_port(const SocketName& name) {
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
    const Descriptor probe(::socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, found->ai_protocol));
    const int on = 1;
    if (!probe || ::setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(probe.get(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(probe.get(), 1) != 0) {
        throw cannot_listen(where, reason_of(errno));
    }
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

void check_socket(const SocketName& name, bool for_listening) {
    if (name.path.empty()) {
        if (for_listening) {
            check_port(name);
        }
        return;
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
    if (::faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) != 0) { // not as the real user
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
    if (for_listening && !was_left_behind(name.path)) {
        fail("another program listens there", "is another lockbox-milter running?");
    }
}

StartLock::StartLock(const SocketName& name) {
    if (name.path.empty()) {
        return;
    }
    const auto directory = std::filesystem::path(name.path).parent_path().string();
    directory_ = Descriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory_) {
        throw cannot_listen(name.path, fmt::format("the directory {}: {}", directory, reason_of(errno)));
    }
    while (::flock(directory_.get(), LOCK_EX) != 0) {
        if (errno != EINTR) {
            throw cannot_listen(
                name.path, fmt::format("the directory {} cannot be locked: {}", directory, reason_of(errno)));
        }
    }
}

void prepare_accepted(const SocketName& name, int listening) noexcept {
    if (!name.path.empty()) {
        return;
    }
    constexpr int idle_s = 120;
    constexpr int interval_s = 30;
    constexpr int probes = 4;
    constexpr int unacknowledged_ms = (idle_s + interval_s * probes) * 1000;
    const int on = 1;
    (void)::setsockopt(listening, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)::setsockopt(listening, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)::setsockopt(listening, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    (void)::setsockopt(listening, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    (void)::setsockopt(listening, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms,
                       sizeof unacknowledged_ms);
}

void set_socket_access(const SocketName& name, mode_t mode, std::optional<gid_t> group) {
    if (name.path.empty()) {
        return;
    }
    const bool is_the_groups = !group || ::chown(name.path.c_str(), static_cast<uid_t>(-1), *group) == 0;
    if (!is_the_groups || ::chmod(name.path.c_str(), mode) != 0) {
        throw Error(ErrorKind::permission,
                    fmt::format("cannot give {} its group and mode: {}", name.path, reason_of(errno)),
                    "the user that lockbox-milter runs as must be a member of socket-group");
    }
}

} // namespace lockbox::milter
