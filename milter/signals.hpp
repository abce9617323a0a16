// The signals that steer the daemon, kept from libmilter.
//
// smfi_main() starts a thread that waits with sigwait(3) for SIGTERM, SIGINT and SIGHUP, and then drops every
// message in flight; libmilter has no switch for it. But the kernel gives a signal for the process to its
// main thread where that one does not block it. So the main thread alone has handlers, and every other thread
// blocks these signals. Only a signal that comes in the instant in which the main thread has not yet handled
// the one before can reach libmilter's thread: then smfi_main() returns, and the daemon stops.
#pragma once

#include <functional>
#include <thread>

namespace lockbox::milter {

/// To be made and used in the main thread, once in a process. SIGTERM, SIGINT and SIGUSR1 are waited for;
/// SIGHUP and SIGPIPE are ignored.
class Signals {
public:
    /// From now on they are handled, in this thread. Throws Error(engine).
    Signals();
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

    /// A thread that blocks the signals, and with it every thread that it makes: how the main thread has to
    /// make each of its own.
    [[nodiscard]] static std::thread thread(std::function<void()> work);

    enum class Event {
        reload, ///< SIGUSR1
        stop,   ///< SIGTERM, SIGINT, or end()
    };
    /// The next one. Several of a kind that come before it is called are one; a stop comes first.
    [[nodiscard]] Event wait();

    /// From any thread: ends the wait.
    void end() noexcept;
};

} // namespace lockbox::milter
