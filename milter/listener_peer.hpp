// Who takes the copies: whether the other end of a connection to the reinjection listener is the MTA's.
//
// Whoever answers there gets copies that are not sealed, and brings them back to this milter. An address
// alone says nothing: any local user may listen on a free port above 1023. The kernel knows whose the sockets
// of this machine are. Of another machine it knows nothing, and there the question is not asked: the page
// says so, and STARTTLS is required.
#pragma once

#include "policy/listener.hpp"

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace lockbox::milter {

/// Whom copies may be handed to: root, Lockbox's own user, and the MTA's.
class MtaUsers {
public:
    /// Root and the effective user of this process.
    MtaUsers();

    /// The same, and the users of these names; without names, those of `postfix` and `smmta` that exist.
    /// Throws Error(configuration) for a name that nobody has.
    [[nodiscard]] static MtaUsers named(const std::vector<std::string>& names);

    void add(uid_t uid) { uids_.insert(uid); }
    [[nodiscard]] bool contains(uid_t uid) const { return uids_.count(uid) != 0; }

private:
    std::set<uid_t> uids_;
};

/// The way back, and who is to be found there.
struct WayBack {
    policy::Listener listener;
    MtaUsers users{};
};

/// The last question before anything of a message is said: whether the other end of the connected `socket` is
/// one of `users`. On a Unix socket that is who listens, on TCP who has accepted the connection, so the
/// greeting must have been read. Returns where it is, or where the connection leads to another machine.
/// Throws Error(unavailable) where it is somebody else, and where it cannot be told.
void expect_mta(int socket, const WayBack& way_back);

/// For an administrator, before any mail: what is doubtful about who listens. nullopt: nothing. Throws
/// Error(configuration) where somebody else listens. Says nothing to the listener.
[[nodiscard]] std::optional<std::string> doubt_about_listener(const WayBack& way_back);

} // namespace lockbox::milter
