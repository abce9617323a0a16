#include "milter/pools.hpp"

namespace lockbox::milter {

Slots::Slot Slots::wait_until(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_until(lock, deadline, [&] { return free_ > 0; })) {
        return Slot(nullptr);
    }
    --free_;
    return Slot(this);
}

void Slots::release() {
    {
        const std::scoped_lock lock(mutex_);
        ++free_;
    }
    changed_.notify_one();
}

} // namespace lockbox::milter
