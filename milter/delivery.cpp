#include "milter/delivery.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "base/log.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <stdexcept>
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

/// The listener has said no, for now or for good.
struct Refusal {
    bool permanent = false;
    std::string stage; ///< "RCPT TO:<bob@example.org>"
    SmtpReply reply;
    std::string recipients; ///< whom it concerns; empty: everybody
};

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

/// One copy on a connection of its own.
class OpenCopy {
public:
    enum class Fate { open, taken, in_doubt, refused, lost };

    OpenCopy(const OutgoingCopy& copy, ExpectedCopies::Expectation expectation, SmtpClient client)
        : copy_(&copy), expectation_(std::move(expectation)), client_(std::move(client)) {}

    [[nodiscard]] const OutgoingCopy& copy() const noexcept { return *copy_; }
    [[nodiscard]] Fate fate() const noexcept { return fate_; }
    [[nodiscard]] const std::optional<Refusal>& refusal() const noexcept { return refusal_; }
    [[nodiscard]] const std::string& cause() const noexcept { return cause_; }
    [[nodiscard]] const std::optional<std::string>& queue_id() const noexcept { return queue_id_; }

    /// Everything up to the final dot. False: refusal() says who said no. Throws what SmtpClient throws.
    [[nodiscard]] bool fill(const policy::Transaction& transaction, const policy::Listener& listener,
                            SSL_CTX* tls, const Delivery::Content& content) {
        return greet(listener, tls) && envelope(transaction, listener, content) && write(content);
    }

    /// The final dot and its answer.
    void commit(Deadline deadline, const Tick& tick, Journal::Attempt& attempt) {
        client_.set_wait({deadline, [tick] {
                              (void)tick(); // whoever has left meanwhile: what was begun comes to its end
                              return true;
                          }});
        try {
            if (std::chrono::steady_clock::now() >= deadline) {
                throw Error(ErrorKind::unavailable,
                            "the reinjection listener took too long with the copies before");
            }
            client_.write_final_dot();
            const auto reply = client_.read_reply();
            client_.quit();
            if (reply.is_positive()) {
                fate_ = Fate::taken;
                queue_id_ = queue_id_in(reply);
                return;
            }
            fate_ = Fate::refused;
            refusal_ = {reply.is_permanent(), "the final dot", reply, named(*copy_)};
            cause_ = fmt::format("the reinjection listener's answer to the copy for {}: {}", named(*copy_),
                                 reply.to_string());
            (void)expectation_.withdraw();
            attempt.take_back(mailboxes_of(*copy_));
        } catch (const std::exception& error) {
            // Without an answer: what the MTA may take is what this milter has let through.
            fate_ = expectation_.withdraw() ? Fate::in_doubt : Fate::lost;
            cause_ = fmt::format("the copy for {}: {}", named(*copy_), error.what());
        }
    }

private:
    [[nodiscard]] bool accepted(const SmtpReply& reply, const std::string& stage,
                                const std::string& recipients = {}) {
        if (reply.is_positive() || reply.is_intermediate()) {
            return true;
        }
        refusal_ = {reply.is_permanent(), stage, reply, recipients};
        return false;
    }

    [[nodiscard]] bool greet(const policy::Listener& listener, SSL_CTX* tls) {
        if (!accepted(client_.read_reply(), "the connection") ||
            !accepted(client_.hello(expectation_.name()), "EHLO")) {
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
        check_recipients(*copy_);
        if (copy_->is_sealed() && content.form != Form::sealed) {
            throw std::logic_error("the bytes of a sealed copy are not sealed");
        }
        const auto header = content.header.to_string();
        const CopyContent facts{header.size() + 2 + content.body.size(), !all_ascii(content.body),
                                !all_ascii(header)};
        std::vector<std::string> lines{mail_command(transaction.reverse_path, *copy_, facts, extensions)};
        for (const auto& recipient : copy_->recipients) {
            lines.push_back(rcpt_command(recipient, extensions));
        }
        const auto replies = client_.commands(lines);
        if (!accepted(replies.front(), "MAIL", named(*copy_))) {
            return false;
        }
        for (std::size_t i = 0; i < copy_->recipients.size(); ++i) {
            if (!accepted(replies[i + 1], "RCPT", printable(copy_->recipients[i].in_brackets()))) {
                return false;
            }
        }
        // Whoever reached the listener otherwise would send in clear past every rule.
        if (!expectation_.was_met()) {
            throw Error(
                ErrorKind::unavailable,
                fmt::format("the reinjection listener {} does not have this milter attached",
                            listener.to_string()),
                "set smtpd_milters (Postfix) or InputMailFilters (Sendmail) on the listener too, and never "
                "no_milters; contrib/ shows how");
        }
        return accepted(client_.command("DATA"), "DATA", named(*copy_));
    }

    [[nodiscard]] bool write(const Delivery::Content& content) {
        client_.write_content(content.header.to_string());
        client_.write_content("\r\n");
        client_.write_content(content.body);
        client_.finish_content();
        return true;
    }

    const OutgoingCopy* copy_;
    ExpectedCopies::Expectation expectation_;
    SmtpClient client_;
    Fate fate_ = Fate::open;
    std::optional<Refusal> refusal_;
    std::string cause_;
    std::optional<std::string> queue_id_;
};

/// What the client is told of a listener's refusal. A refusal of the message or of a recipient is handed on;
/// every other is our own trouble.
Verdict verdict_on(const Refusal& refusal) {
    if (!refusal.permanent) {
        return Defer{{"451", "4.3.0", "Message cannot be handed on now, please try again later"}};
    }
    const auto whom = refusal.recipients.empty() ? std::string() : refusal.recipients + ": ";
    return Refuse{{"554", "5.3.0", fmt::format("{}{}", whom, refusal.reply.to_string())}};
}

} // namespace

/// So many open transactions at once, all or none: two messages that each wait for the other's places would
/// wait for ever.
class Delivery::Places {
public:
    Places(Delivery& delivery, std::size_t count, const Wait& wait)
        : delivery_(delivery), count_(std::min(count, open_copies_max)) {
        std::unique_lock lock(delivery_.mutex_);
        while (delivery_.places_free_ < count_) {
            if (std::chrono::steady_clock::now() >= wait.deadline) {
                throw Error(ErrorKind::busy, "too many copies are on their way already");
            }
            if (delivery_.changed_.wait_for(lock, waiting_slice) == std::cv_status::timeout) {
                lock.unlock();
                const bool is_there = wait.tick();
                lock.lock();
                if (!is_there) {
                    throw Error(ErrorKind::busy, "the MTA has left while the copies waited for places");
                }
            }
        }
        delivery_.places_free_ -= count_;
    }
    ~Places() {
        {
            const std::scoped_lock lock(delivery_.mutex_);
            delivery_.places_free_ += count_;
        }
        delivery_.changed_.notify_all();
    }
    Places(const Places&) = delete;
    Places& operator=(const Places&) = delete;

private:
    Delivery& delivery_;
    std::size_t count_;
};

Delivery::Delivery(const std::string& journal_path)
    : journal_(journal_path), tls_(make_tls_client_context()) {}

std::unique_ptr<Journal::Attempt> Delivery::begin(const policy::Transaction& transaction, Time now,
                                                  const Wait&) {
    return journal_.begin(identity_of(transaction), now);
}

Handover Delivery::hand_over(const policy::Transaction& transaction, std::vector<OutgoingCopy> copies,
                             std::unique_ptr<Journal::Attempt> attempt, const policy::Listener& listener,
                             const Compose& compose, const Wait& wait) {
    Handover result;
    if (transaction.header.count("Received") > hops_max) {
        result.verdict =
            Refuse{{"554", "5.4.6", fmt::format("Message has passed more than {} hosts: a loop", hops_max)}};
        result.cause = "a mail loop";
        return result;
    }
    result.served_before = attempt->served_before();
    expect_nobody_twice(copies, result.served_before);

    const Places places(*this, copies.size(), wait);
    std::vector<OpenCopy> open;
    open.reserve(copies.size());
    for (const auto& copy : copies) {
        const auto content = compose(copy);
        auto expectation = expected_.expect(
            [attempt = attempt.get(), mailboxes = mailboxes_of(copy)] { attempt->record(mailboxes); },
            content.form);
        (void)wait.tick();
        open.emplace_back(copy, std::move(expectation), SmtpClient(listener, wait));
        if (!open.back().fill(transaction, listener, tls_.get(), content)) {
            const auto& refusal = *open.back().refusal();
            result.verdict = verdict_on(refusal);
            result.cause = fmt::format("the reinjection listener's answer to {}{}{}: {}", refusal.stage,
                                       refusal.recipients.empty() ? "" : " ", refusal.recipients,
                                       refusal.reply.to_string());
            return result;
        }
    }

    if (!copies.empty() && !wait.tick()) {
        throw Error(ErrorKind::unavailable, "the MTA has left before all copies were ready");
    }

    // From here on, what is taken is taken.
    const auto commit_deadline = std::chrono::steady_clock::now() + commit_wait;
    std::optional<Refusal> permanent;
    bool incomplete = false;
    for (auto& copy : open) {
        copy.commit(commit_deadline, wait.tick, *attempt);
        switch (copy.fate()) {
        case OpenCopy::Fate::taken:
            ++result.copies;
            if (copy.queue_id()) {
                result.taken_as.push_back(*copy.queue_id());
            }
            try {
                attempt->confirm();
            } catch (const Error& error) {
                result.warning = error.what(); // recorded it is, and only a power failure could undo that
            }
            continue;
        case OpenCopy::Fate::in_doubt:
            ++result.copies;
            result.warning =
                copy.cause() + ", after the MTA was told that it may take the copy: counted as taken";
            continue;
        case OpenCopy::Fate::refused:
            if (copy.refusal()->permanent && !permanent) {
                permanent = copy.refusal();
            } else if (!copy.refusal()->permanent) {
                incomplete = true;
            }
            break;
        case OpenCopy::Fate::lost:
        case OpenCopy::Fate::open:
            incomplete = true;
            break;
        }
        if (result.cause.empty()) {
            result.cause = copy.cause();
        }
        if (result.copies == 0 && result.served_before.empty()) {
            break; // nobody has got theirs: the whole message waits, or is refused
        }
    }
    if (incomplete) {
        result.verdict = Defer{{"451", "4.3.0", "Message cannot be handed on now, please try again later"}};
    } else if (permanent) {
        auto refuse = std::get<Refuse>(verdict_on(*permanent));
        if (result.copies > 0 || !result.served_before.empty()) {
            refuse.reply.text += others_are_served;
        }
        result.verdict = std::move(refuse);
    } else {
        result.verdict = Discard{};
    }
    if (!incomplete) {
        result.attempt = std::move(attempt);
    }
    return result;
}

} // namespace lockbox::milter
