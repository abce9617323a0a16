// Handing copies back to the MTA: all of them, or a message that can be tried again; each recipient once.
#pragma once

#include "crypto/seal.hpp"
#include "milter/expected_copies.hpp"
#include "milter/journal.hpp"
#include "milter/listener_peer.hpp"
#include "milter/outgoing_copy.hpp"
#include "milter/pools.hpp"
#include "milter/smtp_client.hpp"
#include "milter/verdict.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
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

/// How long the answers to final dots are waited for.
struct AnswerWaits {
    /// Beyond the deadline by which all transactions stand. With the longest time budget it stays below the
    /// 10 minutes that an SMTP client gives its server from the end of the message (RFC 5321 §4.5.3.2.6).
    std::chrono::seconds in_sight{300};
    /// More, after the client was told to try again: a listener whose milter hangs has answered by then.
    std::chrono::seconds late{600};
};

/// Messages whose answer is waited for after their client was told to try again; beyond, an answer that does
/// not come in time is as good as lost. Each is a thread and a connection.
constexpr std::size_t late_answers_max = 64;

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
    /// Of this try: answered() when the MTA has got the verdict; null where the client will try again.
    std::unique_ptr<Journal::Attempt> attempt;
};

/// To be used by any number of threads.
class Delivery {
public:
    explicit Delivery(const std::string& journal_path, AnswerWaits waits = {});
    /// Answers that are still awaited are not waited for: their copies count as taken.
    ~Delivery();
    Delivery(const Delivery&) = delete;
    Delivery& operator=(const Delivery&) = delete;

    [[nodiscard]] ExpectedCopies& expected() noexcept { return expected_; }

    /// Copies whose answer is still awaited though their client was told to try again.
    [[nodiscard]] std::size_t late_answers() const { return late_places_.taken(); }

    /// One reading of the journal: begins an attempt at the message, before anything is judged. What
    /// attempt->served_before() says then holds until the verdict: those recipients are in no copy, and where
    /// there are any, the message must not be edited in place. Waits, within `wait`, for the end of another
    /// try of the message.
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
    /// journal with what was taken. An answer that does not come while its connection lives is waited for
    /// behind the verdict (451), and no other try of the message begins before it is there. Throws only where
    /// nothing was taken; Error(engine) for a copy to somebody who was served before.
    [[nodiscard]] Handover hand_over(const policy::Transaction& transaction, std::vector<OutgoingCopy> copies,
                                     std::unique_ptr<Journal::Attempt> attempt, const WayBack& way_back,
                                     const Compose& compose, const Wait& wait);

private:
    class OpenCopy;
    struct Transit;
    struct Late;
    struct Refusal;
    [[nodiscard]] std::optional<Refusal> fill(Transit& transit, const policy::Transaction& transaction,
                                              std::vector<OutgoingCopy> copies, const WayBack& way_back,
                                              const Compose& compose, const Wait& wait);
    void commit(Transit& transit, const Wait& wait) const;
    static void report(const Transit& transit, Handover& result);
    void wait_behind_the_verdict(std::unique_ptr<Transit> transit, const std::string& queue_id);
    static void log_late_answer(const std::string& queue_id, const OpenCopy& copy);
    void wait_for_late_answer(Late& late) noexcept;

    AnswerWaits waits_;
    Journal journal_;
    ExpectedCopies expected_;
    TlsContext tls_;
    Slots places_{open_copies_max};
    Slots late_places_{late_answers_max};
    std::atomic<bool> stopping_ = false;
    std::mutex late_mutex_;
    std::list<Late> late_; ///< last: their threads use all that is above
};

} // namespace lockbox::milter
