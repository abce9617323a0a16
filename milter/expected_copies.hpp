// The copies that Lockbox is handing back, as its own milter on the reinjection listener meets them again.
//
// The listener has Lockbox attached like every other entrance of the MTA, so nothing gets past it there. A
// copy is known by the name in EHLO: 128 random bits, good for one message, never written into one. The MTA
// asks for the verdict on a copy after the final dot and takes the message only upon "continue": so what
// let_through() has written down is what the MTA was allowed to take, and what it has not, the MTA did not
// take, however the connection ended.
#pragma once

#include "milter/verdict.hpp"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace lockbox::milter {

/// To be used by any number of threads.
class ExpectedCopies {
    struct Entry;

public:
    /// One copy on its way. While it lives, the copy may come.
    class Expectation {
    public:
        Expectation(ExpectedCopies& all, std::string name, std::shared_ptr<Entry> entry)
            : all_(&all), name_(std::move(name)), entry_(std::move(entry)) {}
        ~Expectation();
        Expectation(Expectation&&) noexcept = default;
        Expectation& operator=(Expectation&&) = delete;
        Expectation(const Expectation&) = delete;
        Expectation& operator=(const Expectation&) = delete;

        /// What to say in EHLO.
        [[nodiscard]] const std::string& name() const noexcept { return name_; }
        /// The listener's MTA has shown the copy's MAIL to this milter.
        [[nodiscard]] bool was_met() const;
        /// From now on the copy is not let through any more. True: it already was.
        bool withdraw();

    private:
        ExpectedCopies* all_;
        std::string name_;
        std::shared_ptr<Entry> entry_;
    };

    /// `write_down` runs before the copy is let through; when it throws, it is not. `form` is what the MTA's
    /// routing is shown: clear is the claim that opens less.
    [[nodiscard]] Expectation expect(std::function<void()> write_down, Form form = Form::clear);

    /// Whether that name in EHLO is one of ours.
    [[nodiscard]] bool knows(std::string_view name) const;
    /// The MTA shows MAIL of the copy. False: it is not expected, or has come already.
    [[nodiscard]] bool meet(std::string_view name);
    /// The MTA asks for the verdict: what the copy is that goes on. nullopt: it does not, it was withdrawn.
    /// What `write_down` throws comes through.
    [[nodiscard]] std::optional<Form> let_through(std::string_view name);

private:
    [[nodiscard]] std::shared_ptr<Entry> find(std::string_view name) const;

    struct Entry {
        enum class State { announced, met, let_through, withdrawn };
        std::mutex mutex;
        State state = State::announced;
        Form form = Form::clear;
        std::function<void()> write_down;
    };
    mutable std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Entry>, std::less<>> entries_;
};

} // namespace lockbox::milter
