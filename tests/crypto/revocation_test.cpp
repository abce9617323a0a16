#include "base/error.hpp"
#include "crypto/revocation.hpp"
#include "tests/support/data.hpp"

#include <filesystem>
#include <fstream>

using namespace lockbox;
using namespace lockbox::crypto;
using lockbox::test::test_now;
using lockbox::test::x509;

namespace {

std::string path_of(const std::string& name) {
    return std::string(LOCKBOX_TEST_DATA) + "/smime/" + name;
}

bool is_revoked(const RevocationLists& lists, const std::string& name,
                const std::vector<std::string>& above) {
    std::vector<std::string> chain;
    for (const auto& issuer : above) {
        chain.push_back(x509(issuer));
    }
    return lists.revoked_since(x509(name), chain).has_value();
}

} // namespace

TEST_CASE("A certificate is revoked where its issuer's list says so, of it or of what stands above it",
          "[crypto]") {
    const auto lists = RevocationLists::load({path_of("both.crl")});
    for (int again = 0; again < 2; ++again) {
        CHECK(is_revoked(*lists, "revoked", {"issuing", "root"}));
        CHECK(is_revoked(*lists, "held", {"issuing", "root"}));
        CHECK(is_revoked(*lists, "revoked-by-root", {"root"}));
        CHECK(is_revoked(*lists, "under-withdrawn", {"withdrawn", "root"}));
        CHECK_FALSE(is_revoked(*lists, "alice", {"issuing", "root"}));
        CHECK_FALSE(is_revoked(*lists, "revoked", {})); // a person vouched for it alone: nobody's list counts
    }
    CHECK(is_revoked(*RevocationLists::load({path_of("root.der.crl")}), "revoked-by-root", {"root"}));
    CHECK(is_revoked(*RevocationLists::load({path_of("stale.crl")}), "revoked", {"issuing", "root"}));
    CHECK_FALSE(is_revoked(*RevocationLists::load({}), "revoked", {"issuing", "root"}));
}

TEST_CASE("A list that somebody else has signed in the issuer's name revokes nothing", "[crypto]") {
    CHECK_FALSE(is_revoked(*RevocationLists::load({path_of("forged.crl")}), "alice", {"issuing", "root"}));
}

TEST_CASE("Changed lists are read again; what cannot be read leaves the ones from before", "[crypto]") {
    const TemporaryDirectory directory;
    const auto file = directory.path() / "list.crl";
    std::filesystem::copy(path_of("empty.crl"), file);
    RevocationSource source({file.string()});
    CHECK_FALSE(is_revoked(*source.current().lists, "revoked", {"issuing", "root"}));
    std::filesystem::copy(path_of("issuing.crl"), file, std::filesystem::copy_options::overwrite_existing);
    CHECK(is_revoked(*source.current().lists, "revoked", {"issuing", "root"}));
    std::ofstream(file) << "garbage";
    const auto kept = source.current();
    CHECK(is_revoked(*kept.lists, "revoked", {"issuing", "root"}));
    CHECK(kept.warning.find("list.crl") != std::string::npos);
    CHECK_THROWS_AS(RevocationSource({file.string()}), Error);
}

TEST_CASE("A list that cannot be read leaves the others, and is named", "[crypto]") {
    std::vector<std::string> problems;
    const auto lists = RevocationLists::load_readable(
        {path_of("missing.crl"), path_of("issuing.crl"), path_of("alice.pem")}, problems);
    CHECK(is_revoked(*lists, "revoked", {"issuing", "root"}));
    REQUIRE(problems.size() == 2);
    CHECK(problems[0].find(path_of("missing.crl")) != std::string::npos);
    CHECK(problems[1].find(path_of("alice.pem")) != std::string::npos);
}

TEST_CASE("An authority whose newest list should have had a successor is named", "[crypto]") {
    // tests/data/smime/make.sh has the dates.
    constexpr Time due = std::chrono::sys_days(std::chrono::year(2026) / 4 / 1);
    const auto stale = RevocationLists::load({path_of("stale.crl")});
    CHECK(stale->overdue(due).empty());
    const auto overdue = stale->overdue(due + std::chrono::seconds(1));
    REQUIRE(overdue.size() == 1);
    CHECK(overdue[0].path == path_of("stale.crl"));
    CHECK(overdue[0].issuer == "CN=Example Issuing CA,O=Example");
    CHECK(overdue[0].due == due);
    CHECK(overdue[0].describe().find("2026-04-01") != std::string::npos);
    for (const auto& paths : {std::vector<std::string>{path_of("stale.crl"), path_of("issuing.crl")},
                              std::vector<std::string>{path_of("issuing.crl"), path_of("stale.crl")}}) {
        CHECK(RevocationLists::load(paths)->overdue(test_now).empty());
    }
    CHECK(RevocationLists::load({path_of("stale.crl"), path_of("root.crl")})->overdue(test_now).size() == 1);
}

TEST_CASE("Each overdue list is told once, and once more after it was read again", "[crypto]") {
    const TemporaryDirectory directory;
    const auto file = directory.path() / "list.crl";
    std::filesystem::copy(path_of("stale.crl"), file);
    RevocationSource source({file.string()});
    CHECK(source.newly_overdue(std::chrono::sys_days(std::chrono::year(2026) / 3 / 2)).empty());
    CHECK(source.newly_overdue(test_now).size() == 1);
    CHECK(source.newly_overdue(test_now).empty());
    CHECK(source.newly_overdue(test_now + std::chrono::hours(24)).empty());
    std::ofstream(file, std::ios::app) << test::data("smime/root.crl"); // another size: it has changed
    (void)source.current();
    CHECK(source.newly_overdue(test_now).size() == 1);
}
