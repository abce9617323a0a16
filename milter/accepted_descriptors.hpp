// The descriptors of MTAs' connections. libmilter accepts these connections and keeps their descriptors to
// itself; what it does not tell is asked of the kernel here: who connected, and whether the MTA still waits.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace lockbox::milter {

/// All connections that were accepted on one listening socket. To be used by any number of threads. Searches
/// must not outlive it.
class AcceptedDescriptors {
public:
    /// Whether a process of this user may be an MTA here.
    using IsAllowed = std::function<bool(uid_t)>;

    /// `listening` is a descriptor that libmilter listens on. A process of a user who may not be an MTA here
    /// is hung up on when the first connection looks while it is there, its own at the latest, and its user
    /// is logged. On a TCP socket the kernel does not say who connects: `is_allowed` is asked for unix
    /// sockets alone.
    AcceptedDescriptors(int listening, IsAllowed is_allowed);

    /// One connection's search for its own descriptor, by elimination: the own one is among those that no
    /// other connection has found to be its own, at each moment at which one looks. Where two connections
    /// begin in the same instant, both may have to look again later.
    class Search {
    public:
        explicit Search(AcceptedDescriptors& all) : all_(&all) {}
        ~Search();
        Search(const Search&) = delete;
        Search& operator=(const Search&) = delete;

        /// What the caller knows of its MTA.
        enum class Mta {
            waits,        ///< it waits for an answer, and cannot have sent anything that was not read
            may_be_ahead, ///< it may have sent what was not read yet
        };
        /// Looks, unless the descriptor was found. Throws Error(engine) where the kernel does not show
        /// descriptors.
        void look(Mta mta);

        /// The MTA, which waits for an answer, has neither hung up nor said anything since. nullopt: the
        /// descriptor was not found, nobody knows.
        [[nodiscard]] std::optional<bool> mta_waits() const noexcept;

        /// Hangs up: nothing that is written from now on reaches the MTA. False: the descriptor was not
        /// found, the connection is as it was.
        bool hang_up() const noexcept;

    private:
        AcceptedDescriptors* all_;
        std::optional<std::map<ino_t, int>> candidates_; ///< nullopt: never looked
        std::optional<int> found_;
        ino_t inode_ = 0;
    };

private:
    [[nodiscard]] std::map<ino_t, int> unassigned() const;
    void refuse_strangers(const std::map<ino_t, int>& connections);

    std::string name_; ///< of the listening socket, as getsockname(2) has it
    bool is_unix_;
    IsAllowed is_allowed_;
    std::mutex mutex_;
    std::set<ino_t> assigned_;
    std::set<ino_t> refused_; ///< hung up on, and not closed yet
};

/// Descriptors of this process that listen. Throws Error(engine) where the kernel does not show them.
[[nodiscard]] std::vector<int> listening_descriptors();

} // namespace lockbox::milter
