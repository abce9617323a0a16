#include "milter/pools.hpp"

#include <algorithm>

namespace lockbox::milter {

Slots::Held Slots::take(std::size_t count, const Wait& wait) {
    const auto wanted = std::min(count, count_);
    std::unique_lock lock(mutex_);
    if (!wait_until(lock, changed_, wait, [&] { return free_ >= wanted; })) {
        return {};
    }
    free_ -= wanted;
    return {*this, wanted};
}

bool Slots::wait_until_all_are_free(const Wait& wait) {
    std::unique_lock lock(mutex_);
    return wait_until(lock, changed_, wait, [&] { return free_ == count_; });
}

std::size_t Slots::taken() const {
    const std::scoped_lock lock(mutex_);
    return count_ - free_;
}

void Slots::Held::release() noexcept {
    if (slots_ == nullptr) {
        return;
    }
    auto& slots = *std::exchange(slots_, nullptr);
    {
        const std::scoped_lock lock(slots.mutex_);
        slots.free_ += count_;
    }
    slots.changed_.notify_all();
}

} // namespace lockbox::milter
