#include "keyring/choice.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox;
using namespace lockbox::keyring;

namespace {

constexpr Time day(int year) {
    return std::chrono::sys_days(std::chrono::year(year) / 1 / 1);
}

Entry entry(std::string fingerprint, int made, Trust trust = Trust::manual) {
    Entry result;
    result.certificate.fingerprint = std::move(fingerprint);
    result.created = day(made);
    result.trust = trust;
    result.encryption_keys = {
        {result.certificate.fingerprint + "-KEY", "cv25519", day(made), std::nullopt, false}};
    return result;
}

std::string chosen(std::vector<Entry> entries) {
    const auto choice = choose(entries, {}, day(2026));
    return choice.chosen != nullptr ? choice.chosen->certificate.fingerprint + ": " + choice.reason : "none";
}

} // namespace

TEST_CASE("The choice is explained, and does not depend on the order", "[keyring]") {
    const auto reversed = GENERATE(false, true);
    const auto pick = [&](std::vector<Entry> entries) {
        if (reversed) {
            std::reverse(entries.begin(), entries.end());
        }
        return chosen(std::move(entries));
    };
    auto revoked = entry("R", 2025);
    revoked.revoked = true;
    CHECK(pick({}) == "none");
    CHECK(pick({revoked}) == "none");
    CHECK(pick({entry("A", 2020)}) == "A: the only certificate");
    CHECK(pick({entry("A", 2020), revoked}) == "A: the only usable certificate");
    CHECK(pick({entry("A", 2020), entry("B", 2024)}) == "B: newest of 2 usable certificates");
    CHECK(pick({entry("A", 2020, Trust::manual), entry("B", 2024, Trust::discovered)}) ==
          "A: best trusted of 2 usable certificates");
    CHECK(pick({entry("B", 2020), entry("A", 2020)}) ==
          "A: smallest fingerprint of 2 equally new usable certificates");
}

TEST_CASE("The chosen certificate carries the key to encrypt to, the others their reasons", "[keyring]") {
    auto revoked = entry("R", 2025);
    revoked.revoked = true;
    const std::vector<Entry> entries{entry("A", 2020), revoked, entry("B", 2024)};
    const auto choice = choose(entries, {crypto::Protocol::openpgp}, day(2026));
    REQUIRE(choice.certificate.has_value());
    CHECK(choice.certificate->encryption_key == "B-KEY");
    REQUIRE(choice.rejected.size() == 2);
    CHECK(choice.rejected[0].entry->certificate.fingerprint == "A");
    CHECK_FALSE(choice.rejected[0].unusable);
    CHECK(choice.rejected[1].reason == "certificate revoked");
    CHECK(choice.rejected[1].unusable);
}

TEST_CASE("Another protocol's certificates are not looked at", "[keyring]") {
    const std::vector<Entry> entries{entry("A", 2020)};
    const auto choice = choose(entries, {crypto::Protocol::smime}, day(2026));
    CHECK(choice.chosen == nullptr);
    CHECK(choice.rejected.empty());
}
