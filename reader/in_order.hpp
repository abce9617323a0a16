// Work done by several threads whose results are used in the order of the tasks.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace lockbox::reader {

/// Tasks for each thread that are in memory at once: enough that no thread waits for the one that reads.
constexpr std::size_t tasks_per_worker = 4;
/// What they may hold together, unless one alone holds more.
constexpr std::size_t window_octets_max = 256U << 20U;

/// One thread for each worker. What a worker throws is thrown by run() when it is that task's turn; what
/// comes after it is then dropped.
template <typename Task, typename Result>
class InOrder {
public:
    using Work = std::function<Result(Task&&)>;

    /// `workers` is not empty. The threads start here, and have ended when it is destroyed.
    explicit InOrder(std::vector<Work> workers) : window_max_(workers.size() * tasks_per_worker) {
        threads_.reserve(workers.size());
        try {
            for (auto& work : workers) {
                threads_.emplace_back([this, work = std::move(work)] { serve(work); });
            }
        } catch (...) {
            stop();
            throw;
        }
    }
    ~InOrder() { stop(); }
    InOrder(const InOrder&) = delete;
    InOrder& operator=(const InOrder&) = delete;

    /// `next` gives one task after the other, and nullopt at the end; `octets` says what a task holds in
    /// memory; `finish` takes the results. All of them are called on this thread.
    void run(const std::function<std::optional<Task>()>& next,
             const std::function<std::size_t(const Task&)>& octets,
             const std::function<void(Result&&)>& finish) {
        bool more = true;
        while (more || !window_.empty()) {
            while (more && window_.size() < window_max_ && octets_ < window_octets_max) {
                auto task = next();
                more = task.has_value();
                if (more) {
                    add(octets(*task), std::move(*task));
                }
            }
            if (!window_.empty()) {
                finish(take_first());
            }
        }
    }

private:
    struct Slot {
        std::size_t octets = 0;
        std::optional<Task> task;
        std::optional<Result> result;
        std::exception_ptr error;
        bool is_ready = false; ///< guarded by mutex_; a worker has the other members until then
    };

    void add(std::size_t octets, Task&& task) {
        auto slot = std::make_unique<Slot>();
        slot->octets = octets;
        slot->task.emplace(std::move(task));
        octets_ += octets;
        {
            const std::lock_guard lock(mutex_);
            waiting_.push_back(slot.get());
        }
        window_.push_back(std::move(slot));
        task_came_.notify_one();
    }

    Result take_first() {
        auto slot = std::move(window_.front());
        {
            std::unique_lock lock(mutex_);
            result_came_.wait(lock, [&] { return slot->is_ready; });
        }
        window_.pop_front();
        octets_ -= slot->octets;
        if (slot->error) {
            std::rethrow_exception(slot->error);
        }
        return std::move(*slot->result);
    }

    void serve(const Work& work) {
        for (;;) {
            Slot* slot = nullptr;
            {
                std::unique_lock lock(mutex_);
                task_came_.wait(lock, [&] { return is_stopping_ || !waiting_.empty(); });
                if (is_stopping_) {
                    return;
                }
                slot = waiting_.front();
                waiting_.pop_front();
            }
            try {
                slot->result.emplace(work(std::move(*slot->task)));
            } catch (...) {
                slot->error = std::current_exception();
            }
            slot->task.reset();
            {
                const std::lock_guard lock(mutex_);
                slot->is_ready = true;
            }
            result_came_.notify_one();
        }
    }

    void stop() noexcept {
        {
            const std::lock_guard lock(mutex_);
            is_stopping_ = true;
        }
        task_came_.notify_all();
        for (auto& thread : threads_) {
            thread.join();
        }
        threads_.clear();
    }

    const std::size_t window_max_;
    std::size_t octets_ = 0;
    std::deque<std::unique_ptr<Slot>> window_; ///< in order; only run() touches it
    std::mutex mutex_;
    std::condition_variable task_came_;
    std::condition_variable result_came_;
    std::deque<Slot*> waiting_; ///< guarded by mutex_
    bool is_stopping_ = false;  ///< guarded by mutex_
    std::vector<std::thread> threads_;
};

} // namespace lockbox::reader
