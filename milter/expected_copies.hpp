// The copies that Lockbox is handing back, as its own milter on the reinjection listener meets them again.
//
// The listener has Lockbox attached like every other entrance of the MTA, so nothing gets past it there. A
// copy is known by the name in EHLO: 128 random bits, good for one message, never written into one. The name
// is a claim; what comes under it is compared with what was handed over before it is let through. The MTA
// asks for the verdict on a copy after the final dot and takes the message only upon "continue": so what
// let_through() has written down is what the MTA was allowed to take, and what it has not, the MTA did not
// take, however the connection ended.
#pragma once

#include "milter/copy_comparison.hpp"
#include "milter/verdict.hpp"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace lockbox::milter {

/// To be used by any number of threads.
class ExpectedCopies {
    struct Entry {
        enum class State { announced, met, let_through, withdrawn };
        std::mutex mutex;
        State state = State::announced;
        Form form = Form::clear;
        std::function<void()> write_down;
        std::shared_ptr<const HandedOver> handed_over;
    };

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

    /// Something that has come under the name of a copy: takes what the MTA shows of it.
    class Arrival {
    public:
        void recipient(std::string_view path) { comparison_.recipient(path); }
        void header_field(std::string_view name, std::string_view value) {
            comparison_.header_field(name, value);
        }
        void body(std::string_view piece) { comparison_.body(piece); }

    private:
        friend class ExpectedCopies;
        Arrival(std::shared_ptr<Entry> entry, std::string_view reverse_path)
            : entry_(std::move(entry)), comparison_(entry_->handed_over) {
            comparison_.reverse_path(reverse_path);
        }
        std::shared_ptr<Entry> entry_;
        CopyComparison comparison_;
    };

    /// Why a copy is not let through, in words and without content.
    struct Unlike {
        std::string reason;
    };

    /// `write_down` runs before the copy is let through; when it throws, it is not. `form` is what the MTA's
    /// routing is shown: clear is the claim that opens less.
    [[nodiscard]] Expectation expect(std::function<void()> write_down, HandedOver handed_over,
                                     Form form = Form::clear);

    /// Whether that name in EHLO is one of ours.
    [[nodiscard]] bool knows(std::string_view name) const;
    /// The MTA shows MAIL of the copy. nullopt: it is not expected, or has come already.
    [[nodiscard]] std::optional<Arrival> meet(std::string_view name, std::string_view reverse_path);
    /// The MTA asks for the verdict: what the copy is that goes on. It does not where it was withdrawn, nor
    /// where it is not what was handed over: then it never will. What `write_down` throws comes through.
    [[nodiscard]] std::variant<Form, Unlike> let_through(Arrival arrival);

private:
    [[nodiscard]] std::shared_ptr<Entry> find(std::string_view name) const;

    mutable std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Entry>, std::less<>> entries_;
};

} // namespace lockbox::milter
