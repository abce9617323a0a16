#include "milter/accepted_descriptors.hpp"

#include "base/error.hpp"
#include "base/handle.hpp"
#include "base/log.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <charconv>
#include <cstring>
#include <utility>

namespace lockbox::milter {
namespace {

using Directory = Handle<DIR, ::closedir>;

/// Every descriptor of this process, while `visit` runs.
template <typename Visit>
void for_each_descriptor(Visit&& visit) {
    const Directory directory(::opendir("/proc/self/fd"));
    if (!directory) {
        throw Error(ErrorKind::engine, "the kernel does not show this process's descriptors (/proc/self/fd)");
    }
    while (const auto* entry = ::readdir(directory.get())) { // NOLINT(concurrency-mt-unsafe): our own DIR
        const char* name = entry->d_name;
        int fd = -1;
        const auto [end, error] = std::from_chars(name, name + std::strlen(name), fd);
        if (error == std::errc() && *end == '\0') {
            visit(fd);
        }
    }
}

int option(int fd, int name) noexcept {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : 0;
}

/// What tells a socket's own address from others: the path of a unix socket; the family and port of TCP,
/// whose address is another one where it listens on all of them. Empty: no socket.
std::string name_of(int fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) { // NOLINT: POSIX
        return {};
    }
    if (address.ss_family == AF_UNIX) {
        return {reinterpret_cast<const char*>(&address), size}; // NOLINT: only compared
    }
    constexpr std::size_t family_and_port = sizeof(sa_family_t) + sizeof(in_port_t);
    const bool is_tcp = address.ss_family == AF_INET || address.ss_family == AF_INET6;
    return is_tcp ? std::string(reinterpret_cast<const char*>(&address), family_and_port) // NOLINT
                  : std::string();
}

std::optional<ino_t> inode_of(int fd) noexcept {
    struct stat status {};
    return ::fstat(fd, &status) == 0 ? std::optional(status.st_ino) : std::nullopt;
}

bool has_something_to_read(int fd) noexcept {
    int octets = 0;
    return ::ioctl(fd, FIONREAD, &octets) == 0 && octets > 0;
}

} // namespace

std::vector<int> listening_descriptors() {
    std::vector<int> listening;
    for_each_descriptor([&](int fd) {
        if (option(fd, SO_ACCEPTCONN) != 0) {
            listening.push_back(fd);
        }
    });
    return listening;
}

AcceptedDescriptors::AcceptedDescriptors(int listening, IsAllowed is_allowed)
    : name_(name_of(listening)), is_unix_(option(listening, SO_DOMAIN) == AF_UNIX),
      is_allowed_(std::move(is_allowed)) {}

std::map<ino_t, int> AcceptedDescriptors::unassigned() const {
    std::map<ino_t, int> found;
    for_each_descriptor([&](int fd) {
        if (name_of(fd) != name_ || option(fd, SO_ACCEPTCONN) != 0) {
            return;
        }
        if (const auto inode = inode_of(fd); inode && assigned_.count(*inode) == 0) {
            found.emplace(*inode, fd);
        }
    });
    return found;
}

void AcceptedDescriptors::refuse_strangers(const std::map<ino_t, int>& connections) {
    if (!is_unix_) {
        return;
    }
    std::erase_if(refused_, [&](ino_t inode) { return connections.count(inode) == 0; });
    for (const auto& [inode, fd] : connections) {
        ucred peer{};
        socklen_t size = sizeof peer;
        const bool is_known = ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
        if ((is_known && is_allowed_(peer.uid)) || !refused_.insert(inode).second) {
            continue;
        }
        (void)::shutdown(fd, SHUT_RDWR);
        log::error(
            "connection", "refused: no mail server's user connects to the milter",
            {{"uid", is_known ? std::to_string(peer.uid) : "unknown"}, {"hint", "see the key `mta-user`"}});
    }
}

void AcceptedDescriptors::Search::look(Mta mta) {
    if (found_) {
        return;
    }
    const std::scoped_lock lock(all_->mutex_);
    // A program that can connect by TCP need not be an MTA: what it may have sent says nothing there.
    const bool silence_tells = mta == Mta::waits && all_->is_unix_;
    std::map<ino_t, int> left;
    const auto connections = all_->unassigned();
    all_->refuse_strangers(connections);
    for (const auto& [inode, fd] : connections) {
        const bool was_there = !candidates_ || candidates_->count(inode) != 0;
        if (was_there && !(silence_tells && has_something_to_read(fd))) {
            left.emplace(inode, fd);
        }
    }
    candidates_ = std::move(left);
    if (candidates_->size() == 1) {
        inode_ = candidates_->begin()->first;
        found_ = candidates_->begin()->second;
        all_->assigned_.insert(inode_);
    }
}

AcceptedDescriptors::Search::~Search() {
    if (found_) {
        const std::scoped_lock lock(all_->mutex_);
        all_->assigned_.erase(inode_);
    }
}

std::optional<bool> AcceptedDescriptors::Search::mta_waits() const noexcept {
    if (!found_) {
        return std::nullopt;
    }
    pollfd descriptor{*found_, POLLIN | POLLRDHUP, 0};
    return ::poll(&descriptor, 1, 0) <= 0;
}

bool AcceptedDescriptors::Search::hang_up() const noexcept {
    return found_ && ::shutdown(*found_, SHUT_RDWR) == 0;
}

} // namespace lockbox::milter
