// Handing copies back to the MTA: all of them, or a message that can be tried again; each recipient once.
#pragma once

#include "crypto/seal.hpp"
#include "milter/expected_copies.hpp"
#include "milter/journal.hpp"
#include "milter/outgoing_copy.hpp"
#include "milter/smtp_client.hpp"
#include "milter/verdict.hpp"
#include "policy/listener.hpp"

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace lockbox::milter {

/// Transactions with the listener that are open at once. Each is a connection, a process of the MTA and, on
/// the way back to this milter, another connection.
constexpr std::size_t open_copies_max = 256;

/// Received fields; a message with more goes round in circles. Postfix's own hopcount_limit.
constexpr std::size_t hops_max = 50;

/// From the first final dot to the last answer: no longer than what is left of the 300 s that Postfix waits
/// for a milter when the whole time budget was used up before.
constexpr std::chrono::seconds commit_wait{50};

/// Behind a refusal, where an earlier try or an earlier copy has reached somebody: bounces name all
/// recipients alike.
constexpr std::string_view others_are_served = "; the other recipients have got the message";

/// What became of the copies.
struct Handover {
    Verdict verdict;                        ///< Discard when every recipient has got theirs
    std::size_t copies = 0;                 ///< handed over now
    std::vector<std::string> taken_as;      ///< the MTA's queue ids of those, where it said them
    std::vector<std::string> served_before; ///< recipients who had got theirs in an earlier try
    std::string cause;                      ///< for the operator, where the verdict is not Discard
    std::string warning;                    ///< for the operator: an answer was lost, …
    /// Of this try, to be settled when the MTA has got the verdict; null where the client will try again.
    std::unique_ptr<Journal::Attempt> attempt;
};

/// To be used by any number of threads.
class Delivery {
public:
    explicit Delivery(const std::string& journal_path);

    [[nodiscard]] ExpectedCopies& expected() noexcept { return expected_; }

    /// At a stop, when no message is in flight any more: all verdicts have been given.
    void settle_answered() noexcept { journal_.settle_answered(); }

    /// One reading of the journal: begins an attempt at the message, before anything is judged. What
    /// attempt->served_before() says then holds until the verdict: those recipients are in no copy, and where
    /// there are any, the message must not be edited in place.
    [[nodiscard]] std::unique_ptr<Journal::Attempt> begin(const policy::Transaction& transaction, Time now,
                                                          const Wait& wait);

    /// The bytes of one copy, and what they are.
    struct Content {
        Form form = Form::clear;
        mail::HeaderSection header;
        std::string body;
    };
    using Compose = std::function<Content(const OutgoingCopy&)>;

    /// Hands over every copy. All transactions are opened and filled up to the final dot before the first dot
    /// is sent; `wait` is for that. What fails by then leaves nothing behind. What fails later leaves the
    /// journal with what was taken. Throws only where nothing was taken; Error(engine) for a copy to somebody
    /// who was served before.
    [[nodiscard]] Handover hand_over(const policy::Transaction& transaction, std::vector<OutgoingCopy> copies,
                                     std::unique_ptr<Journal::Attempt> attempt,
                                     const policy::Listener& listener, const Compose& compose,
                                     const Wait& wait);

private:
    class Places;
    Journal journal_;
    ExpectedCopies expected_;
    TlsContext tls_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t places_free_ = open_copies_max;
};

} // namespace lockbox::milter
