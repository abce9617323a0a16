#include "milter/privileges.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

namespace lockbox::milter {
namespace {

constexpr std::size_t entry_octets = 1U << 16U; // of a line in passwd or group; a group has many members

} // namespace

Identity look_up_user(const std::string& name) {
    std::vector<char> buffer(entry_octets);
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
        throw Error(ErrorKind::configuration, fmt::format("there is no user '{}'", name),
                    "see the key `user`; `systemd-sysusers` makes the packaged one");
    }
    return {name, entry.pw_uid, entry.pw_gid};
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

} // namespace lockbox::milter
