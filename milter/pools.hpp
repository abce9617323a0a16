// Things that one thread uses at a time, kept for the next one: connections to the keyring, sealing engines.
#pragma once

#include "crypto/seal.hpp"
#include "keyring/keyring.hpp"
#include "milter/wait.hpp"

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <limits>
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

/// So many at once; others wait their turn. To be used by any number of threads.
class Slots {
public:
    static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

    explicit Slots(std::size_t count) noexcept : count_(count), free_(count) {}
    Slots(const Slots&) = delete;
    Slots& operator=(const Slots&) = delete;

    /// Free again on destruction.
    class Held {
    public:
        Held() = default;
        Held(Slots& slots, std::size_t count) noexcept : slots_(&slots), count_(count) {}
        ~Held() { release(); }
        Held(Held&& other) noexcept : slots_(std::exchange(other.slots_, nullptr)), count_(other.count_) {}
        Held& operator=(Held&& other) noexcept {
            std::swap(slots_, other.slots_);
            std::swap(count_, other.count_);
            return *this;
        }
        Held(const Held&) = delete;
        Held& operator=(const Held&) = delete;
        explicit operator bool() const noexcept { return slots_ != nullptr; }
        void release() noexcept;

    private:
        Slots* slots_ = nullptr;
        std::size_t count_ = 0;
    };

    /// All of them or none: two that each wait for the other's would wait for ever. More than there are at
    /// all are all there are. False: the wait ended first.
    [[nodiscard]] Held take(std::size_t count, const Wait& wait);

    /// Only what is free now.
    [[nodiscard]] Held take_now(std::size_t count) { return take(count, {Deadline::min()}); }

    /// False: some are still taken when the wait ends.
    [[nodiscard]] bool wait_until_all_are_free(const Wait& wait);

    [[nodiscard]] std::size_t taken() const;

private:
    const std::size_t count_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t free_;
};

} // namespace lockbox::milter
