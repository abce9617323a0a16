// What was handed back: so that the next try of a message completes it and repeats nothing.
//
// A client that gets no answer, or a 4xx, sends its message again. A client that was given 250 may send it
// again as well: the answer does not always reach it. So the journal holds who has got theirs, from the
// moment in which a copy is let through, and for a while behind the answer. It is read once for each try,
// before anything is judged: the attempt begins then, and what it says of those who were served holds until
// the verdict.
//
// A record can only do one thing: leave a recipient out of a later try of the same message. So an old one
// sends nothing to anybody; at worst, somebody who was served is not served again.
#pragma once

#include "base/time.hpp"
#include "milter/wait.hpp"
#include "policy/transaction.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::milter {

/// Records of tries that were never answered are forgotten then: longer than MTAs go on trying (Postfix and
/// Sendmail: five days).
constexpr std::chrono::hours unanswered_age_max{7 * 24};

/// Records of tries that were answered are forgotten so long after the answer: longer than the pause before
/// the first tries of a client that never saw it (Postfix: 5 minutes, then 10, 20, …; Sendmail: what its
/// queue runs take, up to an hour).
constexpr std::chrono::minutes answered_age_max{60};

/// Records kept at once; beyond, the oldest that were answered are forgotten before their time, and where
/// there are none, messages in several copies are deferred. A record is some 200 octets.
constexpr long long journal_records_max = 500'000;

/// What the tries of one message have in common, but for its body.
struct MessageIdentity {
    /// A digest of the reverse-path and of the From, To, Cc, Subject, Resent-* and identifying fields.
    std::string fields;
    /// It rests on a Message-ID (or, of a message that was sent on, a Resent-Message-ID) that the client has
    /// made: whoever has the same is the same message. Else it rests on a date: two alarms with the same
    /// words in one second are two messages, so its records go with the answer.
    bool is_certain = false;
    bool operator==(const MessageIdentity&) const = default;
};

/// Identifying fields are those that the client has made. A Message-ID that contains the queue id is the
/// MTA's, and so is a Date behind that one; where the Message-ID is the client's own, Date does not count,
/// because the MTA adds a new one for each try of a message that has none. nullopt: nothing is left to
/// recognise the message by.
[[nodiscard]] std::optional<MessageIdentity> identity_of(const policy::Transaction& transaction);

/// The journal of one running milter, kept in an SQLite file. To be used by any number of threads.
///
/// Everything throws Error: unavailable (missing directory, held by another milter, of a newer version),
/// malformed (damaged, something else), busy, io (disk full); each names the file.
class Journal {
    class Impl;

public:
    /// Makes the file where it is missing; takes it for this process alone, as long as the journal lives.
    explicit Journal(const std::string& path);
    ~Journal();
    /// A running milter has it.
    [[nodiscard]] static bool is_in_use(const std::string& path) noexcept;
    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;

    /// One try of one message. As long as it lives, no other try of the message begins for any of its
    /// recipients.
    class Attempt {
    public:
        struct State;
        explicit Attempt(Impl& journal, std::unique_ptr<State> state) noexcept;
        /// Whatever is recorded stays for the next try.
        ~Attempt();
        Attempt(const Attempt&) = delete;
        Attempt& operator=(const Attempt&) = delete;

        /// Recipients of earlier tries who have got theirs, as they were recorded, sorted.
        [[nodiscard]] const std::vector<std::string>& served_before() const noexcept;

        /// Copies are going to be handed over: to be called before record(). `body` is the message's. Throws
        /// where the journal could not take a record.
        void prepare(std::string_view body);
        /// These recipients are getting theirs now. On disk when it returns, except for a power failure.
        void record(const std::vector<std::string>& recipients);
        /// The MTA has confirmed it for these: safe against power failures too, when it returns.
        void confirm(const std::vector<std::string>& recipients);
        /// The MTA has not taken it after all.
        void take_back(const std::vector<std::string>& recipients) noexcept;
        /// The MTA was given a final verdict, and the client may have it.
        void answered() noexcept;

    private:
        friend class Journal;
        Impl* journal_;
        std::unique_ptr<State> state_;
    };

    /// Begins a try of the message. Where another one lives that has the same identity and recipients in
    /// common, waits for its end; throws Error(busy) when the wait ends first. Tries of one message for other
    /// recipients, into which an MTA may split it, go on side by side, and so does whatever has no identity.
    /// Costs a digest of some header fields where nothing is known of the message; of its body, too, where
    /// something is.
    [[nodiscard]] std::unique_ptr<Attempt> begin(const policy::Transaction& transaction, Time now,
                                                 const Wait& wait);

private:
    std::unique_ptr<Impl> impl_;
};

} // namespace lockbox::milter
