// An MTA with a reinjection listener on loopback, as far as one that hands copies back can tell.
#pragma once

#include "base/ascii.hpp"
#include "mail/header.hpp"
#include "milter/expected_copies.hpp"
#include "tests/support/scripted_server.hpp"

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace lockbox::test {

/// Takes what its milter lets through. `expected` stands for that milter: null, and it is not attached.
class FakeMta {
public:
    /// Called with the number of the connection and the moment: "connect", a verb in lower case or "dot", and
    /// the same with "-answered" behind it, before the answer is said. It returns a reply that is given
    /// instead of the MTA's own, or nothing; throws Gone to hang up.
    using Fault = std::function<std::string(std::size_t copy, const std::string& moment)>;

    explicit FakeMta(milter::ExpectedCopies* expected,
                     std::string extensions = "250-PIPELINING\r\n250-DSN\r\n250 SIZE\r\n")
        : expected_(expected), extensions_(std::move(extensions)),
          server_(
              [this](Conversation& conversation, std::size_t number) { converse(conversation, number); }) {}

    [[nodiscard]] policy::Listener listener() const { return server_.listener(); }

    /// Counts connections from 0 again.
    void set_fault(Fault fault) {
        const std::scoped_lock lock(mutex_);
        fault_ = std::move(fault);
        first_ = connections_;
    }

    /// What each recipient has got, in the order of arrival.
    [[nodiscard]] std::map<std::string, std::vector<std::string>> delivered() {
        const std::scoped_lock lock(mutex_);
        return delivered_;
    }
    /// How many copies each recipient has got.
    [[nodiscard]] std::map<std::string, std::size_t> counts() {
        std::map<std::string, std::size_t> counts;
        for (const auto& [recipient, contents] : delivered()) {
            counts[recipient] = contents.size();
        }
        return counts;
    }
    [[nodiscard]] std::vector<std::string> commands() {
        const std::scoped_lock lock(mutex_);
        return commands_;
    }
    [[nodiscard]] std::size_t connections() {
        const std::scoped_lock lock(mutex_);
        return connections_;
    }

private:
    struct Transaction {
        std::string name;
        std::optional<milter::ExpectedCopies::Arrival> arrival;
        std::vector<std::string> recipients;
        std::string content;
    };

    void converse(Conversation& conversation, std::size_t number) {
        Fault fault;
        {
            const std::scoped_lock lock(mutex_);
            ++connections_;
            fault = fault_;
            number -= std::min(number, first_);
        }
        Transaction transaction;
        answer(conversation, number, fault, "connect", [] { return "220 fake.example ESMTP\r\n"; });
        while (true) {
            const auto line = conversation.hear();
            {
                const std::scoped_lock lock(mutex_);
                commands_.push_back(line);
            }
            auto verb = to_lower(line.substr(0, line.find(' ')));
            const bool positive =
                answer(conversation, number, fault, verb, [&] { return reply_to(verb, line, transaction); });
            if (verb == "data" && positive) {
                transaction.content = conversation.hear_until("\r\n.\r\n");
                answer(conversation, number, fault, "dot", [&] { return take(transaction, number); });
            }
        }
    }

    template <typename Reply>
    static bool answer(Conversation& conversation, std::size_t number, const Fault& fault,
                       const std::string& moment, Reply&& reply) {
        auto said = fault ? fault(number, moment) : std::string();
        if (said.empty()) {
            said = reply();
            if (const auto other = fault ? fault(number, moment + "-answered") : std::string();
                !other.empty()) {
                said = other;
            }
        }
        conversation.say(said.ends_with('\n') ? said : said + "\r\n");
        return said.front() < '4';
    }

    std::string reply_to(const std::string& verb, const std::string& line, Transaction& transaction) {
        if (verb == "ehlo") {
            transaction.name = line.substr(verb.size() + 1);
            return "250-fake.example\r\n" + extensions_;
        }
        if (verb == "mail") {
            transaction.arrival =
                expected_ != nullptr ? expected_->meet(transaction.name, path_in(line)) : std::nullopt;
        } else if (verb == "rcpt") {
            transaction.recipients.push_back(path_in(line));
        } else if (verb == "data") {
            return "354 go on\r\n";
        } else if (verb == "quit") {
            throw Gone();
        }
        return "250 2.1.0 Ok\r\n";
    }

    static std::string path_in(const std::string& line) {
        const auto begin = line.find('<') + 1;
        return line.substr(begin, line.find('>') - begin);
    }

    /// The milter's part, as the MTA shows it the message: without the dots that SMTP has doubled.
    static void show(const Transaction& transaction, milter::ExpectedCopies::Arrival& arrival) {
        std::string bytes;
        bool at_line_start = false;
        for (const char c : transaction.content.substr(0, transaction.content.size() - 3)) {
            if (!at_line_start || c != '.') {
                bytes += c;
            }
            at_line_start = c == '\n';
        }
        for (const auto& recipient : transaction.recipients) {
            arrival.recipient('<' + recipient + '>');
        }
        const auto message = mail::Message::parse(bytes);
        for (const auto& field : message.header.fields()) {
            arrival.header_field(field.name, field.body);
        }
        arrival.body(message.body);
    }

    std::string take(Transaction& transaction, std::size_t number) {
        if (transaction.arrival) {
            try {
                show(transaction, *transaction.arrival);
                if (!std::holds_alternative<milter::Form>(
                        expected_->let_through(*std::exchange(transaction.arrival, std::nullopt)))) {
                    return "451 4.3.0 not any more\r\n";
                }
            } catch (const std::exception&) {
                return "451 4.3.0 milter failed\r\n";
            }
        }
        const std::scoped_lock lock(mutex_);
        for (const auto& recipient : transaction.recipients) {
            delivered_[recipient].push_back(transaction.content);
        }
        return "250 2.0.0 Ok: queued as 4ABC" + std::to_string(number) + "\r\n";
    }

    milter::ExpectedCopies* expected_;
    std::string extensions_;
    std::mutex mutex_;
    Fault fault_;
    std::size_t connections_ = 0;
    std::size_t first_ = 0;
    std::map<std::string, std::vector<std::string>> delivered_;
    std::vector<std::string> commands_;
    ScriptedServer server_; ///< last: its threads use the others
};

} // namespace lockbox::test
