#include "milter/socket.hpp"

#include "base/error.hpp"
#include "base/handle.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace lockbox::milter {
namespace {

std::string reason(int error) {
    return std::error_code(error, std::generic_category()).message();
}

bool somebody_listens(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(static_cast<char*>(address.sun_path), path.c_str(), path.size() + 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected =
        fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0; // NOLINT
    if (fd >= 0) {
        ::close(fd);
    }
    return connected;
}

} // namespace

SocketName SocketName::parse(const std::string& notation) {
    for (const auto* prefix : {"unix:", "local:"}) {
        if (notation.starts_with(prefix)) {
            return {notation.substr(std::strlen(prefix))};
        }
    }
    return {notation.starts_with('/') ? notation : std::string()};
}

void check_socket(const SocketName& name, bool for_listening) {
    if (name.path.empty()) {
        return; // libmilter says itself what is wrong with a TCP port
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
        fail(fmt::format("the directory {}: {}", directory.string(), reason(errno)),
             fmt::format("`install -d -o lockbox -g postfix -m 2750 {}` makes it", directory.string()));
    }
    if (!S_ISDIR(status.st_mode)) {
        fail(fmt::format("{} is no directory", directory.string()), "see the key `socket`");
    }
    if (::access(directory.c_str(), W_OK | X_OK) != 0) {
        fail(fmt::format("the directory {} cannot be written to: {}", directory.string(), reason(errno)),
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
                    fmt::format("cannot give {} its owner and mode: {}", name.path, reason(errno)),
                    "the user that lockbox-milter runs as must be a member of socket-group");
    }
}

void send_without_delay() {
    constexpr int descriptors_max = 256; // libmilter opened its socket at start, so the number is a small one
    for (int fd = 3; fd < descriptors_max; ++fd) {
        int listening = 0;
        socklen_t length = sizeof listening;
        if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening != 0) {
            const int on = 1;
            (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // accepted sockets inherit it
        }
    }
}

} // namespace lockbox::milter
