// Whom the daemon runs as, and what it may not do.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace lockbox::milter {

struct Identity {
    std::string name;
    uid_t uid = 0;
    gid_t gid = 0;
};

/// Throws Error(configuration) where there is no such user or group.
[[nodiscard]] Identity look_up_user(const std::string& name);
[[nodiscard]] gid_t look_up_group(const std::string& name);

/// Becomes that user for good, with their groups. Only root can. Throws Error(permission).
void become(const Identity& identity);

/// No core dumps and no debuggers of the same user: the process holds messages in clear.
void forbid_dumps();

} // namespace lockbox::milter
