#include "milter/delivery.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "policy/config.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

namespace lockbox::milter {
namespace {

std::string named(const OutgoingCopy& copy) {
    std::vector<std::string> paths;
    for (const auto& recipient : copy.recipients) {
        paths.push_back(printable(recipient.in_brackets()));
    }
    return fmt::format("{}", fmt::join(paths, ", "));
}

std::vector<std::string> mailboxes_of(const OutgoingCopy& copy) {
    std::vector<std::string> mailboxes;
    for (const auto& recipient : copy.recipients) {
        mailboxes.emplace_back(recipient.mailbox());
    }
    return mailboxes;
}

void expect_somebody_waits(const Wait& wait) {
    if (!wait.tick()) {
        throw Error(ErrorKind::unavailable, "the MTA has left before all copies were ready");
    }
}

/// The last look before anything is sent: whoever made these copies knew whom an earlier try has served.
void expect_nobody_twice(const std::vector<OutgoingCopy>& copies, const std::vector<std::string>& served) {
    const std::set<std::string> by_then(served.begin(), served.end());
    for (const auto& copy : copies) {
        for (const auto& recipient : copy.recipients) {
            if (by_then.count(recipient.mailbox()) != 0) {
                throw Error(ErrorKind::engine, fmt::format("a copy was made for {}, who has got theirs",
                                                           printable(recipient.in_brackets())));
            }
        }
    }
}

void append(std::string& list, std::string_view more) {
    if (!more.empty()) {
        list += list.empty() ? "" : "; ";
        list += more;
    }
}

/// The queue id in "2.0.0 Ok: queued as 4ABC" (Postfix) or "2.0.0 x4ABC Message accepted for delivery"
/// (Sendmail).
std::optional<std::string> queue_id_in(const SmtpReply& reply) {
    const auto& text = reply.lines.back();
    const auto word_at = [&](std::size_t begin) {
        return text.substr(begin, std::min(text.find(' ', begin), text.size()) - begin);
    };
    constexpr std::string_view postfix = "queued as ";
    if (const auto at = text.find(postfix); at != std::string::npos) {
        return printable(word_at(at + postfix.size()));
    }
    constexpr std::string_view sendmail = " Message accepted";
    if (const auto at = text.find(sendmail); at != std::string::npos && at > 0) {
        const auto begin = text.rfind(' ', at - 1);
        return printable(word_at(begin == std::string::npos ? 0 : begin + 1));
    }
    return std::nullopt;
}

constexpr std::chrono::milliseconds late_slice{500}; ///< so soon a stop is seen

Verdict try_again() {
    return Defer{{"451", "4.3.0", "Message cannot be handed on now, please try again later"}};
}

} // namespace

/// The listener has said no, for now or for good.
struct Delivery::Refusal {
    bool permanent = false;
    std::string stage; ///< "RCPT TO:<bob@example.org>"
    SmtpReply reply;
    std::string recipients; ///< whom it concerns; empty: everybody

    /// What the client is told. A refusal of the message or of a recipient is handed on; every other is our
    /// own trouble.
    [[nodiscard]] Verdict verdict() const {
        if (!permanent) {
            return try_again();
        }
        const auto whom = recipients.empty() ? std::string() : recipients + ": ";
        return Refuse{{"554", "5.3.0", fmt::format("{}{}", whom, reply.to_string())}};
    }
};

/// One copy on a connection of its own.
class Delivery::OpenCopy {
public:
    enum class Fate {
        open,     ///< before its final dot
        awaited,  ///< the MTA may take it, has not answered, and its connection lives
        taken,    ///< the MTA has said so
        in_doubt, ///< the MTA may have taken it, and cannot be asked any more
        refused,  ///< the MTA has said so
        lost,     ///< not taken, and never will be
    };

    OpenCopy(OutgoingCopy copy, ExpectedCopies::Expectation expectation, SmtpClient client)
        : copy_(std::move(copy)), expectation_(std::move(expectation)), client_(std::move(client)) {}

    [[nodiscard]] const OutgoingCopy& copy() const noexcept { return copy_; }
    [[nodiscard]] Fate fate() const noexcept { return fate_; }
    [[nodiscard]] bool is_or_may_be_taken() const noexcept {
        return fate_ == Fate::taken || fate_ == Fate::in_doubt;
    }
    [[nodiscard]] const std::optional<Refusal>& refusal() const noexcept { return refusal_; }
    [[nodiscard]] const std::string& cause() const noexcept { return cause_; }
    [[nodiscard]] const std::string& warning() const noexcept { return warning_; }
    [[nodiscard]] const std::optional<std::string>& queue_id() const noexcept { return queue_id_; }

    /// Everything up to the final dot. False: refusal() says who said no. Throws what SmtpClient throws.
    [[nodiscard]] bool fill(const policy::Transaction& transaction, const WayBack& way_back, SSL_CTX* tls,
                            const Delivery::Content& content) {
        return greet(way_back, tls) && envelope(transaction, way_back.listener, content) && write(content);
    }

    /// The final dot and its answer.
    void commit(const Wait& wait, Journal::Attempt& attempt) {
        if (std::chrono::steady_clock::now() >= wait.deadline) {
            without_answer("the reinjection listener took too long with the copies before");
            return;
        }
        client_.set_wait(wait);
        try {
            client_.write_final_dot();
        } catch (const std::exception& error) {
            without_answer(error.what());
            return;
        }
        fate_ = Fate::awaited;
        read_answer(attempt);
        if (fate_ == Fate::awaited && !expectation_.withdraw()) {
            // Its milter was not even asked, and will say no: the end of the connection ends the copy.
            fate_ = Fate::lost;
            cause_ =
                fmt::format("the copy for {}: the reinjection listener did not answer in time", named(copy_));
        }
    }

    /// More of the wait for the answer.
    void wait_on(const Wait& wait, Journal::Attempt& attempt) {
        client_.set_wait(wait);
        read_answer(attempt);
    }

    /// There will be no answer.
    void give_up() { without_answer("the reinjection listener did not answer in time"); }

private:
    void read_answer(Journal::Attempt& attempt) {
        try {
            if (const auto reply = client_.reply_in_time()) {
                client_.quit();
                take_answer(*reply, attempt);
            } else {
                cause_ = fmt::format("the reinjection listener has not yet answered to the copy for {}",
                                     named(copy_));
            }
        } catch (const std::exception& error) {
            without_answer(error.what());
        }
    }

    void take_answer(const SmtpReply& reply, Journal::Attempt& attempt) {
        cause_.clear();
        if (reply.is_positive() && !expectation_.withdraw()) {
            // The MTA asks this milter before it takes a copy: somebody stands between, or leaves it out.
            fate_ = Fate::lost;
            cause_ =
                fmt::format("the reinjection listener says that it has taken the copy for {}, which this "
                            "milter has not let through",
                            named(copy_));
            return;
        }
        if (reply.is_positive()) {
            fate_ = Fate::taken;
            queue_id_ = queue_id_in(reply);
            try {
                attempt.confirm(mailboxes_of(copy_));
            } catch (const std::exception& error) {
                warning_ = error.what(); // recorded it is, and only a power failure could undo that
            }
            return;
        }
        fate_ = Fate::refused;
        refusal_ = {reply.is_permanent(), "the final dot", reply, named(copy_)};
        cause_ = fmt::format("the reinjection listener's answer to the copy for {}: {}", named(copy_),
                             reply.to_string());
        (void)expectation_.withdraw();
        attempt.take_back(mailboxes_of(copy_));
    }

    /// What the MTA may take without an answer is what this milter has let through.
    void without_answer(std::string_view why) {
        fate_ = expectation_.withdraw() ? Fate::in_doubt : Fate::lost;
        cause_ = fmt::format("the copy for {}: {}", named(copy_), why);
        if (fate_ == Fate::in_doubt) {
            warning_ = cause_ + ", after the MTA was told that it may take the copy: counted as taken";
        }
    }

    [[nodiscard]] bool accepted(const SmtpReply& reply, const std::string& stage,
                                const std::string& recipients = {}) {
        if (reply.is_positive() || reply.is_intermediate()) {
            return true;
        }
        refusal_ = {reply.is_permanent(), stage, reply, recipients};
        return false;
    }

    [[nodiscard]] bool greet(const WayBack& way_back, SSL_CTX* tls) {
        const auto& listener = way_back.listener;
        const auto greeting = client_.read_reply();
        client_.expect_mta(way_back); // whoever it is has heard nothing yet, not even the name of the copy
        if (!accepted(greeting, "the connection") || !accepted(client_.hello(expectation_.name()), "EHLO")) {
            refusal_->permanent = false; // says something about the listener, nothing about the message
            return false;
        }
        if (client_.extensions().count("STARTTLS") != 0) {
            if (!accepted(client_.start_tls(tls), "STARTTLS") ||
                !accepted(client_.hello(expectation_.name()), "EHLO")) {
                refusal_->permanent = false;
                return false;
            }
        } else if (!listener.is_local()) {
            throw Error(
                ErrorKind::unavailable,
                fmt::format("the reinjection listener {} is on another machine and offers no STARTTLS",
                            listener.to_string()));
        }
        return true;
    }

    [[nodiscard]] bool envelope(const policy::Transaction& transaction, const policy::Listener& listener,
                                const Delivery::Content& content) {
        const auto& extensions = client_.extensions();
        if (const auto xforward = xforward_command(transaction, extensions); !xforward.empty()) {
            (void)client_.command(xforward); // only the listener's log is poorer without
        }
        check_recipients(copy_);
        if (copy_.is_sealed() && content.form != Form::sealed) {
            throw std::logic_error("the bytes of a sealed copy are not sealed");
        }
        const auto header = content.header.to_string();
        const CopyContent facts{header.size() + 2 + content.body.size(), !all_ascii(content.body),
                                !all_ascii(header)};
        std::vector<std::string> lines{mail_command(transaction.reverse_path, copy_, facts, extensions)};
        for (const auto& recipient : copy_.recipients) {
            lines.push_back(rcpt_command(recipient, extensions));
        }
        const auto replies = client_.commands(lines);
        if (!accepted(replies.front(), "MAIL", named(copy_))) {
            return false;
        }
        for (std::size_t i = 0; i < copy_.recipients.size(); ++i) {
            if (!accepted(replies[i + 1], "RCPT", printable(copy_.recipients[i].in_brackets()))) {
                return false;
            }
        }
        // Whoever reached the listener otherwise would send in clear past every rule.
        if (!expectation_.was_met()) {
            throw Error(
                ErrorKind::unavailable,
                fmt::format(
                    "the reinjection listener {} does not have this milter attached under the name {}",
                    listener.to_string(), policy::reinjection_daemon_name),
                "set smtpd_milters and milter_macro_daemon_name (Postfix) or InputMailFilters and Name "
                "(Sendmail) on the listener, and never no_milters; contrib/ shows how");
        }
        return accepted(client_.command("DATA"), "DATA", named(copy_));
    }

    [[nodiscard]] bool write(const Delivery::Content& content) {
        client_.write_content(content.header.to_string());
        client_.write_content("\r\n");
        client_.write_content(content.body);
        client_.finish_content();
        return true;
    }

    OutgoingCopy copy_;
    ExpectedCopies::Expectation expectation_;
    SmtpClient client_;
    Fate fate_ = Fate::open;
    std::optional<Refusal> refusal_;
    std::string cause_;   ///< why it was not taken
    std::string warning_; ///< what an operator has to know though it counts as taken
    std::optional<std::string> queue_id_;
};

/// The copies of one message on their way, and what they need.
struct Delivery::Transit {
    std::unique_ptr<Journal::Attempt> attempt; ///< outlives the copies, which write into it
    Slots::Held places;
    std::vector<OpenCopy> copies;

    [[nodiscard]] bool has_served_anybody() const {
        return !attempt->served_before().empty() ||
               std::any_of(copies.begin(), copies.end(),
                           [](const OpenCopy& copy) { return copy.is_or_may_be_taken(); });
    }
    [[nodiscard]] OpenCopy* awaited() {
        const auto found = std::find_if(copies.begin(), copies.end(), [](const OpenCopy& copy) {
            return copy.fate() == OpenCopy::Fate::awaited;
        });
        return found != copies.end() ? &*found : nullptr;
    }
};

/// A transit that is waited for behind its verdict.
struct Delivery::Late {
    std::unique_ptr<Transit> transit;
    Slots::Held place;
    std::string queue_id; ///< of the message
    std::atomic<bool> is_over = false;
    std::thread thread;
};

Delivery::Delivery(const std::string& journal_path, AnswerWaits waits)
    : waits_(waits), journal_(journal_path), tls_(make_tls_client_context()) {}

Delivery::~Delivery() {
    stopping_ = true;
    for (auto& late : late_) {
        late.thread.join();
    }
}

std::unique_ptr<Journal::Attempt> Delivery::begin(const policy::Transaction& transaction, Time now,
                                                  const Wait& wait) {
    return journal_.begin(transaction, now, wait);
}

std::optional<Delivery::Refusal> Delivery::fill(Transit& transit, const policy::Transaction& transaction,
                                                std::vector<OutgoingCopy> copies, const WayBack& way_back,
                                                const Compose& compose, const Wait& wait) {
    transit.copies.reserve(copies.size());
    for (auto& copy : copies) {
        const auto content = compose(copy);
        auto expectation = expected_.expect(
            [attempt = transit.attempt.get(), mailboxes = mailboxes_of(copy)] { attempt->record(mailboxes); },
            HandedOver::from(transaction.reverse_path.mailbox(), mailboxes_of(copy), content.header,
                             content.body),
            content.form);
        expect_somebody_waits(wait);
        auto& open = transit.copies.emplace_back(std::move(copy), std::move(expectation),
                                                 SmtpClient(way_back.listener, wait));
        if (!open.fill(transaction, way_back, tls_.get(), content)) {
            return open.refusal();
        }
    }
    expect_somebody_waits(wait);
    return std::nullopt;
}

/// From here on, what is taken is taken: whoever has left meanwhile, what was begun comes to its end.
void Delivery::commit(Transit& transit, const Wait& wait) const {
    const Wait for_answers{wait.deadline + waits_.in_sight, [&] {
                               (void)wait.tick();
                               return true;
                           }};
    for (auto& copy : transit.copies) {
        copy.commit(for_answers, *transit.attempt);
        if (!transit.has_served_anybody()) {
            break; // the whole message waits, or is refused
        }
    }
}

void Delivery::report(const Transit& transit, Handover& result) {
    std::optional<Refusal> permanent;
    bool incomplete = false;
    for (const auto& copy : transit.copies) {
        append(result.warning, copy.warning());
        if (copy.is_or_may_be_taken()) {
            ++result.copies;
            if (copy.queue_id()) {
                result.taken_as.push_back(*copy.queue_id());
            }
            continue;
        }
        if (copy.refusal() && copy.refusal()->permanent) {
            permanent = permanent ? permanent : copy.refusal();
        } else {
            incomplete = true;
        }
        if (result.cause.empty()) {
            result.cause = copy.cause();
        }
    }
    if (permanent && !transit.has_served_anybody()) {
        incomplete = false; // refused before the others had their final dots
    }
    if (incomplete) {
        result.verdict = try_again();
    } else if (permanent) {
        auto refuse = std::get<Refuse>(permanent->verdict());
        if (transit.has_served_anybody()) {
            refuse.reply.text += others_are_served;
        }
        result.verdict = std::move(refuse);
    } else {
        result.verdict = Discard{};
    }
}

Handover Delivery::hand_over(const policy::Transaction& transaction, std::vector<OutgoingCopy> copies,
                             std::unique_ptr<Journal::Attempt> attempt, const WayBack& way_back,
                             const Compose& compose, const Wait& wait) {
    Handover result;
    if (transaction.header.count("Received") > hops_max) {
        result.verdict =
            Refuse{{"554", "5.4.6", fmt::format("Message has passed more than {} hosts: a loop", hops_max)}};
        result.cause = "a mail loop";
        result.attempt = std::move(attempt);
        return result;
    }
    result.served_before = attempt->served_before();
    expect_nobody_twice(copies, result.served_before);

    auto transit = std::make_unique<Transit>();
    transit->attempt = std::move(attempt);
    if (!copies.empty()) {
        transit->attempt->prepare(transaction.body);
        transit->places = places_.take(copies.size(), wait);
        if (!transit->places) {
            throw Error(ErrorKind::busy, "too many copies are on their way already");
        }
    }
    if (const auto refusal = fill(*transit, transaction, std::move(copies), way_back, compose, wait)) {
        result.verdict = refusal->verdict();
        result.cause = fmt::format("the reinjection listener's answer to {}{}{}: {}", refusal->stage,
                                   refusal->recipients.empty() ? "" : " ", refusal->recipients,
                                   refusal->reply.to_string());
        if (auto* refuse = std::get_if<Refuse>(&result.verdict)) {
            if (!result.served_before.empty()) {
                refuse->reply.text += others_are_served;
            }
            result.attempt = std::move(transit->attempt);
        }
        return result;
    }
    commit(*transit, wait);
    report(*transit, result);
    if (!std::holds_alternative<Defer>(result.verdict)) {
        result.attempt = std::move(transit->attempt);
    } else if (transit->awaited() != nullptr) {
        wait_behind_the_verdict(std::move(transit), transaction.queue_id);
    }
    return result;
}

/// Where that cannot be done, the record stays, and with the connection ends the last chance of an answer:
/// the copy counts as taken.
void Delivery::wait_behind_the_verdict(std::unique_ptr<Transit> transit, const std::string& queue_id) {
    auto place = late_places_.take_now(1);
    const std::scoped_lock lock(late_mutex_);
    std::erase_if(late_, [](Late& late) {
        const bool is_over = late.is_over;
        if (is_over) {
            late.thread.join();
        }
        return is_over;
    });
    if (!place) {
        log::warning(queue_id, "no more answers can be waited for",
                     {{"copy", named(transit->awaited()->copy())}, {"counted", "as taken"}});
        return;
    }
    auto& late = late_.emplace_back();
    late.transit = std::move(transit);
    late.place = std::move(place);
    late.queue_id = queue_id;
    try {
        late.thread = std::thread([this, &late] { wait_for_late_answer(late); });
    } catch (const std::exception& error) {
        log::error(queue_id, "an answer cannot be waited for", {{"error", error.what()}});
        late_.pop_back();
    }
}

void Delivery::log_late_answer(const std::string& queue_id, const OpenCopy& copy) {
    log::Attributes attributes{{"copy", named(copy.copy())}};
    if (copy.queue_id()) {
        attributes.emplace_back("reinjected-as", *copy.queue_id());
    }
    if (!copy.warning().empty()) {
        attributes.emplace_back("warning", copy.warning());
    } else if (!copy.cause().empty()) {
        attributes.emplace_back("reason", copy.cause());
    }
    const bool is_well = copy.fate() == OpenCopy::Fate::taken && copy.warning().empty();
    log::write(is_well ? log::Level::info : log::Level::warning, queue_id, "answered late", attributes);
}

void Delivery::wait_for_late_answer(Late& late) noexcept {
    try {
        const auto deadline = std::chrono::steady_clock::now() + waits_.late;
        while (auto* copy = late.transit->awaited()) {
            const auto now = std::chrono::steady_clock::now();
            if (stopping_ || now >= deadline) {
                copy->give_up();
            } else {
                copy->wait_on({std::min<Deadline>(deadline, now + late_slice)}, *late.transit->attempt);
            }
            if (copy->fate() != OpenCopy::Fate::awaited) {
                log_late_answer(late.queue_id, *copy);
            }
        }
    } catch (const std::exception& error) {
        try {
            log::error(late.queue_id, error.what());
        } catch (...) { // NOLINT(bugprone-empty-catch): no memory for a log line either
        }
    }
    late.transit.reset(); // the next try of the message may begin
    late.place.release();
    late.is_over = true;
}

} // namespace lockbox::milter
