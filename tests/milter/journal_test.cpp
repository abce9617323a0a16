#include "base/error.hpp"
#include "base/file.hpp"
#include "base/sqlite.hpp"
#include "milter/journal.hpp"
#include "tests/support/data.hpp"

#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

using namespace lockbox;
using namespace lockbox::milter;
using test::test_now;

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

/// A try that serves these and ends without an answer.
void half_a_try(Journal& journal, const std::optional<std::string>& identity, const Names& served,
                Time now = test_now) {
    const auto attempt = journal.begin(identity, now);
    attempt->record(served);
    attempt->confirm();
}

Names served_before(Journal& journal, const std::optional<std::string>& identity, Time now = test_now) {
    return journal.begin(identity, now)->served_before();
}

Error complaint(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error;
    }
    FAIL("nothing went wrong");
    throw std::logic_error("unreachable");
}

policy::Transaction message() {
    policy::Transaction transaction;
    transaction.queue_id = "4Zk3Qv1yTgz";
    transaction.reverse_path = policy::Path::from("<carol@example.org>");
    transaction.recipients = {policy::Path::from("<alice@example.org>"),
                              policy::Path::from("<bob@example.org>")};
    transaction.header.add("From", " carol@example.org");
    transaction.header.add("To", " alice@example.org");
    transaction.header.add("Subject", " the subject");
    transaction.header.add("Date", " Mon, 01 Jun 2026 00:00:00 +0000");
    transaction.header.add("Message-ID", " <1@example.org>");
    transaction.body = "text\r\n";
    return transaction;
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

} // namespace

TEST_CASE("The next try of a message is the same message", "[milter]") {
    const auto first = message();
    const auto identity = identity_of(first);
    REQUIRE(identity.has_value());
    auto next = first;
    CHECK(identity_of(next) == identity);
    next.queue_id = "4Zk3Qv1yTh0";
    next.origin.client_address = "192.0.2.7"; // of a farm of mail servers
    next.origin.tls_version = "TLSv1.3";
    next.recipients.pop_back(); // the client has given up on one of them
    next.reverse_path.parameters = {"SIZE=1"};
    CHECK(identity_of(next) == identity);
    CHECK(identity_of(with_field(next, "Received", " from a; later")) == identity);
    CHECK(identity_of(with_field(next, "X-Retry", " 2")) == identity);
}

TEST_CASE("Another message is another message", "[milter]") {
    const auto first = message();
    const auto identity = identity_of(first);
    auto other = first;
    SECTION("body") {
        other.body = "text";
    }
    SECTION("sender") {
        other.reverse_path = policy::Path::from("<dave@example.org>");
    }
    SECTION("field") {
        const auto name = GENERATE(as<std::string>{}, "From", "To", "Cc", "Subject", "Date", "Message-ID");
        other = with_field(first, name, " other");
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

TEST_CASE("A Message-ID that the MTA has made for this try does not count", "[milter]") {
    auto first = with_field(message(), "Message-ID", " <20260601.4Zk3Qv1yTgz@mail.example.org>");
    auto next = with_field(message(), "Message-ID", " <20260601.4Zk3Qv1yTh0@mail.example.org>");
    next.queue_id = "4Zk3Qv1yTh0";
    REQUIRE(identity_of(first).has_value());
    CHECK(identity_of(first) == identity_of(next));
    next.queue_id = "4Zk3Qv1yTh1"; // now it is somebody else's
    CHECK(identity_of(first) != identity_of(next));
    CHECK_FALSE(identity_of(without_field(first, "Date")).has_value());
}

TEST_CASE("A message with neither Date nor Message-ID has nothing to be recognised by", "[milter]") {
    CHECK(identity_of(without_field(message(), "Date")).has_value());
    CHECK(identity_of(without_field(message(), "Message-ID")).has_value());
    CHECK_FALSE(identity_of(without_field(without_field(message(), "Date"), "Message-ID")).has_value());
    CHECK_FALSE(identity_of({}).has_value());
    auto unnamed = message();
    unnamed.queue_id.clear();
    CHECK(identity_of(unnamed) == identity_of(message()));
}

TEST_CASE("A try that ended without an answer is completed by the next, whoever makes it", "[milter]") {
    const Place place;
    std::optional<Journal> journal(place.path);
    half_a_try(*journal, "message", {"alice@example.org", "bob@example.org"});
    const bool restarted = GENERATE(false, true);
    if (restarted) {
        journal.reset();
        journal.emplace(place.path);
    }
    CHECK(served_before(*journal, "other").empty());
    {
        const auto attempt = journal->begin("message", test_now);
        CHECK(attempt->served_before() == Names{"alice@example.org", "bob@example.org"});
        attempt->record({"carol@example.org"});
    } // no answer again
    {
        const auto attempt = journal->begin("message", test_now);
        CHECK(attempt->served_before() == all);
        attempt->settle();
    }
    CHECK(served_before(*journal, "message").empty());
    CHECK(place.count("served") == 0);
    CHECK(place.count("try") == 0);
}

TEST_CASE("The records of a try that is under way are nobody else's", "[milter]") {
    const Place place;
    Journal journal(place.path);
    auto first = journal.begin("message", test_now);
    first->record({"alice@example.org"});
    CHECK(served_before(journal, "message").empty()); // the same message twice at once: two messages
    first.reset();
    const auto next = journal.begin("message", test_now);
    CHECK(next->served_before() == Names{"alice@example.org"});
    CHECK(served_before(journal, "message").empty()); // and taken over once
}

TEST_CASE("Two ended tries alike are two messages", "[milter]") {
    const Place place;
    Journal journal(place.path);
    {
        const auto first = journal.begin("message", test_now);
        const auto second = journal.begin("message", test_now);
        first->record({"alice@example.org"});
        second->record({"alice@example.org", "bob@example.org"});
    }
    {
        const auto attempt = journal.begin("message", test_now);
        CHECK(attempt->served_before() == Names{"alice@example.org", "bob@example.org"});
        attempt->settle();
    }
    CHECK(served_before(journal, "message") == Names{"alice@example.org"});
}

TEST_CASE("Without an identity, nothing is taken over", "[milter]") {
    const Place place;
    Journal journal(place.path);
    half_a_try(journal, std::nullopt, {"alice@example.org"});
    CHECK(served_before(journal, std::nullopt).empty());
}

TEST_CASE("What the MTA has not taken after all is taken back", "[milter]") {
    const Place place;
    Journal journal(place.path);
    {
        const auto attempt = journal.begin("message", test_now);
        attempt->record({"alice@example.org"});
        attempt->record({"bob@example.org"});
        attempt->take_back({"alice@example.org"});
    }
    CHECK(served_before(journal, "message") == Names{"bob@example.org"});
}

TEST_CASE("What cannot be taken back on disk is known to be wrong as long as the process lives", "[milter]") {
    const Place place;
    Journal journal(place.path);
    {
        const auto attempt = journal.begin("message", test_now);
        attempt->record({"alice@example.org", "bob@example.org"});
        place.run("ALTER TABLE served RENAME TO hidden");
        attempt->take_back({"alice@example.org"});
        place.run("ALTER TABLE hidden RENAME TO served");
    }
    CHECK(served_before(journal, "message") == Names{"bob@example.org"});
}

TEST_CASE("A settled message is settled, whatever the disk does", "[milter]") {
    const Place place;
    Journal journal(place.path);
    {
        const auto attempt = journal.begin("message", test_now);
        attempt->record({"alice@example.org"});
        place.run("ALTER TABLE served RENAME TO hidden");
        attempt->settle();
        place.run("ALTER TABLE hidden RENAME TO served");
    }
    CHECK(served_before(journal, "message").empty());
}

TEST_CASE("A stop settles what was answered", "[milter]") {
    const Place place;
    {
        Journal journal(place.path);
        const auto first = journal.begin("one", test_now);
        const auto second = journal.begin("two", test_now);
        first->record({"alice@example.org"});
        second->record({"bob@example.org"});
        journal.settle_answered();
    }
    CHECK(place.count("served") == 0);
    CHECK(place.count("try") == 0);
}

TEST_CASE("Records are forgotten after a day, and not before", "[milter]") {
    const Place place;
    Journal journal(place.path);
    half_a_try(journal, "message", {"alice@example.org"});
    CHECK(served_before(journal, "other", test_now + journal_age_max).empty());
    CHECK(place.count("served") == 1);
    CHECK(served_before(journal, "other", test_now + journal_age_max + std::chrono::seconds(1)).empty());
    CHECK(place.count("served") == 0);
}

TEST_CASE("A clock that jumps under a try leaves no record without a try", "[milter]") {
    const Place place;
    Journal journal(place.path);
    const auto attempt = journal.begin("message", test_now);
    CHECK(served_before(journal, "other", test_now + 2 * journal_age_max).empty());
    CHECK_THROWS_AS(attempt->record({"alice@example.org"}), Error); // and the copy is not let through
    CHECK(place.count("served") == 0);
}

TEST_CASE("A journal that is full begins no message more", "[milter]") {
    const Place place;
    Journal journal(place.path);
    place.run("INSERT INTO try (id, identity, begun) VALUES ('x', 'x', " +
              std::to_string(test_now.time_since_epoch().count()) + ")");
    place.run("INSERT INTO served SELECT 'x', value FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL "
              "SELECT value + 1 "
              "FROM n LIMIT " +
              std::to_string(journal_records_max) + ") SELECT value FROM n)");
    const auto error = complaint([&] { (void)journal.begin("message", test_now); });
    CHECK(error.kind() == ErrorKind::io);
    CHECK(std::string(error.what()).find("is full") != std::string::npos);
    CHECK_FALSE(error.hint().empty());
    place.run("DELETE FROM served WHERE recipient = '1'");
    CHECK(served_before(journal, "message").empty());
}

TEST_CASE("The log beside the file stays small however many copies are written down", "[milter]") {
    const Place place;
    Journal journal(place.path);
    for (unsigned i = 0; i < 60; ++i) {
        const auto attempt = journal.begin("message " + std::to_string(i), test_now);
        for (unsigned copy = 0; copy < 100; ++copy) {
            attempt->record({std::to_string(copy) + "@example.org"});
        }
        attempt->settle();
    }
    CHECK(std::filesystem::file_size(place.path + "-wal") < (24U << 20U));
}

TEST_CASE("A locked journal begins no message, and says who it is", "[milter]") {
    const Place place;
    Journal journal(place.path);
    {
        soci::session other(soci::sqlite3, sqlite_connection_string(place.path, std::chrono::seconds(1)));
        other << "BEGIN IMMEDIATE";
        const auto error = complaint([&] { (void)journal.begin("message", test_now); });
        CHECK(error.kind() == ErrorKind::busy);
        CHECK(std::string(error.what()).find(place.path) != std::string::npos);
        other << "ROLLBACK";
    }
    CHECK(served_before(journal, "message").empty());
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
        place.run("UPDATE lockbox_journal SET version = 2");
        const auto error = complaint([&] { const Journal journal(place.path); });
        CHECK(error.kind() == ErrorKind::unavailable);
        CHECK(std::string(error.what()).find("version 2") != std::string::npos);
        CHECK_FALSE(error.hint().empty());
    }
}

TEST_CASE("A journal that was damaged while in use fails before anything is sent", "[milter]") {
    const Place place;
    {
        Journal journal(place.path);
        half_a_try(journal, "message", {"alice@example.org"});
    }
    Journal journal(place.path);
    std::fstream file(place.path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(0);
    file << std::string(std::filesystem::file_size(place.path), 'x');
    file.close();
    const auto error = complaint([&] {
        const auto attempt = journal.begin("message", test_now);
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
    half_a_try(journal, "message", {"alice@example.org"});
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
            const auto attempt = journal.begin("message", test_now);
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
    CHECK(served_before(journal, "message") == Names{"bob@example.org"});
}

TEST_CASE("Any bytes are a recipient", "[milter]") {
    const Place place;
    Journal journal(place.path);
    const Names strange{"", "'; DROP TABLE served; --", "\xff\xfe@example.org", "\xc3\xbc@example.org"};
    half_a_try(journal, "'", strange);
    auto expected = strange;
    std::sort(expected.begin(), expected.end());
    CHECK(served_before(journal, "'") == expected);
}

TEST_CASE("Many threads keep their tries apart", "[milter]") {
    const Place place;
    Journal journal(place.path);
    std::vector<std::thread> threads;
    std::atomic<unsigned> wrong = 0;
    for (unsigned thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            const auto identity = "message " + std::to_string(thread);
            for (unsigned i = 0; i < 20; ++i) {
                {
                    const auto attempt = journal.begin(identity, test_now);
                    attempt->record({"alice@example.org"});
                    attempt->record({"bob@example.org"});
                    attempt->take_back({"bob@example.org"});
                    attempt->confirm();
                }
                const auto attempt = journal.begin(identity, test_now);
                wrong += attempt->served_before() == Names{"alice@example.org"} ? 0U : 1U;
                attempt->settle();
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
    CHECK(place.count("served") == 0);
}
