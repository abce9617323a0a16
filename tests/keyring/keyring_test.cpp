#include "base/error.hpp"
#include "base/file.hpp"
#include "keyring/keyring.hpp"
#include "tests/support/bindings.hpp"
#include "tests/support/catch.hpp"

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

using namespace lockbox;
using namespace lockbox::keyring;

namespace {

constexpr Time noon{std::chrono::seconds(1'780'315'200)};

/// A keyring in a directory of its own.
struct Place {
    TemporaryDirectory directory;
    Location location{(directory.path() / "key ring?#%.db").string()}; // what a URI could stumble over

    Keyring open(Access access = Access::create) const {
        return Keyring::open(location, access, std::chrono::seconds(0));
    }
};

Entry entry(const std::string& fingerprint, const std::vector<std::string>& addresses) {
    Entry made;
    made.certificate = {
        crypto::Protocol::openpgp, fingerprint, std::string("bytes\0\xff", 7) + fingerprint, {}};
    made.algorithm = "ed25519";
    made.created = noon - std::chrono::hours(100);
    made.expires = noon + std::chrono::hours(100);
    made.encryption_keys = {{fingerprint + "01", "cv25519", noon, std::nullopt, false},
                            {fingerprint + "02", "rsa2048", noon, noon + std::chrono::hours(1), true}};
    made.user_ids = {{"N\xc3\xa4me <x@example.org>", "x@example.org", false}, {"raw \xff", "", true, noon}};
    made.bindings = test::bindings(addresses, BindingState::active, noon);
    made.imported = noon;
    made.updated = noon;
    return made;
}

std::vector<std::string> found(Keyring& keyring, const std::string& address) {
    std::vector<std::string> fingerprints;
    for (const auto& [binding, e] : keyring.find(*mail::Address::parse(address))) {
        if (binding.state == BindingState::active) {
            fingerprints.push_back(e.certificate.fingerprint);
        }
    }
    return fingerprints;
}

template <typename Work>
Error error_of(Work&& work) {
    try {
        work();
    } catch (const Error& error) {
        return error;
    }
    FAIL("no error");
    return {ErrorKind::io, ""};
}

using Fingerprints = std::vector<std::string>;

} // namespace

TEST_CASE("What is stored comes back as it was, every byte of it", "[keyring]") {
    const Place place;
    const auto original = entry("AAAA", {"x@example.org"});
    {
        auto keyring = place.open();
        CHECK(keyring.empty());
        CHECK(keyring.store(original, std::nullopt, noon) == Stored::added);
    }
    auto keyring = place.open(Access::read);
    CHECK(keyring.by_fingerprint("AAAA") == original);
    CHECK(keyring.by_fingerprint("aaaa") == original);
    CHECK_FALSE(keyring.by_fingerprint("AAA").has_value());
    CHECK(keyring.size() == 1);
    CHECK_FALSE(keyring.empty());
}

TEST_CASE("An X.509 certificate is stored with its chain and what its reader reads", "[keyring]") {
    const Place place;
    auto keyring = place.open();
    auto original = entry("AAAA", {"x@example.org"});
    original.certificate.protocol = crypto::Protocol::smime;
    original.certificate.content_encryption = crypto::ContentEncryption::aes256_gcm;
    original.chain = {std::string("issuer\0", 7), "root"};
    original.encryption_keys.pop_back(); // which is revoked
    original.user_ids.pop_back();
    auto sibling = original;
    sibling.certificate.fingerprint = "BBBB";
    REQUIRE(keyring.store(original, std::nullopt, noon) == Stored::added);
    REQUIRE(keyring.store(sibling, std::nullopt, noon) == Stored::added);
    CHECK(keyring.by_fingerprint("AAAA") == original);
    CHECK(keyring.issuers().size() == 2);

    auto changed = original;
    SECTION("another content encryption is a change") {
        changed.certificate.content_encryption = crypto::ContentEncryption::aes256_cbc;
    }
    SECTION("another chain is a change") {
        changed.chain.pop_back();
    }
    CHECK(keyring.store(changed, original, noon) == Stored::updated);
    CHECK(keyring.by_fingerprint("AAAA") == changed);
    CHECK(keyring.forget("AAAA", noon));
    CHECK(keyring.forget("BBBB", noon));
    CHECK(keyring.issuers().empty());
}

TEST_CASE("find matches the address exactly, and what differs in the local part's case only", "[keyring]") {
    const Place place;
    auto keyring = place.open();
    REQUIRE(keyring.store(entry("AAAA", {"bob@example.org"}), {}, noon));
    REQUIRE(keyring.store(entry("BBBB", {"Bob@example.org", "other@example.org"}), {}, noon));
    CHECK(found(keyring, "bob@example.org") == Fingerprints{"AAAA", "BBBB"});
    CHECK(found(keyring, "BOB@EXAMPLE.ORG") == Fingerprints{"AAAA", "BBBB"});
    CHECK(found(keyring, "other@example.org") == Fingerprints{"BBBB"});
    for (const auto* stranger :
         {"bobb@example.org", "ob@example.org", "bob@example.or", "bob@sub.example.org", "b_b@example.org",
          "\"%\"@example.org", "bob+x@example.org"}) {
        CAPTURE(stranger);
        CHECK(found(keyring, stranger).empty());
    }
}

TEST_CASE("A binding that waits under one spelling does not hide an active one under another", "[keyring]") {
    const Place place;
    auto keyring = place.open();
    auto bob = entry("AAAA", {"bob@example.org"});
    bob.bindings.push_back(test::binding("Bob@example.org", BindingState::pending, noon));
    REQUIRE(keyring.store(bob, {}, noon));
    for (const auto* spelling : {"bob@example.org", "Bob@example.org", "BOB@example.org"}) {
        CHECK(found(keyring, spelling) == Fingerprints{"AAAA"});
        CHECK(keyring.certificates_for(*mail::Address::parse(spelling)).size() == 1);
    }
}

TEST_CASE("Storing again says whether something changed, and keeps the day of the first import",
          "[keyring]") {
    const Place place;
    auto keyring = place.open();
    const auto later = noon + std::chrono::hours(1);
    REQUIRE(keyring.store(entry("AAAA", {"x@example.org"}), {}, noon));
    auto present = keyring.by_fingerprint("AAAA");
    CHECK(keyring.store(entry("AAAA", {"x@example.org"}), present, later) == Stored::unchanged);
    CHECK(keyring.by_fingerprint("AAAA")->updated == noon);
    auto changed = entry("AAAA", {"y@example.org"});
    changed.revoked = true;
    CHECK(keyring.store(changed, present, later) == Stored::updated);
    CHECK(keyring.by_fingerprint("AAAA")->imported == noon);
    CHECK(keyring.by_fingerprint("AAAA")->updated == later);
    CHECK(found(keyring, "x@example.org").empty());
    CHECK(found(keyring, "y@example.org") == Fingerprints{"AAAA"});
}

TEST_CASE("An entry made from what is not there any more is not stored", "[keyring]") {
    const Place place;
    auto first = place.open();
    auto second = place.open();
    REQUIRE(first.store(entry("AAAA", {"x@example.org"}), {}, noon));
    CHECK_FALSE(second.store(entry("AAAA", {"y@example.org"}), {}, noon).has_value());
    CHECK(found(second, "y@example.org").empty());
}

TEST_CASE("remove takes one certificate out of use and leaves the others", "[keyring]") {
    const Place place;
    auto keyring = place.open();
    REQUIRE(keyring.store(entry("AAAA", {"x@example.org"}), {}, noon));
    REQUIRE(keyring.store(entry("BBBB", {"x@example.org"}), {}, noon));
    CHECK(keyring.remove("AAAA", noon));
    CHECK_FALSE(keyring.remove("AAAA", noon));
    CHECK(found(keyring, "x@example.org") == Fingerprints{"BBBB"});
}

TEST_CASE("What was removed is remembered, and forgotten only where nothing is revoked", "[keyring]") {
    const Place place;
    auto keyring = place.open();
    auto bob = entry("AAAA", {"bob@example.org"});
    bob.encryption_keys.pop_back(); // which is revoked
    bob.user_ids.pop_back();
    auto waiting = test::binding("waiting@example.org", BindingState::pending, noon);
    bob.bindings.push_back(waiting);
    REQUIRE(keyring.store(bob, {}, noon));
    REQUIRE(keyring.remove("AAAA", noon));
    CHECK(keyring.empty());
    const auto removed = keyring.by_fingerprint("AAAA");
    REQUIRE(removed.has_value());
    CHECK(addresses_in(*removed, BindingState::former) == Fingerprints{"bob@example.org"});
    CHECK(removed->bindings[0].reason == "certificate removed by a person");
    // It was never used, so it does not count as somebody's certificate.
    CHECK(addresses_in(*removed, BindingState::rejected) == Fingerprints{"waiting@example.org"});

    SECTION("forgotten, it is gone") {
        CHECK(keyring.forget("AAAA", noon));
        CHECK_FALSE(keyring.by_fingerprint("AAAA").has_value());
        CHECK_FALSE(keyring.forget("AAAA", noon));
    }
    SECTION("a revocation outlives that") {
        auto revoked = *removed;
        revoked.revoked = true;
        REQUIRE(keyring.store(revoked, removed, noon));
        CHECK(keyring.forget("AAAA", noon));
        REQUIRE(keyring.by_fingerprint("AAAA").has_value());
        CHECK(keyring.by_fingerprint("AAAA")->bindings.empty());
        CHECK(keyring.by_fingerprint("AAAA")->revoked);
        CHECK(keyring.find(*mail::Address::parse("bob@example.org")).empty());
    }
}

TEST_CASE("A revocation is never taken back by what is stored later", "[keyring]") {
    const Place place;
    auto keyring = place.open();
    const auto whole = entry("AAAA", {"x@example.org"});
    auto revoked = whole;
    revoked.revoked = true;
    revoked.user_ids[0].revoked = true;
    revoked.encryption_keys[0].revoked = true;
    REQUIRE(keyring.store(revoked, {}, noon));
    auto shorter = whole;
    shorter.user_ids.clear();
    shorter.encryption_keys.pop_back();
    for (const auto& later : {whole, shorter}) {
        (void)keyring.store(later, keyring.by_fingerprint("AAAA"), noon);
        const auto stored = *keyring.by_fingerprint("AAAA");
        CHECK(stored.revoked);
        REQUIRE(stored.user_ids.size() == 2);
        CHECK(std::all_of(stored.user_ids.begin(), stored.user_ids.end(),
                          [](const auto& user_id) { return user_id.revoked; }));
        REQUIRE(stored.encryption_keys.size() == 2);
        CHECK(std::all_of(stored.encryption_keys.begin(), stored.encryption_keys.end(),
                          [](const auto& key) { return key.revoked; }));
    }
}

TEST_CASE("Who changed what, and why, is written down and cannot be edited", "[keyring]") {
    const TemporaryDirectory directory;
    const Location location{(directory.path() / "k.db").string()};
    auto keyring = Keyring::open(location, Access::create);
    keyring.act_as("alice");
    REQUIRE(keyring.store(entry("AAAA", {"x@example.org"}), {}, noon));
    keyring.act_as("root (sudo: bob)");
    auto pinned = keyring.find(*mail::Address::parse("x@example.org")).at(0).binding;
    pinned.pinned = true;
    (void)keyring.rebind(
        pinned.address,
        [&](const auto&) {
            return std::vector<Rebinding>{{"AAAA", pinned}};
        },
        noon);
    REQUIRE(keyring.remove("AAAA", noon));
    std::vector<std::string> lines;
    for (const auto& change : keyring.changes_of("AAAA")) {
        lines.push_back(change.what + "|" + change.addresses + "|" + change.who + "|" + change.why);
    }
    CHECK(lines ==
          std::vector<std::string>{"new|x@example.org|alice|", "active|x@example.org|alice|source test.asc",
                                   "pinned|x@example.org|root (sudo: bob)|source test.asc",
                                   "former|x@example.org|root (sudo: bob)|certificate removed by a person"});
    soci::session sql(soci::sqlite3, "db=" + location.path);
    CHECK_THROWS_AS(sql << "DELETE FROM change", soci::soci_error);
    CHECK_THROWS_AS(sql << "UPDATE change SET who = 'nobody'", soci::soci_error);
}

TEST_CASE("for_each visits all by address, and fingerprint parts find by both ends and by encryption key",
          "[keyring]") {
    const Place place;
    auto keyring = place.open();
    REQUIRE(keyring.store(entry("AAAABBBBCCCC", {"z@example.org"}), {}, noon));
    REQUIRE(keyring.store(entry("DDDDEEEEFFFF", {"a@example.org"}), {}, noon));
    Fingerprints visited;
    keyring.for_each([&](const Entry& e) { visited.push_back(e.certificate.fingerprint); });
    CHECK(visited == Fingerprints{"DDDDEEEEFFFF", "AAAABBBBCCCC"});
    CHECK(keyring.by_fingerprint_part("aaaabbbb").size() == 1);
    CHECK(keyring.by_fingerprint_part("BBBBCCCC").size() == 1);
    CHECK(keyring.by_fingerprint_part("EEEEFFFF02").size() == 1);
    CHECK(keyring.by_fingerprint_part("AAAABBB").empty()); // too short to mean one
    CHECK(keyring.by_fingerprint_part("%%%%%%%%").empty());
}

TEST_CASE("Every change is recorded", "[keyring]") {
    const Place place;
    {
        auto keyring = place.open();
        REQUIRE(keyring.store(entry("AAAA", {"x@example.org"}), {}, noon));
        REQUIRE(keyring.remove("AAAA", noon));
    }
    TemporaryDirectory plain; // SOCI's own connection string cannot name every path
    std::filesystem::copy(place.location.path, plain.path() / "copy.db");
    soci::session sql(soci::sqlite3, "db=" + (plain.path() / "copy.db").string());
    Fingerprints changes;
    const soci::rowset<std::string> rows = (sql.prepare << "SELECT what FROM change ORDER BY rowid");
    for (const auto& what : rows) {
        changes.push_back(what);
    }
    CHECK(changes == Fingerprints{"new", "active", "former"});
}

TEST_CASE("A reader sees what a writer has just stored, and is not kept waiting by one in a transaction",
          "[keyring]") {
    const TemporaryDirectory directory;
    const Location location{(directory.path() / "k.db").string()};
    auto writer = Keyring::open(location, Access::create);
    auto reader = Keyring::open(location, Access::read, std::chrono::seconds(0));
    REQUIRE(writer.store(entry("AAAA", {"x@example.org"}), {}, noon));
    CHECK(found(reader, "x@example.org") == Fingerprints{"AAAA"});

    // Asked again, after another connection and after its own changes: what it remembers is never old.
    REQUIRE(writer.store(entry("BBBB", {"x@example.org"}), {}, noon));
    CHECK(found(reader, "x@example.org") == Fingerprints{"AAAA", "BBBB"});
    REQUIRE(reader.remove("BBBB", noon));
    CHECK(found(reader, "x@example.org") == Fingerprints{"AAAA"});

    soci::session other(soci::sqlite3, "db=" + location.path);
    other << "BEGIN IMMEDIATE";
    other << "DELETE FROM binding";
    CHECK(found(reader, "x@example.org") == Fingerprints{"AAAA"});
    CHECK(error_of([&] { (void)reader.store(entry("BBBB", {}), {}, noon); }).kind() == ErrorKind::busy);
    other << "ROLLBACK";
}

TEST_CASE("Two programs that import at the same time lose nothing", "[keyring]") {
    const TemporaryDirectory directory;
    const Location location{(directory.path() / "k.db").string()};
    constexpr unsigned each = 50;
    const auto import_some = [&](const std::string& prefix) {
        auto keyring = Keyring::open(location, Access::create);
        for (unsigned i = 0; i < each; ++i) {
            (void)keyring.store(entry(prefix + std::to_string(i), {"x@example.org"}), {}, noon);
        }
    };
    std::thread first([&] { import_some("A"); });
    std::thread second([&] { import_some("B"); });
    first.join();
    second.join();
    CHECK(Keyring::open(location, Access::read).size() == 2 * each);
}

TEST_CASE("A keyring that cannot be used says what it is and what to do", "[keyring]") {
    const TemporaryDirectory directory;
    const auto path = (directory.path() / "k.db").string();
    const Location location{path};
    const auto open_error = [&] {
        return error_of([&] { (void)Keyring::open(location, Access::read, std::chrono::seconds(0)); });
    };

    SECTION("missing") {
        const auto error = open_error();
        CHECK(error.kind() == ErrorKind::unavailable);
        CHECK(std::string(error.what()).find(path) != std::string::npos);
        CHECK(error.hint().find("import") != std::string::npos);
        CHECK_FALSE(std::filesystem::exists(path));
    }
    SECTION("in a directory that is missing") {
        const Location nowhere{(directory.path() / "no" / "k.db").string()};
        CHECK(error_of([&] { (void)Keyring::open(nowhere, Access::create); }).kind() ==
              ErrorKind::unavailable);
    }
    SECTION("a directory") {
        std::filesystem::create_directory(path);
        CHECK(open_error().kind() == ErrorKind::unavailable);
    }
    SECTION("not a database") {
        std::ofstream(path) << std::string(5000, 'x');
        CHECK(open_error().kind() == ErrorKind::malformed);
    }
    SECTION("another program's database") {
        soci::session(soci::sqlite3, "db=" + path) << "CREATE TABLE t (x INTEGER)";
        const auto error = open_error();
        CHECK(error.kind() == ErrorKind::malformed);
        CHECK(std::string(error.what()).find("not a keyring") != std::string::npos);
    }
    SECTION("of a newer schema") {
        { (void)Keyring::open(location, Access::create); }
        soci::session(soci::sqlite3, "db=" + path) << "UPDATE lockbox_keyring SET schema_version = 99";
        const auto error = open_error();
        CHECK(error.kind() == ErrorKind::unavailable);
        CHECK(std::string(error.what()).find("99") != std::string::npos);
    }
    SECTION("locked") {
        { (void)Keyring::open(location, Access::create); }
        soci::session sql(soci::sqlite3, "db=" + path);
        sql << "PRAGMA locking_mode = EXCLUSIVE";
        sql << "BEGIN EXCLUSIVE";
        CHECK(open_error().kind() == ErrorKind::busy);
    }
}

TEST_CASE("A connection that has looked something up can still write after others have", "[keyring]") {
    const TemporaryDirectory directory;
    const Location location{(directory.path() / "k.db").string()};
    auto first = Keyring::open(location, Access::create, std::chrono::seconds(0));
    auto second = Keyring::open(location, Access::create, std::chrono::seconds(0));
    CHECK(found(first, "x@example.org").empty());
    REQUIRE(second.store(entry("AAAA", {"x@example.org"}), {}, noon));
    CHECK(first.store(entry("BBBB", {"x@example.org"}), {}, noon) == Stored::added);
}

TEST_CASE("A newer program's schema is noticed by a connection that is open", "[keyring]") {
    const TemporaryDirectory directory;
    const Location location{(directory.path() / "k.db").string()};
    auto keyring = Keyring::open(location, Access::create);
    CHECK(found(keyring, "x@example.org").empty());
    soci::session(soci::sqlite3, "db=" + location.path) << "UPDATE lockbox_keyring SET schema_version = 99";
    CHECK(error_of([&] { (void)found(keyring, "x@example.org"); }).kind() == ErrorKind::unavailable);
}

TEST_CASE("A keyring that was removed or replaced under an open connection is noticed", "[keyring]") {
    const TemporaryDirectory directory;
    const Location location{(directory.path() / "k.db").string()};
    const auto keyring = Keyring::open(location, Access::create);
    CHECK(keyring.still_in_place());
    std::filesystem::remove(location.path);
    CHECK_FALSE(keyring.still_in_place());
    (void)Keyring::open(location, Access::create);
    CHECK_FALSE(keyring.still_in_place());
}

TEST_CASE("Locations are SQLite files, written in either way", "[keyring]") {
    CHECK(Location::parse("sqlite:///var/lib/x.db").path == "/var/lib/x.db");
    CHECK(Location::parse("/var/lib/x.db").path == "/var/lib/x.db");
    CHECK(Location::parse("x.db").path == "x.db");
    for (const auto* wrong : {"", "sqlite://", "sqlite://relative", "postgresql://host/db", "http://x"}) {
        CAPTURE(wrong);
        CHECK(error_of([&] { (void)Location::parse(wrong); }).kind() == ErrorKind::configuration);
    }
}
