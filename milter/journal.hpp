// What was handed back and not yet answered for: so that the next try of a message completes it and repeats
// nothing.
//
// A client that gets no answer, or a 4xx, sends its message again. Between the first copy that the MTA has
// taken and the answer, the journal holds who has got theirs. A try that ends without a final answer leaves
// its records behind; the next try of the same message, by whatever process, takes them over and leaves those
// recipients out. With the final answer the records go.
#pragma once

#include "base/time.hpp"
#include "policy/transaction.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::milter {

/// Records of tries that never came to an end are forgotten then. Longer than the longest pause between two
/// tries of any MTA (Sendmail and Exchange: an hour at most; Postfix: 4000 s), short enough that a message
/// that was given up is not taken for a much later one with the same content.
constexpr std::chrono::hours journal_age_max{24};

/// Records kept at once; beyond, messages in several copies are deferred. A record is some 200 octets.
constexpr long long journal_records_max = 500'000;

/// What makes two tries the same message: the reverse-path, the From, To, Cc, Subject, Date and Message-ID
/// fields, and the body. A Message-ID that the MTA has made for this try (it contains the queue id) does not
/// count. nullopt: the message has neither Date nor Message-ID to be recognised by; two alarms with the same
/// words are two messages.
[[nodiscard]] std::optional<std::string> identity_of(const policy::Transaction& transaction);

/// The journal of one running milter, kept in an SQLite file. To be used by any number of threads.
///
/// Everything throws Error: unavailable (missing directory, held by another milter, of a newer version),
/// malformed (damaged, something else), busy, io (disk full); each names the file.
class Journal {
public:
    /// Makes the file where it is missing; takes it for this process alone, as long as the journal lives.
    explicit Journal(const std::string& path);
    ~Journal();
    /// A running milter has it.
    [[nodiscard]] static bool is_in_use(const std::string& path) noexcept;
    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;

    /// One try of one message. Its records are nobody else's as long as it lives.
    class Attempt {
    public:
        Attempt(Journal& journal, std::string id) noexcept : journal_(&journal), id_(std::move(id)) {}
        /// Whatever is recorded stays for the next try, unless settle() was called.
        ~Attempt();
        Attempt(const Attempt&) = delete;
        Attempt& operator=(const Attempt&) = delete;

        /// Recipients of earlier tries who have got theirs, as they were recorded.
        [[nodiscard]] const std::vector<std::string>& served_before() const noexcept {
            return served_before_;
        }

        /// These recipients are getting theirs now. On disk when it returns, except for a power failure.
        void record(const std::vector<std::string>& recipients);
        /// The MTA has confirmed it: safe against power failures too, when it returns.
        void confirm();
        /// The MTA has not taken it after all.
        void take_back(const std::vector<std::string>& recipients) noexcept;
        /// The client has its final answer: there will be no other try.
        void settle() noexcept;

    private:
        friend class Journal;
        Journal* journal_;
        std::string id_;
        std::vector<std::string> served_before_;
    };

    /// Begins a try, taking over what ended tries of the same message have recorded. Without an identity
    /// nothing is taken over, now or later. Throws where the journal could not take a record: before anything
    /// is sent.
    [[nodiscard]] std::unique_ptr<Attempt> begin(const std::optional<std::string>& identity, Time now);

    /// settle() for every try that has not ended.
    void settle_answered() noexcept;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace lockbox::milter
