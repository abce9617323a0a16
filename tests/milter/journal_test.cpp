#include "base/error.hpp"
#include "base/file.hpp"
#include "base/sqlite.hpp"
#include "milter/journal.hpp"
#include "tests/support/data.hpp"

#include <fmt/format.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <optional>
#include <thread>

using namespace lockbox;
using namespace lockbox::milter;
using test::test_now;

// Only a power failure shows whether something is on the disk: what asks the system for that is counted.
// SQLite calls these by their names.
namespace {
std::atomic<unsigned> times_on_disk = 0;
}
extern "C" __attribute__((visibility("default"))) int fdatasync(int fd) {
    ++times_on_disk;
    return static_cast<int>(::syscall(SYS_fdatasync, fd));
}
extern "C" __attribute__((visibility("default"))) int fsync(int fd) {
    ++times_on_disk;
    return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace {

using Names = std::vector<std::string>;
const Names all{"alice@example.org", "bob@example.org", "carol@example.org"};

struct Place {
    TemporaryDirectory directory;
    std::string path = (directory.path() / "journal.db").string();

    /// What somebody else may do to the file.
    void run(const std::string& statement) const {
        soci::session sql(soci::sqlite3, sqlite_connection_string(path, std::chrono::seconds(1)));
        sql << statement;
    }
    [[nodiscard]] long long count(const std::string& table) const {
        soci::session sql(soci::sqlite3, sqlite_connection_string(path, std::chrono::seconds(1)));
        long long number = -1;
        sql << "SELECT count(*) FROM " << table, soci::into(number);
        return number;
    }
};

Error complaint(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error;
    }
    FAIL("nothing went wrong");
    throw std::logic_error("unreachable");
}

Wait a_minute() {
    return {std::chrono::steady_clock::now() + std::chrono::minutes(1)};
}
Wait no_time() {
    return {std::chrono::steady_clock::now()};
}

policy::Transaction message(const Names& recipients = all) {
    policy::Transaction transaction;
    transaction.queue_id = "4Zk3Qv1yTgz";
    transaction.reverse_path = policy::Path::from("<carol@example.org>");
    for (const auto& recipient : recipients) {
        transaction.recipients.push_back(policy::Path::from("<" + recipient + ">"));
    }
    transaction.header.add("From", " carol@example.org");
    transaction.header.add("To", " alice@example.org");
    transaction.header.add("Subject", " the subject");
    transaction.header.add("Date", " Mon, 01 Jun 2026 00:00:00 +0000");
    transaction.header.add("Message-ID", " <1@example.org>");
    transaction.body = "text\r\n";
    return transaction;
}

policy::Transaction message_for(const std::string& recipient) {
    return message({recipient});
}

policy::Transaction without_field(const policy::Transaction& transaction, std::string_view name) {
    auto changed = transaction;
    changed.header = {};
    for (const auto& field : transaction.header.fields()) {
        if (field.name != name) {
            changed.header.add(field.name, field.body);
        }
    }
    return changed;
}

policy::Transaction with_field(const policy::Transaction& transaction, const std::string& name,
                               const std::string& body) {
    auto changed = without_field(transaction, name);
    changed.header.add(name, body);
    return changed;
}

policy::Transaction another_message(unsigned number = 2) {
    return with_field(message(), "Message-ID", fmt::format(" <{}@example.org>", number));
}
/// An alarm: recognised by its date alone.
policy::Transaction dated() {
    return without_field(message(), "Message-ID");
}
policy::Transaction unrecognisable() {
    return without_field(dated(), "Date");
}

/// A try that serves these and ends without an answer, or with one.
void make_a_try(Journal& journal, const policy::Transaction& transaction, const Names& served,
                bool answered = false, Time now = test_now) {
    const auto attempt = journal.begin(transaction, now, a_minute());
    attempt->prepare(transaction.body);
    if (!served.empty()) {
        attempt->record(served);
        attempt->confirm(served);
    }
    if (answered) {
        attempt->answered();
    }
}

Names served_before(Journal& journal, const policy::Transaction& transaction = message(),
                    Time now = test_now) {
    return journal.begin(transaction, now, a_minute())->served_before();
}

} // namespace

TEST_CASE("The next try of a message is the same message", "[milter]") {
    const auto first = message();
    const auto identity = identity_of(first);
    REQUIRE(identity.has_value());
    CHECK(identity->is_certain);
    auto next = first;
    next.queue_id = "4Zk3Qv1yTh0";
    next.origin.client_address = "192.0.2.7"; // of a farm of mail servers
    next.origin.tls_version = "TLSv1.3";
    next.recipients.pop_back(); // the client has given up on one of them
    next.reverse_path.parameters = {"SIZE=1"};
    CHECK(identity_of(next) == identity);
    CHECK(identity_of(with_field(next, "Received", " from a; later")) == identity);
    CHECK(identity_of(with_field(next, "X-Retry", " 2")) == identity);
    // smtplib and appliances send no Date, and Postfix adds a new one for each try.
    CHECK(identity_of(with_field(next, "Date", " Mon, 01 Jun 2026 00:05:00 +0000")) == identity);
    CHECK(identity_of(without_field(next, "Date")) == identity);
}

TEST_CASE("Another message is another message", "[milter]") {
    const auto first = message();
    const auto identity = identity_of(first);
    auto other = first;
    SECTION("sender") {
        other.reverse_path = policy::Path::from("<dave@example.org>");
    }
    SECTION("field") {
        const auto name = GENERATE(as<std::string>{}, "From", "To", "Cc", "Subject", "Message-ID");
        other = with_field(first, name, " other");
    }
    SECTION("a date, where nothing else is its own") {
        other = with_field(dated(), "Date", " Mon, 01 Jun 2026 00:00:01 +0000");
        CHECK(identity_of(other) != identity_of(dated()));
        CHECK_FALSE(identity_of(other)->is_certain);
    }
    SECTION("a second field") {
        other.header.add("Subject", " the subject");
    }
    SECTION("a part of one field in the next") {
        auto one = with_field(with_field(first, "To", " ab"), "Cc", " c");
        other = with_field(with_field(first, "To", " a"), "Cc", " bc");
        CHECK(identity_of(one) != identity_of(other));
    }
    CHECK(identity_of(other) != identity);
}

TEST_CASE("A message that was sent on is another message each time", "[milter]") { // RFC 5322 §3.6.6
    const auto first = message();
    const auto name = GENERATE(as<std::string>{}, "Resent-From", "Resent-To", "Resent-Cc", "Resent-Sender",
                               "resent-date", "Resent-Message-ID");
    CAPTURE(name);
    auto sent_on = first;
    sent_on.header.add(name, " Mon, 01 Jun 2026 00:10:00 +0000");
    auto again = first;
    again.header.add(name, " Mon, 01 Jun 2026 00:20:00 +0000");
    CHECK(identity_of(sent_on) != identity_of(first));
    CHECK(identity_of(sent_on) != identity_of(again));
    CHECK(identity_of(sent_on) == identity_of(sent_on));
    // The Message-ID is that of the first sending: only one of the second makes sure.
    CHECK(identity_of(sent_on)->is_certain == (name == "Resent-Message-ID"));
}

TEST_CASE("What Postfix adds to a message that was sent on does not count", "[milter]") {
    const auto try_of = [](const std::string& queue_id, const std::string& date) {
        auto transaction = message();
        transaction.header.add("Resent-From", " dave@example.org");
        transaction.queue_id = queue_id;
        transaction.header.add("Resent-Message-Id", " <20260601." + queue_id + "@mail.example.org>");
        transaction.header.add("Resent-Date", date);
        return transaction;
    };
    const auto first = identity_of(try_of("4Zk3Qv1yTgz", " Mon, 01 Jun 2026 00:10:00 +0000"));
    REQUIRE(first.has_value());
    CHECK(first == identity_of(try_of("4Zk3Qv1yTh0", " Mon, 01 Jun 2026 00:15:00 +0000")));
    CHECK_FALSE(first->is_certain);
}

TEST_CASE("A Message-ID that the MTA has made for this try does not count, nor does the Date behind it",
          "[milter]") {
    const auto with_its_id = [](policy::Transaction transaction, const std::string& queue_id) {
        transaction.queue_id = queue_id;
        transaction.header.add("Message-Id", " <20260601." + queue_id + "@mail.example.org>");
        return transaction;
    };
    const auto first = with_its_id(dated(), "4Zk3Qv1yTgz"); // the client has sent a Date
    auto next = with_its_id(dated(), "4Zk3Qv1yTh0");
    REQUIRE(identity_of(first).has_value());
    CHECK_FALSE(identity_of(first)->is_certain);
    CHECK(identity_of(first) == identity_of(next));
    next.queue_id = "4Zk3Qv1yTh1"; // now it is somebody else's
    CHECK(identity_of(next)->is_certain);
    CHECK(identity_of(first) != identity_of(next));
    // The client has sent neither: two alarms with the same words are two messages.
    auto alarm = with_its_id(unrecognisable(), "4Zk3Qv1yTgz");
    alarm.header.add("Date", " Mon, 01 Jun 2026 00:00:00 +0000");
    CHECK_FALSE(identity_of(alarm).has_value());
}

TEST_CASE("A message with neither Date nor Message-ID has nothing to be recognised by", "[milter]") {
    CHECK(identity_of(without_field(message(), "Date")).has_value());
    CHECK(identity_of(without_field(message(), "Message-ID")).has_value());
    CHECK_FALSE(identity_of(unrecognisable()).has_value());
    CHECK_FALSE(identity_of(with_field(unrecognisable(), "Message-ID", "  ")).has_value());
    CHECK_FALSE(identity_of({}).has_value());
    auto unnamed = message();
    unnamed.queue_id.clear();
    CHECK(identity_of(unnamed) == identity_of(message()));
}

TEST_CASE("A try that ended without an answer is completed by the next, whoever makes it", "[milter]") {
    const Place place;
    std::optional<Journal> journal(place.path);
    const auto of_what = GENERATE_COPY(message(), dated());
    make_a_try(*journal, of_what, {"alice@example.org"});
    make_a_try(*journal, of_what, {"bob@example.org"}); // no answer again
    const bool restarted = GENERATE(false, true);
    if (restarted) {
        journal.reset();
        journal.emplace(place.path);
    }
    CHECK(served_before(*journal, another_message()).empty());
    auto with_another_body = of_what;
    with_another_body.body = "other";
    CHECK(served_before(*journal, with_another_body).empty());
    CHECK(served_before(*journal, of_what) == Names{"alice@example.org", "bob@example.org"});
    CHECK(served_before(*journal, of_what) == Names{"alice@example.org", "bob@example.org"}); // and still
    const auto next = journal->begin(of_what, test_now, a_minute());
    CHECK(next->served_before() == Names{"alice@example.org", "bob@example.org"});
}

TEST_CASE("An answer that rests on a date takes the records of all tries with it", "[milter]") {
    const Place place;
    Journal journal(place.path);
    make_a_try(journal, dated(), {"alice@example.org"});
    make_a_try(journal, dated(), {"bob@example.org"}, /*answered=*/true);
    CHECK(served_before(journal, dated()).empty()); // the next alarm is another one
    CHECK(place.count("served") == 0);
    CHECK(place.count("attempt") == 0);
}

TEST_CASE("An answer is kept for an hour where a Message-ID says that it is the same message", "[milter]") {
    const Place place;
    std::optional<Journal> journal(place.path);
    make_a_try(*journal, message(), {"alice@example.org"});
    const auto later = test_now + std::chrono::hours(25); // of the answer, not of what was recorded first
    make_a_try(*journal, message(), {"bob@example.org"}, /*answered=*/true, later);
    if (GENERATE(false, true)) {
        journal.reset();
        journal.emplace(place.path);
    }
    const Names both{"alice@example.org", "bob@example.org"};
    CHECK(served_before(*journal, message(), later) == both);
    CHECK(served_before(*journal, message(), later + answered_age_max) == both);
    CHECK(served_before(*journal, message(), later + answered_age_max + std::chrono::seconds(30)).empty());
    // A try that finds everybody served, and is answered, begins the hour anew.
    journal->begin(message(), later + std::chrono::minutes(30), a_minute())->answered();
    CHECK(served_before(*journal, message(), later + std::chrono::minutes(89)) == both);
    make_a_try(*journal, another_message(), {}, false, later + std::chrono::hours(3));
    CHECK(place.count("served") == 0);
    CHECK(place.count("attempt") == 0);
}

TEST_CASE("A clock that is set back does not keep an answer for ever", "[milter]") {
    const Place place;
    Journal journal(place.path);
    make_a_try(journal, message(), {"alice@example.org"}, /*answered=*/true);
    CHECK(served_before(journal, message(), test_now - std::chrono::minutes(30)).size() == 1);
    CHECK(served_before(journal, message(), test_now - std::chrono::hours(24)).empty());
}

TEST_CASE("The records of unanswered tries outlive the five days for which MTAs try", "[milter]") {
    const Place place;
    Journal journal(place.path);
    make_a_try(journal, message(), {"alice@example.org"});
    const auto age = GENERATE(std::chrono::hours(25), std::chrono::hours(5 * 24), unanswered_age_max);
    CHECK(served_before(journal, message(), test_now + age) == Names{"alice@example.org"});
    CHECK(served_before(journal, message(), test_now - age) == Names{"alice@example.org"});
    const auto too_late = test_now + unanswered_age_max + std::chrono::seconds(30);
    CHECK(served_before(journal, message(), too_late).empty());
    CHECK(place.count("served") == 1);
    make_a_try(journal, another_message(), {}, false, too_late);
    CHECK(place.count("served") == 0);
    CHECK(place.count("attempt") == 0);
}

TEST_CASE("A try waits for the end of another one that has recipients in common, and reads what it left",
          "[milter]") {
    const Place place;
    Journal journal(place.path);
    auto first = journal.begin(message(), test_now, a_minute());
    CHECK_THROWS_AS(journal.begin(message(), test_now, no_time()), Error);
    const auto error =
        complaint([&] { (void)journal.begin(message_for("bob@example.org"), test_now, no_time()); });
    CHECK(error.kind() == ErrorKind::busy);
    std::atomic<bool> is_waiting = false;
    auto second = std::async(std::launch::async, [&] {
        is_waiting = true;
        return served_before(journal, message());
    });
    while (!is_waiting) {
        std::this_thread::yield();
    }
    first->prepare(message().body);
    first->record({"alice@example.org"});
    first.reset();
    CHECK(second.get() == Names{"alice@example.org"});
}

TEST_CASE("A try does not wait when its MTA has gone", "[milter]") {
    const Place place;
    Journal journal(place.path);
    const auto first = journal.begin(message(), test_now, a_minute());
    Wait gone = a_minute();
    gone.tick = [] { return false; };
    CHECK(complaint([&] { (void)journal.begin(message(), test_now, gone); }).kind() == ErrorKind::busy);
}

TEST_CASE("Tries for other recipients, of other messages and of nothing that is known go on side by side",
          "[milter]") {
    const Place place;
    Journal journal(place.path);
    const auto first = journal.begin(message_for("alice@example.org"), test_now, no_time());
    const auto second = journal.begin(message_for("bob@example.org"), test_now, no_time());
    const auto other = journal.begin(another_message(), test_now, no_time());
    const auto alarm = journal.begin(unrecognisable(), test_now, no_time());
    CHECK_NOTHROW(journal.begin(unrecognisable(), test_now, no_time()));
    first->prepare(message().body);
    second->prepare(message().body);
    first->record({"alice@example.org"});
    second->record({"bob@example.org"});
    // An MTA that has split a message completes each part for itself.
    CHECK(second->served_before().empty());
    CHECK(journal.begin(message_for("carol@example.org"), test_now, no_time())->served_before().empty());
}

TEST_CASE("A part of a message answers for its own recipients", "[milter]") {
    const Place place;
    Journal journal(place.path);
    make_a_try(journal, dated(), {"alice@example.org", "member@example.net"}); // who came out of an alias
    auto rest = dated();
    rest.recipients = {policy::Path::from("<bob@example.org>")};
    {
        const auto attempt = journal.begin(rest, test_now, a_minute());
        CHECK(attempt->served_before() == Names{"alice@example.org", "member@example.net"});
        attempt->answered();
    }
    CHECK(served_before(journal, dated()) == Names{"alice@example.org"});
}

TEST_CASE("Without an identity nothing is recorded: nobody could ever ask", "[milter]") {
    const Place place;
    Journal journal(place.path);
    make_a_try(journal, unrecognisable(), {"alice@example.org"});
    CHECK(served_before(journal, unrecognisable()).empty());
    CHECK(place.count("attempt") == 0);
}

TEST_CASE("A try that hands nothing over writes nothing, and asks nobody", "[milter]") {
    const Place place;
    Journal journal(place.path);
    place.run("ALTER TABLE attempt RENAME TO hidden"); // it would fail
    CHECK(served_before(journal).empty());
    journal.begin(message(), test_now, a_minute())->answered();
    place.run("ALTER TABLE hidden RENAME TO attempt");
    CHECK(place.count("attempt") == 0);
}

TEST_CASE("What is confirmed is on the disk each time, what is recorded need not be", "[milter]") {
    const Place place;
    Journal journal(place.path);
    const auto attempt = journal.begin(message(), test_now, a_minute());
    attempt->prepare(message().body);
    for (const auto& recipient : all) {
        auto before = times_on_disk.load();
        attempt->record({recipient});
        CHECK(times_on_disk == before); // a copy waits for it
        before = times_on_disk;
        attempt->confirm({recipient});
        CHECK(times_on_disk > before);
    }
}

TEST_CASE("What the MTA has not taken after all is taken back", "[milter]") {
    const Place place;
    Journal journal(place.path);
    {
        const auto attempt = journal.begin(message(), test_now, a_minute());
        attempt->prepare(message().body);
        attempt->record({"alice@example.org"});
        attempt->record({"bob@example.org"});
        attempt->take_back({"alice@example.org"});
        attempt->take_back({"bob@example.org"});
        attempt->record({"bob@example.org"});
    }
    CHECK(served_before(journal) == Names{"bob@example.org"});
}

TEST_CASE("What cannot be taken back on disk is known to be wrong as long as the process lives", "[milter]") {
    const Place place;
    Journal journal(place.path);
    {
        const auto attempt = journal.begin(message(), test_now, a_minute());
        attempt->prepare(message().body);
        attempt->record({"alice@example.org", "bob@example.org"});
        place.run("ALTER TABLE served RENAME TO hidden");
        attempt->take_back({"alice@example.org"});
        place.run("ALTER TABLE hidden RENAME TO served");
    }
    CHECK(served_before(journal) == Names{"bob@example.org"});
}

TEST_CASE("An answered message is answered, whatever the disk does", "[milter]") {
    const Place place;
    Journal journal(place.path);
    {
        const auto attempt = journal.begin(dated(), test_now, a_minute());
        attempt->prepare(message().body);
        attempt->record({"alice@example.org"});
        place.run("ALTER TABLE served RENAME TO hidden");
        attempt->answered();
        place.run("ALTER TABLE hidden RENAME TO served");
    }
    CHECK(served_before(journal, dated()).empty());
}

TEST_CASE("What a failed write leaves is found by the next try", "[milter]") {
    const Place place;
    Journal journal(place.path);
    {
        const auto attempt = journal.begin(message(), test_now, a_minute());
        attempt->prepare(message().body);
        attempt->record({"alice@example.org"});
        place.run("ALTER TABLE attempt RENAME TO hidden");
        attempt->answered(); // fails, and so does the end
    }
    place.run("ALTER TABLE hidden RENAME TO attempt");
    CHECK(served_before(journal) == Names{"alice@example.org"});
}

TEST_CASE("A clock that jumps under a try leaves no record without a try", "[milter]") {
    const Place place;
    Journal journal(place.path);
    const auto attempt = journal.begin(message(), test_now, a_minute());
    attempt->prepare(message().body);
    make_a_try(journal, another_message(), {}, false, test_now + 2 * unanswered_age_max);
    attempt->record({"alice@example.org"});
    CHECK(place.count("served") == 1);
    CHECK(place.count("attempt") == 1);
}

TEST_CASE("A journal that is full forgets what was answered, and then begins no hand-over more", "[milter]") {
    const Place place;
    { const Journal journal(place.path); }
    const auto now = std::to_string(test_now.time_since_epoch().count());
    const auto fill = [&](const std::string& answered) {
        place.run("INSERT INTO attempt (id, fields, body, envelope, begun, answered) VALUES ('x', 'x', '', "
                  "'', " +
                  now + ", " + answered + ")");
        place.run("INSERT INTO served (attempt, recipient) SELECT 'x', value FROM (WITH RECURSIVE n(value) "
                  "AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT " +
                  std::to_string(journal_records_max) + ") SELECT value FROM n)");
    };
    SECTION("answered") {
        fill(now);
        Journal journal(place.path);
        make_a_try(journal, message(), {"alice@example.org"});
        CHECK(place.count("served") == 1);
    }
    SECTION("not answered") {
        fill("NULL");
        Journal journal(place.path);
        const auto attempt = journal.begin(message(), test_now, a_minute());
        const auto error = complaint([&] { attempt->prepare("text"); });
        CHECK(error.kind() == ErrorKind::io);
        CHECK(std::string(error.what()).find("is full") != std::string::npos);
        CHECK_FALSE(error.hint().empty());
        place.run("DELETE FROM served WHERE recipient = '1'");
        CHECK_NOTHROW(attempt->prepare("text"));
    }
}

TEST_CASE("The log beside the file stays small however many copies are written down", "[milter]") {
    const Place place;
    Journal journal(place.path);
    for (unsigned i = 0; i < 60; ++i) {
        const auto transaction = another_message(i + 2);
        const auto attempt = journal.begin(transaction, test_now, a_minute());
        attempt->prepare(transaction.body);
        for (unsigned copy = 0; copy < 100; ++copy) {
            attempt->record({std::to_string(copy) + "@example.org"});
        }
        attempt->answered();
    }
    CHECK(std::filesystem::file_size(place.path + "-wal") < (24U << 20U));
}

TEST_CASE("A locked journal begins no hand-over, and says who it is", "[milter]") {
    const Place place;
    Journal journal(place.path);
    const auto attempt = journal.begin(message(), test_now, a_minute());
    {
        soci::session other(soci::sqlite3, sqlite_connection_string(place.path, std::chrono::seconds(1)));
        other << "BEGIN IMMEDIATE";
        const auto error = complaint([&] { attempt->prepare("text"); });
        CHECK(error.kind() == ErrorKind::busy);
        CHECK(std::string(error.what()).find(place.path) != std::string::npos);
        other << "ROLLBACK";
    }
    CHECK_NOTHROW(attempt->prepare("text"));
}

TEST_CASE("Two milters do not share a journal", "[milter]") {
    const Place place;
    {
        const Journal journal(place.path);
        const auto error = complaint([&] { const Journal second(place.path); });
        CHECK(error.kind() == ErrorKind::unavailable);
        CHECK(std::string(error.what()).find(place.path + " is in use by another lockbox-milter") !=
              std::string::npos);
        CHECK_FALSE(error.hint().empty());
    }
    CHECK_NOTHROW(Journal(place.path)); // the lock went with it
}

TEST_CASE("What is no journal is not taken for one, and stays as it is", "[milter]") {
    const Place place;
    SECTION("garbage") {
        write_atomically(place.path, std::string(5000, 'x'));
        const auto before = read_file(place.path, 10000);
        CHECK(complaint([&] { const Journal journal(place.path); }).kind() == ErrorKind::malformed);
        CHECK(read_file(place.path, 10000) == before);
    }
    SECTION("another database") {
        write_atomically(place.path, "");
        place.run("CREATE TABLE certificate (fingerprint TEXT)");
        const auto error = complaint([&] { const Journal journal(place.path); });
        CHECK(error.kind() == ErrorKind::malformed);
        CHECK(std::string(error.what()).find("not a journal") != std::string::npos);
    }
    SECTION("of another version") {
        { const Journal journal(place.path); }
        place.run("UPDATE lockbox_journal SET version = 3");
        const auto error = complaint([&] { const Journal journal(place.path); });
        CHECK(error.kind() == ErrorKind::unavailable);
        CHECK(std::string(error.what()).find("version 3") != std::string::npos);
        CHECK_FALSE(error.hint().empty());
    }
}

TEST_CASE("A journal of version 1 is taken over without its records", "[milter]") {
    const Place place;
    write_atomically(place.path, "");
    for (const auto* statement :
         {"CREATE TABLE lockbox_journal (version INTEGER NOT NULL)",
          "INSERT INTO lockbox_journal (version) VALUES (1)",
          "CREATE TABLE try (id TEXT NOT NULL PRIMARY KEY, identity TEXT NOT NULL, begun BIGINT NOT NULL, "
          "confirmed INTEGER NOT NULL DEFAULT 0)",
          "CREATE INDEX try_of_identity ON try (identity)", "CREATE INDEX try_begun ON try (begun)",
          "CREATE TABLE served (try TEXT NOT NULL REFERENCES try (id), recipient TEXT NOT NULL, PRIMARY KEY "
          "(try, recipient))",
          "INSERT INTO try (id, identity, begun) VALUES ('a', 'b', 1)",
          "INSERT INTO served VALUES ('a', 'alice@example.org')"}) {
        place.run(statement);
    }
    for (int start = 0; start < 2; ++start) {
        Journal journal(place.path);
        CHECK(place.count("served") == start);
        make_a_try(journal, another_message(static_cast<unsigned>(start)), {"alice@example.org"});
    }
}

TEST_CASE("A journal that was damaged while in use fails before anything is sent", "[milter]") {
    const Place place;
    {
        Journal journal(place.path);
        make_a_try(journal, message(), {"alice@example.org"});
    }
    Journal journal(place.path);
    std::fstream file(place.path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(0);
    file << std::string(std::filesystem::file_size(place.path), 'x');
    file.close();
    const auto error = complaint([&] {
        const auto attempt = journal.begin(message(), test_now, a_minute());
        attempt->prepare(message().body);
        attempt->record({"alice@example.org"});
        throw Error(ErrorKind::malformed, place.path); // SQLite had all pages at hand still
    });
    CHECK(error.kind() == ErrorKind::malformed);
    CHECK(std::string(error.what()).find(place.path) != std::string::npos);
}

TEST_CASE("A journal where none can be: an error that names it, with a hint", "[milter]") {
    const TemporaryDirectory directory;
    write_atomically(directory.path() / "file", "");
    std::filesystem::create_directory(directory.path() / "journal.db");
    for (const auto& path :
         {directory.path() / "missing" / "journal.db", directory.path() / "file" / "journal.db"}) {
        const auto error = complaint([&] { const Journal journal(path.string()); });
        CHECK(error.kind() == ErrorKind::unavailable);
        CHECK(std::string(error.what()).find(path.string()) != std::string::npos);
        CHECK_FALSE(error.hint().empty());
    }
    const auto error = complaint([&] { const Journal journal((directory.path() / "journal.db").string()); });
    CHECK(error.kind() == ErrorKind::unavailable);
    if (::geteuid() != 0) {
        std::filesystem::permissions(directory.path(),
                                     std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
        CHECK(complaint([&] { const Journal journal((directory.path() / "new.db").string()); }).kind() ==
              ErrorKind::unavailable);
        std::filesystem::permissions(directory.path(), std::filesystem::perms::owner_all);
    }
}

TEST_CASE("Nobody else may read a journal: it says who wrote to whom", "[milter]") {
    const Place place;
    Journal journal(place.path);
    make_a_try(journal, message(), {"alice@example.org"});
    for (const auto* suffix : {"", "-wal", "-shm", ".lock"}) {
        CAPTURE(suffix);
        CHECK((std::filesystem::status(place.path + suffix).permissions() & std::filesystem::perms(0077)) ==
              std::filesystem::perms::none);
    }
}

TEST_CASE("A record survives the process that is killed right behind it", "[milter]") {
    const Place place;
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        try {
            Journal journal(place.path);
            const auto attempt = journal.begin(message(), test_now, a_minute());
            attempt->prepare(message().body);
            attempt->record({"bob@example.org"});
            (void)::raise(SIGKILL);
        } catch (...) { // NOLINT(bugprone-empty-catch): the parent sees that it was not killed
        }
        ::_exit(1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    REQUIRE(WTERMSIG(status) == SIGKILL);
    Journal journal(place.path); // the lock went with the process
    CHECK(served_before(journal) == Names{"bob@example.org"});
}

TEST_CASE("Any bytes are a recipient", "[milter]") {
    const Place place;
    Journal journal(place.path);
    const Names strange{"", "'; DROP TABLE served; --", "\xc3\xbc@example.org", "\xff\xfe@example.org"};
    make_a_try(journal, message(strange), strange);
    CHECK(served_before(journal, message(strange)) == strange);
}

TEST_CASE("Many threads keep their tries apart", "[milter]") {
    const Place place;
    Journal journal(place.path);
    std::vector<std::thread> threads;
    std::atomic<unsigned> wrong = 0;
    for (unsigned thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            auto one = dated();
            one.body = std::to_string(thread);
            for (unsigned i = 0; i < 20; ++i) {
                {
                    const auto attempt = journal.begin(one, test_now, a_minute());
                    attempt->prepare(one.body);
                    attempt->record({"alice@example.org"});
                    attempt->record({"bob@example.org"});
                    attempt->take_back({"bob@example.org"});
                    attempt->confirm({"alice@example.org"});
                }
                const auto attempt = journal.begin(one, test_now, a_minute());
                wrong += attempt->served_before() == Names{"alice@example.org"} ? 0U : 1U;
                attempt->answered();
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
    CHECK(place.count("served") == 0);
}

TEST_CASE("Of many tries at once, each recipient is served by one", "[milter]") {
    const Place place;
    Journal journal(place.path);
    std::vector<std::thread> threads;
    std::array<std::atomic<unsigned>, 3> served{};
    for (unsigned thread = 0; thread < 6; ++thread) {
        threads.emplace_back([&, thread] {
            const auto attempt = journal.begin(message(), test_now, a_minute());
            attempt->prepare(message().body);
            const auto& before = attempt->served_before();
            for (std::size_t i = 0; i < all.size(); ++i) {
                if (std::find(before.begin(), before.end(), all[i]) == before.end() &&
                    (thread + i) % 2 == 0) {
                    attempt->record({all[i]});
                    ++served[i];
                }
            }
            if (thread % 3 == 0) {
                attempt->answered();
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(served[0] == 1);
    CHECK(served[1] == 1);
    CHECK(served[2] == 1);
}
