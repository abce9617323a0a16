#include "base/error.hpp"
#include "base/sqlite.hpp"
#include "milter/delivery.hpp"
#include "tests/support/data.hpp"
#include "tests/support/fake_mta.hpp"

#include <fmt/format.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

using namespace lockbox;
using namespace lockbox::milter;
using test::FakeMta;

namespace {

using Counts = std::map<std::string, std::size_t>;
const std::string alice = "alice@example.org";
const std::string bob = "bob@example.org";
const std::string carol = "carol@example.org";
const Counts each_once{{alice, 1}, {bob, 1}, {carol, 1}};

Deadline in(std::chrono::milliseconds time) {
    return std::chrono::steady_clock::now() + time;
}

policy::Transaction message() {
    policy::Transaction transaction;
    transaction.queue_id = "4Zk3Qv1yTgz";
    transaction.reverse_path = policy::Path::from("<dave@example.org>");
    for (const auto& recipient : {alice, bob, carol}) {
        transaction.recipients.push_back(policy::Path::from("<" + recipient + ">"));
    }
    transaction.header.add("Message-ID", " <1@example.org>");
    transaction.header.add("Subject", " x");
    transaction.body = "text\r\n";
    return transaction;
}

OutgoingCopy clear_copy(const std::vector<std::string>& mailboxes) {
    OutgoingCopy copy{{}, Original{}};
    for (const auto& mailbox : mailboxes) {
        copy.recipients.push_back({policy::Path::from("<" + mailbox + ">"), policy::Handling::clear});
    }
    return copy;
}

std::vector<OutgoingCopy> three_copies() {
    std::vector<OutgoingCopy> copies;
    for (const auto& recipient : {alice, bob, carol}) {
        copies.push_back(clear_copy({recipient}));
    }
    return copies;
}

/// What judging does: whoever was served before is in no copy.
std::vector<OutgoingCopy> without(std::vector<OutgoingCopy> copies, const std::vector<std::string>& served) {
    for (auto& copy : copies) {
        std::erase_if(copy.recipients, [&](const OutgoingRecipient& recipient) {
            return std::find(served.begin(), served.end(), recipient.mailbox()) != served.end();
        });
    }
    std::erase_if(copies, [](const OutgoingCopy& copy) { return copy.recipients.empty(); });
    return copies;
}

/// A delivery, and an MTA in front of it.
struct World {
    explicit World(bool attached = true, AnswerWaits answer_waits = {})
        : waits(answer_waits), mta(attached ? &delivery.expected() : nullptr) {}

    Handover hand_over(const policy::Transaction& transaction, std::vector<OutgoingCopy> copies,
                       Deadline deadline = in(std::chrono::minutes(1))) {
        const auto compose = [](const OutgoingCopy& copy) -> Delivery::Content {
            Delivery::Content content;
            content.header.add("Subject", " x");
            content.body = "for " + copy.recipients.front().in_brackets() + "\r\n";
            return content;
        };
        return hand_over(transaction, std::move(copies), mta.listener(), compose, {deadline});
    }
    /// As the filter does: those who were served before are left out.
    Handover hand_over(const policy::Transaction& transaction, std::vector<OutgoingCopy> copies,
                       const policy::Listener& listener, const Delivery::Compose& compose, const Wait& wait) {
        auto attempt = delivery.begin(transaction, test::test_now, wait);
        copies = without(std::move(copies), attempt->served_before());
        return delivery.hand_over(transaction, std::move(copies), std::move(attempt), {listener}, compose,
                                  wait);
    }
    std::vector<std::string> served_before(const policy::Transaction& transaction) {
        return delivery.begin(transaction, test::test_now, {in(std::chrono::minutes(1))})->served_before();
    }
    Handover hand_over() { return hand_over(message(), three_copies()); }

    /// One copy, one moment, once.
    void fail(std::size_t copy, const std::string& moment, const std::string& reply) {
        mta.set_fault([=](std::size_t number, const std::string& now) {
            if (number != copy || now != moment) {
                return std::string();
            }
            if (reply.empty()) {
                throw test::Gone();
            }
            return reply;
        });
    }
    void heal() { mta.set_fault({}); }

    TemporaryDirectory directory;
    std::string journal = (directory.path() / "journal.db").string();
    AnswerWaits waits;
    Delivery delivery{journal, waits};
    FakeMta mta;
};

template <typename T>
T verdict(const Handover& handover) {
    CAPTURE(handover.cause);
    REQUIRE(std::holds_alternative<T>(handover.verdict));
    return std::get<T>(handover.verdict);
}

/// The client has got its answer.
void answer(Handover& handover) {
    REQUIRE(handover.attempt != nullptr);
    handover.attempt->answered();
    handover.attempt.reset();
}

} // namespace

TEST_CASE("All copies are taken: each recipient has theirs once, and the original goes", "[milter]") {
    World world;
    auto handover = world.hand_over();
    CHECK(verdict<Discard>(handover) == Discard{});
    CHECK(handover.copies == 3);
    CHECK(handover.taken_as == std::vector<std::string>{"4ABC0", "4ABC1", "4ABC2"});
    CHECK(handover.served_before.empty());
    CHECK(handover.cause.empty());
    CHECK(handover.warning.empty());
    CHECK(world.mta.counts() == each_once);
    CHECK(world.mta.delivered()[bob] ==
          std::vector<std::string>{"Subject: x\r\n\r\nfor <bob@example.org>\r\n.\r\n"});
    answer(handover);
    // The answer may have been lost: the same message once more is the same message.
    CHECK(world.served_before(message()) == std::vector<std::string>{alice, bob, carol});
    CHECK(verdict<Discard>(world.hand_over()) == Discard{});
    CHECK(world.mta.counts() == each_once);
}

TEST_CASE("One copy for several recipients is one transaction", "[milter]") {
    World world;
    std::vector<OutgoingCopy> copies{clear_copy({alice, bob})};
    copies[0].recipients[0].path.parameters = {"NOTIFY=NEVER"};
    CHECK(verdict<Discard>(world.hand_over(message(), copies)) == Discard{});
    CHECK(world.mta.counts() == Counts{{alice, 1}, {bob, 1}});
    CHECK(world.mta.connections() == 1);
    const auto commands = world.mta.commands();
    CHECK(std::count(commands.begin(), commands.end(), "RCPT TO:<alice@example.org> NOTIFY=NEVER") == 1);
    CHECK(std::count(commands.begin(), commands.end(), "RCPT TO:<bob@example.org>") == 1);
}

TEST_CASE("All transactions stand before the first final dot: what fails until then sends nothing",
          "[milter]") {
    const std::size_t copy = GENERATE(0U, 2U);
    const std::string moment = GENERATE("connect", "ehlo", "mail", "rcpt", "data", "connect-answered",
                                        "ehlo-answered", "mail-answered", "rcpt-answered", "data-answered");
    const std::string reply = GENERATE("", "421 4.3.0 not now", "554 5.7.1 never", "nonsense");
    CAPTURE(copy, moment, reply);
    World world;
    world.fail(copy, moment, reply);
    const bool no_answer = reply.empty() || reply == "nonsense";
    if (no_answer) {
        CHECK_THROWS_AS(world.hand_over(), Error);
    } else {
        const auto handover = world.hand_over();
        CHECK((handover.attempt == nullptr) == std::holds_alternative<Defer>(handover.verdict));
        CHECK(handover.copies == 0);
        CHECK(handover.cause.find(reply) != std::string::npos);
        const bool about_the_message = !moment.starts_with("connect") && !moment.starts_with("ehlo");
        if (about_the_message && reply.front() == '5') {
            const auto refuse = verdict<Refuse>(handover);
            CHECK(refuse.reply.code == "554");
            const auto recipient = three_copies().at(copy).recipients.front().in_brackets();
            CHECK(refuse.reply.text == recipient + ": " + reply);
        } else {
            CHECK(verdict<Defer>(handover).reply.code == "451");
        }
    }
    CHECK(world.mta.counts().empty());
    CHECK(world.served_before(message()).empty());
    world.heal();
    CHECK(verdict<Discard>(world.hand_over()) == Discard{});
    CHECK(world.mta.counts() == each_once);
}

TEST_CASE("The answer to a final dot is no, for now: the next try completes the rest", "[milter]") {
    const std::size_t copy = GENERATE(0U, 1U, 2U);
    CAPTURE(copy);
    World world;
    world.fail(copy, "dot", "451 4.3.0 not now"); // the milter has not been asked
    const auto handover = world.hand_over();
    CHECK(verdict<Defer>(handover).reply.code == "451");
    CHECK(handover.attempt == nullptr);
    CHECK(handover.cause.find("not now") != std::string::npos);
    CHECK(handover.copies == (copy == 0 ? 0 : 2)); // when nobody has got theirs, nobody gets theirs
    CHECK(world.served_before(message()).empty() == (copy == 0));
    world.heal();
    auto next = world.hand_over();
    CHECK(verdict<Discard>(next) == Discard{});
    CHECK(next.served_before.size() == handover.copies);
    CHECK(world.mta.counts() == each_once);
    answer(next);
}

TEST_CASE("The MTA says no after its milter has let the copy through: taken back", "[milter]") {
    World world;
    // What the fake has delivered by then does not count: its answer does.
    world.fail(1, "dot-answered", "451 4.3.0 disk full");
    CHECK(verdict<Defer>(world.hand_over()).reply.code == "451");
    world.heal();
    const auto next = world.hand_over();
    CHECK(next.served_before == std::vector<std::string>{alice, carol});
    CHECK(next.copies == 1);
    CHECK(world.mta.counts() == Counts{{alice, 1}, {bob, 2}, {carol, 1}});
}

TEST_CASE("The answer to the first final dot is no, for good: refused, and nobody gets anything",
          "[milter]") {
    World world;
    world.fail(0, "dot", "554 5.7.1 spam");
    auto handover = world.hand_over();
    CHECK(verdict<Refuse>(handover).reply.text == "<alice@example.org>: 554 5.7.1 spam");
    CHECK(world.mta.counts().empty());
    answer(handover);
    CHECK(world.served_before(message()).empty());
}

TEST_CASE(
    "A later final dot is refused for good: the sender learns for whom, and that the others have theirs",
    "[milter]") {
    World world;
    world.fail(1, "dot", "554 5.7.1 spam");
    auto handover = world.hand_over();
    CHECK(verdict<Refuse>(handover).reply.text ==
          "<bob@example.org>: 554 5.7.1 spam; the other recipients have got the message");
    CHECK(world.mta.counts() == Counts{{alice, 1}, {carol, 1}});
    const bool answered = GENERATE(true, false);
    CAPTURE(answered);
    if (answered) {
        answer(handover);
    }
    handover.attempt.reset(); // the client has not got that answer, and tries again: nobody gets theirs twice
    CHECK(world.served_before(message()) == std::vector<std::string>{alice, carol});
    world.fail(0, "dot", "554 5.7.1 spam");
    const auto next = world.hand_over();
    CHECK(verdict<Refuse>(next).reply.text ==
          "<bob@example.org>: 554 5.7.1 spam; the other recipients have got the message");
    CHECK(next.served_before == std::vector<std::string>{alice, carol});
    CHECK(world.mta.counts() == Counts{{alice, 1}, {carol, 1}});
}

TEST_CASE("Refused for one and put off for another: put off, until only the refusal is left", "[milter]") {
    World world;
    world.mta.set_fault([](std::size_t copy, const std::string& moment) -> std::string {
        return moment != "dot" ? "" : copy == 1 ? "554 5.7.1 spam" : copy == 2 ? "451 4.3.0 not now" : "";
    });
    CHECK(verdict<Defer>(world.hand_over()).reply.code == "451");
    CHECK(world.mta.counts() == Counts{{alice, 1}});
    world.fail(0, "dot", "554 5.7.1 spam");
    const auto next = world.hand_over();
    CHECK(verdict<Refuse>(next).reply.text.starts_with("<bob@example.org>: 554"));
    CHECK(world.mta.counts() == Counts{{alice, 1}, {carol, 1}});
}

TEST_CASE("The answer to a final dot is lost after the milter has let the copy through: counted as taken",
          "[milter]") {
    const std::size_t copy = GENERATE(0U, 1U, 2U);
    CAPTURE(copy);
    World world;
    world.fail(copy, "dot-answered", GENERATE("", "nonsense"));
    const auto handover = world.hand_over();
    CHECK(verdict<Discard>(handover) == Discard{});
    CHECK(handover.copies == 3);
    CHECK(handover.taken_as.size() == 2);
    CHECK(handover.warning.find(three_copies().at(copy).recipients.front().in_brackets()) !=
          std::string::npos);
    CHECK(world.mta.counts() == each_once);
}

TEST_CASE("The connection is lost before the milter has let the copy through: not taken, and never will be",
          "[milter]") {
    const std::size_t copy = GENERATE(0U, 1U, 2U);
    CAPTURE(copy);
    World world;
    world.fail(copy, "dot", "");
    const auto handover = world.hand_over();
    CHECK(verdict<Defer>(handover).reply.code == "451");
    CHECK(handover.copies == (copy == 0 ? 0 : 2));
    world.heal();
    CHECK(verdict<Discard>(world.hand_over()) == Discard{});
    CHECK(world.mta.counts() == each_once);
}

TEST_CASE("An answer that comes later than the client waits is waited for, and the next try knows it",
          "[milter]") {
    const bool is_taken = GENERATE(true, false);
    CAPTURE(is_taken);
    World world(/*attached=*/true, {.in_sight = std::chrono::seconds(0), .late = std::chrono::hours(1)});
    std::promise<std::string> answer;
    const auto answered = answer.get_future().share();
    // A milter behind ours on the listener hangs, and the MTA does not answer to the copy for Bob.
    world.mta.set_fault([answered](std::size_t copy, const std::string& moment) {
        return copy == 1 && moment == "dot-answered" ? answered.get() : std::string();
    });
    const auto handover = world.hand_over(message(), three_copies(), in(std::chrono::milliseconds(1500)));
    CHECK(verdict<Defer>(handover).reply.code == "451");
    CHECK(handover.attempt == nullptr);
    CHECK(handover.copies == 1);
    CHECK(handover.cause.find("not yet answered to the copy for <bob@example.org>") != std::string::npos);
    CHECK(world.delivery.late_answers() == 1);
    // No other try begins beside it.
    try {
        (void)world.hand_over(message(), three_copies(), std::chrono::steady_clock::now());
        FAIL("handed over");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::busy);
    }
    auto next = std::async(std::launch::async, [&] { return world.hand_over(); });
    answer.set_value(is_taken ? "250 2.0.0 Ok: queued as 4LATE" : "451 4.7.1 not now");
    const auto completed = next.get();
    CHECK(verdict<Discard>(completed) == Discard{});
    const std::vector<std::string> served =
        is_taken ? std::vector<std::string>{alice, bob} : std::vector<std::string>{alice};
    CHECK(completed.served_before == served);
    CHECK(completed.copies == 3 - served.size());
    // What the fake has delivered by then does not count: its answer does.
    CHECK(world.mta.counts() == Counts{{alice, 1}, {bob, is_taken ? 1 : 2}, {carol, 1}});
}

TEST_CASE("A connection that breaks while a late answer is awaited leaves a doubt: counted as taken",
          "[milter]") {
    World world(/*attached=*/true, {.in_sight = std::chrono::seconds(0), .late = std::chrono::hours(1)});
    std::promise<void> end;
    const auto ended = end.get_future().share();
    world.mta.set_fault([ended](std::size_t copy, const std::string& moment) {
        if (copy == 0 && moment == "dot-answered") {
            ended.wait();
            throw test::Gone();
        }
        return std::string();
    });
    CHECK(
        verdict<Defer>(world.hand_over(message(), three_copies(), in(std::chrono::seconds(1)))).reply.code ==
        "451");
    end.set_value();
    CHECK(world.served_before(message()) == std::vector<std::string>{alice});
    CHECK(verdict<Discard>(world.hand_over()) == Discard{});
    CHECK(world.mta.counts() == each_once);
}

TEST_CASE("An answer that never comes leaves a doubt when its time is over, or the milter stops",
          "[milter]") {
    const bool stops = GENERATE(true, false);
    CAPTURE(stops);
    const TemporaryDirectory directory;
    const auto journal = (directory.path() / "journal.db").string();
    std::promise<void> end;
    const auto ended = end.get_future().share();
    const auto begin_again = [&](Delivery& delivery) {
        return delivery.begin(message(), test::test_now, {in(std::chrono::minutes(1))})->served_before();
    };
    std::optional<Delivery> delivery(
        std::in_place, journal,
        AnswerWaits{std::chrono::seconds(0), stops ? std::chrono::seconds(3600) : std::chrono::seconds(0)});
    FakeMta mta(&delivery->expected());
    mta.set_fault([ended](std::size_t, const std::string& moment) {
        if (moment == "dot-answered") {
            ended.wait();
        }
        return std::string();
    });
    const Wait wait{in(std::chrono::seconds(1))};
    const auto compose = [](const OutgoingCopy&) -> Delivery::Content {
        return {Form::clear, {}, "text\r\n"};
    };
    CHECK(verdict<Defer>(delivery->hand_over(message(), three_copies(),
                                             delivery->begin(message(), test::test_now, wait),
                                             {mta.listener()}, compose, wait))
              .reply.code == "451");
    if (stops) {
        delivery.reset();
        delivery.emplace(journal);
    }
    CHECK(begin_again(*delivery) == std::vector<std::string>{alice});
    end.set_value();
}

TEST_CASE("A final dot that is not answered before our own milter was asked is no doubt", "[milter]") {
    World world(/*attached=*/true, {.in_sight = std::chrono::seconds(0), .late = std::chrono::hours(1)});
    std::promise<void> end;
    const auto ended = end.get_future().share();
    world.mta.set_fault([ended](std::size_t copy, const std::string& moment) {
        if (copy == 0 && moment == "dot") { // a milter before ours hangs
            ended.wait();
        }
        return std::string();
    });
    CHECK(
        verdict<Defer>(world.hand_over(message(), three_copies(), in(std::chrono::seconds(1)))).reply.code ==
        "451");
    CHECK(world.delivery.late_answers() == 0);
    CHECK(world.served_before(message()).empty());
    world.heal();
    CHECK(verdict<Discard>(world.hand_over()) == Discard{});
    end.set_value();
    CHECK(world.mta.counts() == each_once);
}

TEST_CASE("An MTA that has left before the first final dot gets nothing committed", "[milter]") {
    World world;
    std::atomic<bool> is_there = true;
    world.mta.set_fault([&](std::size_t copy, const std::string& moment) {
        if (copy == 2 && moment == "data-answered") {
            is_there = false;
        }
        return std::string();
    });
    const auto compose = [](const OutgoingCopy&) -> Delivery::Content {
        return {Form::clear, {}, "text\r\n"};
    };
    const Wait wait{in(std::chrono::minutes(1)), [&] { return is_there.load(); }};
    CHECK_THROWS_WITH(world.hand_over(message(), three_copies(), world.mta.listener(), compose, wait),
                      test::contains_text("the MTA has left"));
    CHECK(world.mta.counts().empty());
    CHECK(world.served_before(message()).empty());
}

TEST_CASE("An MTA that leaves behind the first final dot leaves the others as they are", "[milter]") {
    World world;
    std::atomic<bool> is_there = true;
    world.mta.set_fault([&](std::size_t copy, const std::string& moment) {
        if (copy == 0 && moment == "dot") {
            is_there = false;
        }
        return std::string();
    });
    const auto compose = [](const OutgoingCopy&) -> Delivery::Content {
        return {Form::clear, {}, "text\r\n"};
    };
    const Wait wait{in(std::chrono::minutes(1)), [&] { return is_there.load(); }};
    CHECK(verdict<Discard>(world.hand_over(message(), three_copies(), world.mta.listener(), compose, wait)) ==
          Discard{});
    CHECK(world.mta.counts() == each_once);
}

TEST_CASE("A copy for somebody who was served before is not even begun", "[milter]") {
    World world;
    world.fail(1, "dot", "451 4.3.0 not now");
    (void)world.hand_over();
    world.heal();
    const Wait wait{in(std::chrono::minutes(1))};
    const auto compose = [](const OutgoingCopy&) -> Delivery::Content {
        return {Form::clear, {}, "text\r\n"};
    };
    const auto before = world.mta.connections();
    try {
        (void)world.delivery.hand_over(message(), three_copies(),
                                       world.delivery.begin(message(), test::test_now, wait),
                                       {world.mta.listener()}, compose, wait);
        FAIL("handed over");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::engine);
    }
    CHECK(world.mta.connections() == before);
}

TEST_CASE("Three tries at once, at any age of what was recorded: each recipient is served once", "[milter]") {
    World world;
    auto now = test::test_now;
    world.fail(1, "dot", "451 4.3.0 not now");
    CHECK(verdict<Defer>(world.hand_over()).reply.code == "451"); // Alice and Carol have theirs
    world.fail(0, "dot", "451 4.3.0 not now");
    const auto age = GENERATE(std::chrono::seconds(0), std::chrono::hours(25), std::chrono::hours(100));
    CAPTURE(age.count());
    std::vector<std::future<void>> tries;
    for (int i = 0; i < 3; ++i) {
        tries.push_back(std::async(std::launch::async, [&] {
            const Wait wait{in(std::chrono::minutes(1))};
            const auto compose = [](const OutgoingCopy&) -> Delivery::Content {
                return {Form::clear, {}, "text\r\n"};
            };
            auto attempt = world.delivery.begin(message(), now + age, wait);
            auto copies = without(three_copies(), attempt->served_before());
            auto handover = world.delivery.hand_over(message(), std::move(copies), std::move(attempt),
                                                     {world.mta.listener()}, compose, wait);
            if (handover.attempt) {
                handover.attempt->answered();
            }
        }));
    }
    for (auto& one : tries) {
        one.get();
    }
    CHECK(world.mta.counts() == each_once);
}

TEST_CASE("A verdict that never reached the client is given again, without a second copy", "[milter]") {
    World world;
    auto handover = world.hand_over();
    CHECK(verdict<Discard>(handover) == Discard{});
    handover.attempt.reset();
    CHECK_FALSE(world.served_before(message()).empty());
    auto next = world.hand_over();
    CHECK(verdict<Discard>(next) == Discard{});
    CHECK(next.copies == 0);
    CHECK(next.served_before == std::vector<std::string>{alice, bob, carol});
    CHECK(world.mta.counts() == each_once);
}

TEST_CASE("A message without Date and Message-ID is never taken for another", "[milter]") {
    World world;
    auto alarm = message();
    alarm.header = {};
    auto handover = world.hand_over(alarm, three_copies());
    handover.attempt.reset();
    CHECK(world.served_before(alarm).empty());
    CHECK(world.hand_over(alarm, three_copies()).copies == 3);
}

TEST_CASE("A listener without this milter gets no content: strangers could send in clear past it",
          "[milter]") {
    World world(/*attached=*/false);
    try {
        (void)world.hand_over();
        FAIL("handed over");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::unavailable);
        CHECK(std::string(error.what()).find("does not have this milter attached") != std::string::npos);
        CHECK(error.hint().find("smtpd_milters") != std::string::npos);
    }
    const auto commands = world.mta.commands();
    CHECK(std::count(commands.begin(), commands.end(), "DATA") == 0);
}

TEST_CASE("A listener on another machine has to offer STARTTLS", "[milter]") {
    World world;
    auto listener = world.mta.listener();
    // 0.0.0.0 leads here, too, and says nothing about who listens.
    listener.host = "0.0.0.0";
    REQUIRE_FALSE(listener.is_local());
    const auto compose = [](const OutgoingCopy&) -> Delivery::Content {
        return {Form::clear, {}, "secret\r\n"};
    };
    CHECK_THROWS_WITH(
        world.hand_over(message(), three_copies(), listener, compose, {in(std::chrono::minutes(1))}),
        test::contains_text("offers no STARTTLS"));
    for (const auto& command : world.mta.commands()) {
        CHECK(command.starts_with("EHLO "));
    }
}

TEST_CASE("A journal that fails sends nothing", "[milter]") {
    World world;
    const auto run = [&](const std::string& statement) {
        soci::session sql(soci::sqlite3, sqlite_connection_string(world.journal, std::chrono::seconds(1)));
        sql << statement;
    };
    SECTION("at the beginning") {
        run("ALTER TABLE attempt RENAME TO hidden");
        CHECK_THROWS_AS(world.hand_over(), Error);
        CHECK(world.mta.connections() == 0);
        run("ALTER TABLE hidden RENAME TO attempt");
    }
    SECTION("when a copy comes back") {
        world.mta.set_fault([&](std::size_t copy, const std::string& moment) {
            if (copy == 0 && moment == "dot") {
                run("ALTER TABLE served RENAME TO hidden");
            }
            return std::string();
        });
        CHECK(verdict<Defer>(world.hand_over()).reply.code == "451");
        run("ALTER TABLE hidden RENAME TO served");
    }
    CHECK(world.mta.counts().empty());
    world.heal();
    CHECK(verdict<Discard>(world.hand_over()) == Discard{});
    CHECK(world.mta.counts() == each_once);
}

TEST_CASE("An envelope that cannot be handed on sends nothing", "[milter]") {
    World world;
    auto copies = three_copies();
    copies[2].recipients[0].path =
        policy::Path::from(GENERATE(as<std::string>{}, "<a\r\nDATA\r\n@example.org>", "<a> SIZE=1 <b>"));
    CHECK_THROWS_AS(world.hand_over(message(), copies), Error);
    CHECK(world.mta.counts().empty());
    for (const auto& command : world.mta.commands()) {
        CHECK(command.find("SIZE=1 ") == std::string::npos);
    }
}

TEST_CASE("A message that cannot be composed for one sends nothing to the others", "[milter]") {
    World world;
    const auto compose = [](const OutgoingCopy& copy) -> Delivery::Content {
        if (copy.recipients.front().mailbox() == carol) {
            throw Error(ErrorKind::engine, "does not seal");
        }
        return {Form::clear, {}, "text\r\n"};
    };
    CHECK_THROWS_AS(world.hand_over(message(), three_copies(), world.mta.listener(), compose,
                                    {in(std::chrono::minutes(1))}),
                    Error);
    CHECK(world.mta.counts().empty());
}

TEST_CASE("A message in circles is refused", "[milter]") {
    World world;
    auto circling = message();
    for (std::size_t i = 0; i < hops_max; ++i) {
        circling.header.add("Received", " from a");
    }
    CHECK(verdict<Discard>(world.hand_over(circling, three_copies())) == Discard{});
    circling.header.add("received", " from a");
    const auto refuse = verdict<Refuse>(world.hand_over(circling, three_copies()));
    CHECK(refuse.reply.enhanced_code == "5.4.6"); // RFC 3463 §3.5: routing loop
    CHECK(world.mta.counts() == each_once);
}

TEST_CASE("So many copies are under way that the next message has no place: it waits, until the deadline",
          "[milter]") {
    World world;
    std::promise<void> begun;
    std::promise<void> go_on;
    // All places are taken before the first copy is composed.
    std::vector<OutgoingCopy> many(open_copies_max, clear_copy({alice}));
    std::thread first([&] {
        const auto compose = [&](const OutgoingCopy&) -> Delivery::Content {
            begun.set_value();
            go_on.get_future().wait();
            throw Error(ErrorKind::engine, "enough");
        };
        try {
            (void)world.hand_over(message(), many, world.mta.listener(), compose,
                                  {in(std::chrono::minutes(1))});
        } catch (const Error&) { // NOLINT(bugprone-empty-catch): its places are free again
        }
    });
    begun.get_future().wait();
    auto other = message();
    other.header = {};
    other.header.add("Message-ID", " <2@example.org>");
    try {
        (void)world.hand_over(other, three_copies(), std::chrono::steady_clock::now());
        FAIL("handed over");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::busy);
    }
    auto waiting = std::async(std::launch::async, [&] { return world.hand_over(other, three_copies()); });
    go_on.set_value();
    first.join();
    CHECK(std::holds_alternative<Discard>(waiting.get().verdict));
    CHECK(world.mta.counts() == each_once);
}

TEST_CASE("The time budget ends what is not yet at its final dot", "[milter]") {
    World world;
    std::promise<void> end;
    const auto ended = end.get_future().share();
    world.mta.set_fault([ended](std::size_t copy, const std::string& moment) {
        if (copy == 2 && moment == "data") {
            ended.wait(); // copied: this conversation may outlive the promise
        }
        return std::string();
    });
    CHECK_THROWS_WITH(world.hand_over(message(), three_copies(), in(std::chrono::milliseconds(300))),
                      test::contains_text("did not answer in time"));
    end.set_value();
    CHECK(world.mta.counts().empty());
}

TEST_CASE("Many messages at once, each recipient of each once", "[milter]") {
    World world;
    std::vector<std::thread> threads;
    std::atomic<unsigned> done = 0;
    for (unsigned thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            for (unsigned i = 0; i < 5; ++i) {
                auto one = message();
                one.header.add("Message-ID", fmt::format(" <{}.{}@example.org>", thread, i));
                auto handover = world.hand_over(one, three_copies());
                if (std::holds_alternative<Discard>(handover.verdict) && handover.copies == 3) {
                    handover.attempt->answered();
                    ++done;
                }
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(done == 20);
    CHECK(world.mta.counts() == Counts{{alice, 20}, {bob, 20}, {carol, 20}});
}

TEST_CASE("The MTA's queue ids are read from what Postfix and Sendmail say", "[milter]") {
    World world;
    const auto [said, id] = GENERATE(table<std::string, std::string>({
        {"250 2.0.0 Ok: queued as 4Zk3Qv1yTgz", "4Zk3Qv1yTgz"},
        {"250 2.0.0 5ALNSKZK012345 Message accepted for delivery", "5ALNSKZK012345"},
        {"250-first\r\n250 2.0.0 Ok: queued as 4ABC", "4ABC"},
        {"250 queued as \x1b[2J", "?[2J"},
        {"250 thank you", ""},
        {"250  Message accepted", ""},
    }));
    CAPTURE(said);
    world.fail(0, "dot-answered", said);
    const auto handover = world.hand_over(message(), {three_copies().front()});
    CHECK(verdict<Discard>(handover) == Discard{});
    CHECK(handover.taken_as == (id.empty() ? std::vector<std::string>{} : std::vector<std::string>{id}));
}
