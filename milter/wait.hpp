// Waiting for something while the MTA waits for us.
#pragma once

#include <chrono>
#include <functional>

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

} // namespace lockbox::milter
