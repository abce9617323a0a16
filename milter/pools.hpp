// Things that one thread uses at a time, kept for the next one: connections to the keyring, sealing engines.
#pragma once

#include "crypto/seal.hpp"
#include "keyring/keyring.hpp"

#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace lockbox::milter {

/// Lends objects; makes a new one where none is at rest, so there are as many as were ever lent at once. To
/// be used by any number of threads.
template <typename T>
class Pool {
public:
    using Make = std::function<std::unique_ptr<T>()>;
    using StillGood = std::function<bool(const T&)>;

    /// `still_good` is asked before an object is lent again; what is not is destroyed.
    explicit Pool(
        Make make, StillGood still_good = [](const T&) { return true; })
        : make_(std::move(make)), still_good_(std::move(still_good)) {}

    /// Comes back to the pool on destruction, unless an exception is on its way: then nobody knows its state.
    class Lease {
    public:
        Lease(Pool& pool, std::unique_ptr<T> object)
            : pool_(&pool), object_(std::move(object)), exceptions_(std::uncaught_exceptions()) {}
        ~Lease() {
            if (object_ && std::uncaught_exceptions() == exceptions_) {
                pool_->put_back(std::move(object_));
            }
        }
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        T& operator*() const noexcept { return *object_; }
        T* operator->() const noexcept { return object_.get(); }

    private:
        Pool* pool_;
        std::unique_ptr<T> object_;
        int exceptions_;
    };

    /// Throws what `make` throws.
    [[nodiscard]] Lease lend() {
        while (auto object = take()) {
            if (still_good_(*object)) {
                return Lease(*this, std::move(object));
            }
        }
        return Lease(*this, make_());
    }

private:
    std::unique_ptr<T> take() {
        const std::scoped_lock lock(mutex_);
        if (at_rest_.empty()) {
            return nullptr;
        }
        auto object = std::move(at_rest_.back());
        at_rest_.pop_back();
        return object;
    }
    void put_back(std::unique_ptr<T> object) noexcept {
        const std::scoped_lock lock(mutex_);
        try {
            at_rest_.push_back(std::move(object));
        } catch (const std::bad_alloc&) { // NOLINT(bugprone-empty-catch): then there is one less at rest
        }
    }

    Make make_;
    StillGood still_good_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<T>> at_rest_;
};

/// At most so many at once; others wait their turn.
class Slots {
public:
    explicit Slots(unsigned count) : free_(count) {}

    class Slot {
    public:
        explicit Slot(Slots* slots) noexcept : slots_(slots) {}
        ~Slot() {
            if (slots_ != nullptr) {
                slots_->release();
            }
        }
        Slot(Slot&& other) noexcept : slots_(std::exchange(other.slots_, nullptr)) {}
        Slot(const Slot&) = delete;
        Slot& operator=(const Slot&) = delete;
        Slot& operator=(Slot&&) = delete;
        /// False: no slot became free in time.
        explicit operator bool() const noexcept { return slots_ != nullptr; }

    private:
        Slots* slots_;
    };

    [[nodiscard]] Slot wait_until(std::chrono::steady_clock::time_point deadline);

private:
    void release();
    std::mutex mutex_;
    std::condition_variable changed_;
    unsigned free_;
};

} // namespace lockbox::milter
