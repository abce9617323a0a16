// The one place that knows libmilter: its callbacks become calls of a Session, verdicts become calls of
// libmilter.
#pragma once

#include "milter/accepted_descriptors.hpp"
#include "milter/filter.hpp"
#include "milter/session.hpp"

#include <atomic>
#include <chrono>
#include <string>

namespace lockbox::milter {

/// What all connections share: set before serve(), never written again but for `stopping`.
struct Shared {
    Filter* filter = nullptr;
    ExpectedCopies* expected = nullptr; ///< null: nothing is handed back
    bool on_unix_socket = false;
    AcceptedDescriptors* descriptors = nullptr; ///< never null once serve() is called
    /// Messages behind their last octet whose verdict is not there yet.
    Slots judged{Slots::unlimited};
    /// Messages whose verdict libmilter was given, until their MTA's next step shows that it came.
    Slots answered{Slots::unlimited};
    std::atomic<bool> stopping = false; ///< new messages are put off
};

/// An MTA that is silent for longer has vanished: more than the two hours in which Postfix keeps an idle
/// smtpd.
constexpr std::chrono::seconds idle_max{7210};

/// Registers the callbacks. `shared` must outlive the process's use of libmilter. Throws Error(engine).
void register_with_libmilter(Shared& shared);

/// Makes libmilter listen on a socket in its own notation; a unix socket is for nobody but this user then.
/// What lies at the path of a unix socket is removed. Returns the descriptor, which is libmilter's. Throws
/// Error(unavailable).
[[nodiscard]] int listen(const std::string& socket);

/// Serves connections for as long as the process lives, but for SIGTERM, SIGINT or SIGHUP that reach
/// libmilter's own thread; see StopSignals. Throws Error(engine) when libmilter ends in another way.
void serve();

} // namespace lockbox::milter
