#include "base/error.hpp"
#include "crypto/openssl_handles.hpp"
#include "crypto/revocation.hpp"
#include "tests/support/data.hpp"

#include <openssl/pem.h>

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
    return lists.status(x509(name), chain).revoked.has_value();
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
        CHECK_FALSE(
            is_revoked(*lists, "revoked", {})); // a person vouched for it alone, and its CA is unknown
    }
    CHECK(is_revoked(*RevocationLists::load({path_of("root.der.crl")}), "revoked-by-root", {"root"}));
    CHECK(is_revoked(*RevocationLists::load({path_of("stale.crl")}), "revoked", {"issuing", "root"}));
    CHECK_FALSE(is_revoked(*RevocationLists::load({}), "revoked", {"issuing", "root"}));
}

TEST_CASE("A list that somebody else has signed in the issuer's name revokes nothing", "[crypto]") {
    CHECK_FALSE(is_revoked(*RevocationLists::load({path_of("forged.crl")}), "alice", {"issuing", "root"}));
}

namespace {

/// tests/data/x509/NAME.pem: Bob's certificate and its issuer, and the root.
struct Bob {
    explicit Bob(const std::string& name) {
        const auto text = test::data("x509/" + name + ".pem") + test::data("x509/root.pem");
        const auto bio = bio_reading(text);
        while (const X509Handle certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
            chain.push_back(der_of(certificate.get()));
        }
        der = chain.front();
        chain.erase(chain.begin());
    }
    std::string der;
    std::vector<std::string> chain;
};

std::shared_ptr<const RevocationLists> lists_of(const std::vector<std::string>& names,
                                                const std::vector<std::string>& authorities = {}) {
    std::vector<std::string> paths;
    for (const auto& name : names) {
        paths.push_back(std::string(LOCKBOX_TEST_DATA) + "/x509/" + name + ".crl");
    }
    return RevocationLists::load(paths, authorities);
}

} // namespace

TEST_CASE("A list is found by its authority's name however that is written (RFC 5280 section 7.1)",
          "[crypto]") {
    const Bob bob("printable");
    CHECK(lists_of({"printable"})->status(bob.der, bob.chain).revoked);
}

TEST_CASE("Any known certificate of an authority tells that it has signed a list", "[crypto]") {
    const Bob bob("renewed");
    const auto new_key = test::x509("../x509/renewed-new-key");
    SECTION("the issuer in the chain has another key") {
        const auto unknown = lists_of({"renewed"});
        const auto status = unknown->status(bob.der, bob.chain);
        CHECK_FALSE(status.revoked);
        CHECK_THAT(status.unknown, test::contains_text("no authority that is known has signed it"));
        REQUIRE(unknown->of_unknown_authorities().size() == 1);
        CHECK_THAT(unknown->of_unknown_authorities()[0], test::contains_text("renewed.crl"));
    }
    SECTION("the new one is known") {
        const auto known = lists_of({"renewed"}, {new_key});
        CHECK(known->status(bob.der, bob.chain).revoked);
        CHECK(known->of_unknown_authorities().empty());
    }
    SECTION("somebody vouches for the certificate, whose chain is not known") {
        CHECK(lists_of({"renewed"}, {new_key})->status(bob.der, {}).revoked);
        const Bob good("good");
        CHECK(lists_of({"good"}, {good.chain[0]})->status(good.der, {}).revoked);
        CHECK_FALSE(lists_of({"good"}, {new_key})->status(good.der, {}).revoked);
    }
}

TEST_CASE(
    "What a list does not say is not known where it does not cover the certificate, or is not understood",
    "[crypto]") {
    struct Case {
        std::string list;
        std::string unknown; ///< empty: it is not revoked
    };
    const auto c = GENERATE(
        Case{"good-empty", ""}, Case{"good-users", ""}, // Bob is a user
        Case{"good-unknown-extension", "it has the critical extension 1.2.3.4, which is not understood"},
        Case{"good-some-reasons", "it is for some reasons only"},
        Case{"good-indirect", "it is an indirect one"},
        Case{"good-shard", "it covers other certificates of that authority"},
        Case{"good-forged", "no authority that is known has signed it"});
    CAPTURE(c.list);
    const Bob bob("good");
    for (int again = 0; again < 2; ++again) {
        const auto status = lists_of({c.list})->status(bob.der, bob.chain);
        CHECK_FALSE(status.revoked);
        if (c.unknown.empty()) {
            CHECK(status.unknown.empty());
        } else {
            CHECK_THAT(status.unknown, test::contains_text(c.unknown));
            CHECK_THAT(status.unknown, test::contains_text("'CN=Issuer good,O=Example'"));
        }
    }
    // Another list says it, or that it is revoked.
    CHECK(lists_of({c.list, "good-empty"})->status(bob.der, bob.chain) == RevocationStatus());
    CHECK(lists_of({c.list, "good"})->status(bob.der, bob.chain).revoked);
    CHECK(lists_of({c.list, "root"})->status(bob.der, bob.chain).revoked); // its issuer is
}

TEST_CASE("What a list says counts, also where not all of it is understood", "[crypto]") {
    const Bob bob("good");
    CHECK(lists_of({"good-revoked-unknown-extension"})->status(bob.der, bob.chain).revoked);
}

TEST_CASE("Of a certificate whose authority has no list there is nothing to be said", "[crypto]") {
    const Bob bob("good-ec");
    CHECK(lists_of({"good", "renewed"})->status(bob.der, bob.chain) == RevocationStatus());
    CHECK(lists_of({})->status(bob.der, bob.chain) == RevocationStatus());
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
        {path_of("missing.crl"), path_of("issuing.crl"), path_of("alice.pem")}, {}, problems);
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
