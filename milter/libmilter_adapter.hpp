// The one place that knows libmilter: its callbacks become calls of a Session, verdicts become calls of
// libmilter.
#pragma once

#include "milter/filter.hpp"
#include "milter/session.hpp"

#include <atomic>
#include <string>

namespace lockbox::milter {

/// What all connections share: set before serve(), never written again but for `stopping`.
struct Shared {
    Filter* filter = nullptr;
    ExpectedCopies* expected = nullptr; ///< null: nothing is handed back
    bool on_unix_socket = false;
    InFlight in_flight;
    std::atomic<bool> stopping = false; ///< new connections and new messages are put off
};

/// Registers the callbacks. `shared` must outlive the process's use of libmilter. Throws Error(engine).
void register_with_libmilter(Shared& shared);

/// Makes libmilter listen; what is wrong is said now and not at the first message. Throws Error(unavailable).
void listen(const std::string& socket);

/// Serves connections until libmilter is stopped. Throws Error(engine) when it ends in another way.
void serve();

} // namespace lockbox::milter
