#include "milter/privileges.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <system_error>
#include <vector>

namespace lockbox::milter {
namespace {

constexpr int groups_max = 65'536;              ///< of one user (NGROUPS_MAX of Linux)
constexpr std::size_t entry_octets = 1U << 16U; // of a line in passwd or group; a group has many members

} // namespace

std::optional<Identity> find_user(const std::string& name) {
    std::vector<char> buffer(entry_octets);
    passwd entry{};
    passwd* found = nullptr;
    // Besides 0, getpwnam(3) has several errors that mean that there is no such user.
    switch (const int error = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found)) {
    case 0:
    case ENOENT:
    case ESRCH:
    case EBADF:
    case EPERM:
        break;
    default:
        throw Error(ErrorKind::unavailable,
                    fmt::format("cannot look up the user '{}': {}", name,
                                std::error_code(error, std::generic_category()).message()));
    }
    return found != nullptr ? std::optional(Identity{name, entry.pw_uid, entry.pw_gid}) : std::nullopt;
}

Identity look_up_user(const std::string& name, const std::string& key) {
    if (const auto identity = find_user(name)) {
        return *identity;
    }
    throw Error(ErrorKind::configuration, fmt::format("there is no user '{}'", name),
                key == "user" ? "see the key `user`; `systemd-sysusers` makes the packaged one"
                              : fmt::format("see the key `{}`", key));
}

gid_t look_up_group(const std::string& name) {
    std::vector<char> buffer(entry_octets);
    group entry{};
    group* found = nullptr;
    if (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
        throw Error(ErrorKind::configuration, fmt::format("there is no group '{}'", name),
                    "see the key `socket-group`");
    }
    return entry.gr_gid;
}

ActingAs::ActingAs(const Identity& identity, std::optional<gid_t> group) : group_before_(::getegid()) {
    const auto fail = [&] {
        throw Error(ErrorKind::permission,
                    fmt::format("cannot act as user '{}': {}", identity.name,
                                std::error_code(errno, std::generic_category()).message()));
    };
    int count = ::getgroups(0, nullptr);
    groups_before_.resize(static_cast<std::size_t>(std::max(count, 0)));
    if (count < 0 || ::getgroups(count, groups_before_.data()) < 0) {
        fail();
    }
    count = groups_max;
    std::vector<gid_t> groups(groups_max);
    if (::getgrouplist(identity.name.c_str(), identity.gid, groups.data(), &count) < 0) {
        errno = EINVAL;
        fail();
    }
    groups.resize(static_cast<std::size_t>(count));
    if (group) {
        groups.push_back(*group);
    }
    if (::setgroups(groups.size(), groups.data()) != 0 || ::setegid(identity.gid) != 0 ||
        ::seteuid(identity.uid) != 0) {
        fail();
    }
}

ActingAs::~ActingAs() {
    if (::seteuid(0) != 0 || ::setegid(group_before_) != 0 ||
        ::setgroups(groups_before_.size(), groups_before_.data()) != 0) {
        std::terminate();
    }
}

void become(const Identity& identity) {
    if (::initgroups(identity.name.c_str(), identity.gid) != 0 || ::setgid(identity.gid) != 0 ||
        ::setuid(identity.uid) != 0) {
        throw Error(ErrorKind::permission,
                    fmt::format("cannot become user '{}': {}", identity.name,
                                std::error_code(errno, std::generic_category()).message()));
    }
    if (identity.uid != 0 && ::setuid(0) == 0) {
        throw Error(ErrorKind::permission,
                    fmt::format("became user '{}', but could become root again", identity.name));
    }
}

void forbid_dumps() {
    const rlimit nothing{0, 0};
    if (::setrlimit(RLIMIT_CORE, &nothing) != 0 || ::prctl(PR_SET_DUMPABLE, 0) != 0) {
        throw Error(ErrorKind::permission, "cannot forbid core dumps");
    }
}

void raise_open_files_limit() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

} // namespace lockbox::milter
