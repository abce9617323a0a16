#include "base/error.hpp"
#include "crypto/revocation.hpp"
#include "tests/support/data.hpp"

#include <filesystem>
#include <fstream>

using namespace lockbox;
using namespace lockbox::crypto;
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
