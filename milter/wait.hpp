// Waiting for something while the MTA waits for us.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

namespace lockbox::milter {

using Deadline = std::chrono::steady_clock::time_point;

/// Called while something is waited for, at least every waiting_slice, and cheap. Tells the MTA that its
/// answer is still to come. False: the MTA does not wait for it any more.
using Tick = std::function<bool()>;
constexpr std::chrono::seconds waiting_slice{5};

/// How long to wait, and what to do meanwhile.
struct Wait {
    Deadline deadline;
    Tick tick = [] { return true; }; ///< never empty
};

/// Until `done` holds, which is asked under the lock and whenever `changed` is notified. False: the deadline
/// has passed, or the MTA has gone.
template <typename Done>
[[nodiscard]] bool wait_until(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                              const Wait& wait, Done&& done) {
    while (!done()) {
        const auto now = std::chrono::steady_clock::now();
        if (now >= wait.deadline) {
            return false;
        }
        if (changed.wait_until(lock, std::min<Deadline>(wait.deadline, now + waiting_slice)) ==
            std::cv_status::timeout) {
            lock.unlock();
            const bool is_there = wait.tick();
            lock.lock();
            if (!is_there) {
                return false;
            }
        }
    }
    return true;
}

} // namespace lockbox::milter
