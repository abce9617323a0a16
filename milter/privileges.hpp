// Whom the daemon runs as, and what it may not do.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace lockbox::milter {

struct Identity {
    std::string name;
    uid_t uid = 0;
    gid_t gid = 0;
};

/// nullopt: there is no such user. Throws Error(unavailable) where that cannot be found out.
[[nodiscard]] std::optional<Identity> find_user(const std::string& name);

/// Throws Error(configuration) where there is no such user or group; `key` is the configuration's, for the
/// hint.
[[nodiscard]] Identity look_up_user(const std::string& name, const std::string& key = "user");
[[nodiscard]] gid_t look_up_group(const std::string& name);

/// Acts as that user while it lives, with their groups and `group` beside them: what is made meanwhile is
/// theirs, and nothing is reached that they cannot reach. Only root can, with one thread. Throws
/// Error(permission).
class ActingAs {
public:
    ActingAs(const Identity& identity, std::optional<gid_t> group);
    /// Ends the process where it cannot be root again.
    ~ActingAs();
    ActingAs(const ActingAs&) = delete;
    ActingAs& operator=(const ActingAs&) = delete;

private:
    std::vector<gid_t> groups_before_;
    gid_t group_before_;
};

/// Becomes that user for good, with their groups. Only root can. Throws Error(permission).
void become(const Identity& identity);

/// No core dumps and no debuggers of the same user: the process holds messages in clear.
void forbid_dumps();

/// As many open files as the process may have at all: each connection of an MTA and each copy on its way is
/// one, and libmilter spins where there are none left.
void raise_open_files_limit() noexcept;

} // namespace lockbox::milter
