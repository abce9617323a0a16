// Keeps connections from waiting behind a message that takes long.
//
// libmilter as Debian builds it (8.17 and 8.18, _FFR_WORKERS_POOL) has a pool of threads. When two
// connections have something to say in the same instant, it may count on the same idle thread for both. The
// second one then waits until some thread has ended its work, which may take as long as a time budget while a
// listener hangs. A thread also looks for work that waits when it has served a new connection, for which
// libmilter starts one if there is none. So while messages are judged, this process connects to its own
// socket a few times a second, and hangs up.
#pragma once

#include "milter/pools.hpp"

#include <sys/socket.h>

#include <chrono>

namespace lockbox::milter {

/// How long a connection may wait for that reason.
constexpr std::chrono::milliseconds nudge_interval{250};

class WorkerNudge {
public:
    /// `listening` is the descriptor that libmilter listens on; `judged` are the messages whose verdict is
    /// not there yet.
    WorkerNudge(int listening, const Slots& judged);

    /// As long as the process lives, in a thread of its own.
    [[noreturn]] void run() const noexcept;

    /// One connection, without waiting for anything. What fails is tried again by the next one.
    void nudge() const noexcept;

private:
    sockaddr_storage address_{};
    socklen_t size_ = sizeof address_;
    const Slots* judged_;
};

} // namespace lockbox::milter
