#include "base/error.hpp"
#include "keyring/keyring.hpp"
#include "keyring/schema.hpp"
#include "keyring/usability.hpp"
#include "tests/support/data.hpp"

#include <fmt/format.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <sstream>
#include <thread>

using namespace lockbox;
using namespace lockbox::keyring;
using lockbox::test::test_now;

namespace {

/// A keyring as the version of that schema made and filled it: tests/data/keyring.
struct OldKeyring {
    explicit OldKeyring(int version) {
        soci::session sql(soci::sqlite3, "db=" + location.path);
        std::istringstream lines(test::data(fmt::format("keyring/schema-{}.sql", version)));
        sql << "BEGIN";
        for (std::string line; std::getline(lines, line);) {
            sql << line;
        }
        sql << "COMMIT";
    }

    [[nodiscard]] std::string copy_before(int version) const {
        return fmt::format("{}.before-v{}", location.path, version);
    }
    [[nodiscard]] std::vector<std::string> files() const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
            names.push_back(entry.path().filename().string());
        }
        std::sort(names.begin(), names.end());
        return names;
    }

    TemporaryDirectory directory;
    Location location{(directory.path() / "k.db").string()};
};

int version_in(const std::string& path) {
    int version = 0;
    soci::session(soci::sqlite3, "db=" + path) << "SELECT schema_version FROM lockbox_keyring",
        soci::into(version);
    return version;
}

constexpr auto alice = "E169307C57B9E3B7FB27F3B61A4454CC87D11D52";
constexpr auto new_and_gone = "E67AFD49F51226099F6F21A394A8B9F3AD36CB17";
constexpr auto two = "F5A255EEC3533A2C6845E8D1CD85657CEB410F7C";
constexpr auto unknown_smime = "B4FC89696738EA58F1B326084322FF40AFFE8146D2167D50659905CB060CD662";
constexpr auto alice_smime = "8A3898C1B03FDF241ABB56D35561710E82B583A9C35158F1FC4B5E56B4450997";

} // namespace

TEST_CASE("A keyring of each older schema is migrated, loses nothing, and leaves a copy", "[keyring]") {
    const auto old_version = GENERATE(1, 2, 3, 4);
    CAPTURE(old_version);
    const OldKeyring old(old_version);
    auto keyring = Keyring::open(old.location, Access::read);
    CHECK(version_in(old.location.path) == schema_version);

    const auto found = keyring.find(*mail::Address::parse("alice@example.org"));
    REQUIRE_FALSE(found.empty());
    const auto& bound = found.back();
    CHECK(bound.entry.certificate.fingerprint == alice);
    CHECK(bound.binding.state == BindingState::active);
    CHECK(bound.binding.trust == Trust::manual);
    CHECK(bound.binding.source == "/srv/keys/alice.asc");
    CHECK(bound.binding.first_seen == bound.entry.imported);
    CHECK_FALSE(bound.binding.pinned);
    CHECK_FALSE(why_unusable(bound.entry, bound.binding, test_now).has_value());
    CHECK(bound.entry.certificate.bytes == test::certificate("alice").bytes);

    // A former address says why it is one.
    const auto gone = keyring.find(*mail::Address::parse("gone@example.org")).at(0);
    CHECK(gone.entry.certificate.fingerprint == new_and_gone);
    CHECK(gone.binding.state == BindingState::former);
    CHECK(why_unusable(gone.entry, gone.binding, test_now)->describe() ==
          "certificate revoked for this address");
    const auto dropped = keyring.find(*mail::Address::parse("dropped@example.org")).at(0);
    CHECK(dropped.entry.certificate.fingerprint == two);
    CHECK(dropped.binding.reason == "certificate does not name this address any more");

    CHECK(keyring.alias(*AliasName::parse("team@example.org")).has_value() == (old_version >= 2));
    if (old_version >= 3) {
        CHECK(keyring.by_fingerprint(unknown_smime)->bindings.at(0).trust == Trust::manual);
        CHECK(keyring.by_fingerprint(alice_smime)->bindings.at(0).trust == Trust::verified);
        CHECK(keyring.by_fingerprint(alice_smime)->chain.size() == 2);
    }
    CHECK(keyring.changes_of(alice).at(0).what == "new");

    // The file from before, for its owner alone, which the older program still opens.
    const auto copy = old.copy_before(old_version + 1);
    struct stat status {};
    REQUIRE(::stat(copy.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777U) == 0600U);
    CHECK(version_in(copy) == old_version);
    int addresses = 0;
    soci::session(soci::sqlite3, "db=" + copy) << "SELECT count(*) FROM address", soci::into(addresses);
    CHECK(addresses >= 6);
}

// Until version 3 an address was kept as it was spelled, and folded in A-Z alone.
TEST_CASE("A keyring whose addresses were folded in A-Z alone is folded again", "[keyring]") {
    const OldKeyring old(3);
    {
        soci::session sql(soci::sqlite3, "db=" + old.location.path);
        for (const auto& statement :
             {fmt::format(
                  "INSERT INTO address VALUES ('rene\u0301@example.org', 'Rene\u0301@example.org', 0, '{}')",
                  alice),
              fmt::format(
                  "INSERT INTO address VALUES ('ren\u00e9@example.org', 'Ren\u00e9@example.org', 1, '{}')",
                  alice),
              fmt::format(
                  "INSERT INTO address VALUES ('REN\u00c9@example.org', 'REN\u00c9@example.org', 1, '{}')",
                  two),
              std::string(
                  "INSERT INTO alias VALUES ('\u00c9quipe@example.org', '\u00c9quipe@example.org', NULL, 2)"),
              std::string("INSERT INTO alias_member VALUES ('\u00c9quipe@example.org', 0, "
                          "'rene\u0301@example.org', 'rene\u0301@example.org')"),
              fmt::format(
                  "INSERT INTO alias VALUES ('\u00e9quipe@example.org', '\u00e9quipe@example.org', '{}', 1)",
                  alice)}) {
            sql << statement;
        }
    }
    auto keyring = Keyring::open(old.location, Access::read);
    for (const auto* spelling :
         {"ren\u00e9@example.org", "rene\u0301@example.org", "REN\u00c9@example.org"}) {
        CAPTURE(spelling);
        const auto found = keyring.find(*mail::Address::parse(spelling));
        REQUIRE(found.size() == 2);
        CHECK(found[0].entry.certificate.fingerprint == alice);
        CHECK(found[0].binding.state == BindingState::active); // one of its two spellings was not former
        CHECK(found[1].binding.state == BindingState::former);
    }
    CHECK(keyring.find(*mail::Address::parse("rene@example.org")).empty());
    const auto alias = keyring.alias(*AliasName::parse("e\u0301quipe@example.org"));
    REQUIRE(alias); // of two that have one name, the one that was changed last
    CHECK(alias->members == std::vector{*mail::Address::parse("ren\u00e9@example.org")});
    std::size_t aliases = 0;
    keyring.for_each_alias([&](const Alias&) { ++aliases; });
    CHECK(aliases == 2);
}

TEST_CASE("Programs that open an old keyring at the same time migrate it once", "[keyring]") {
    const OldKeyring old(4);
    constexpr unsigned programs = 6;
    std::atomic<unsigned> right = 0;
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < programs; ++i) {
        threads.emplace_back([&] {
            auto keyring = Keyring::open(old.location, Access::read);
            if (keyring.find(*mail::Address::parse("bob@example.org")).size() == 1 && keyring.size() == 7) {
                ++right;
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(right == programs);
    CHECK(version_in(old.copy_before(5)) == 4);
}

TEST_CASE("A program that still reads the old schema keeps what it has begun to read, and then hears of it",
          "[keyring]") {
    const OldKeyring old(4);
    soci::session sql(soci::sqlite3, "db=" + old.location.path);
    sql << "PRAGMA journal_mode = WAL"; // as every version has made it
    int addresses = 0;
    sql << "BEGIN";
    sql << "SELECT count(*) FROM address", soci::into(addresses);
    (void)Keyring::open(old.location, Access::read);
    int again = 0;
    sql << "SELECT count(*) FROM address", soci::into(again);
    CHECK(again == addresses);
    sql << "COMMIT";
    CHECK_THROWS_AS((sql << "SELECT count(*) FROM address", soci::into(again)), soci::soci_error);
}

TEST_CASE("Without room for the copy nothing is migrated", "[keyring]") {
    const OldKeyring old(4);
    std::filesystem::create_directories(old.copy_before(5) + "/in the way");
    try {
        (void)Keyring::open(old.location, Access::read);
        FAIL("it was migrated");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::io);
        CHECK(std::string(error.what()).find(old.copy_before(5)) != std::string::npos);
    }
    CHECK(version_in(old.location.path) == 4);
    const auto files = old.files();
    CHECK(std::none_of(files.begin(), files.end(),
                       [](const std::string& name) { return name.starts_with("k.db.before-v5."); }));
}

TEST_CASE("A new keyring has no copy beside it", "[keyring]") {
    const TemporaryDirectory directory;
    const Location location{(directory.path() / "k.db").string()};
    (void)Keyring::open(location, Access::create);
    (void)Keyring::open(location, Access::read);
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
        CHECK(entry.path().string().find("before") == std::string::npos);
    }
}
