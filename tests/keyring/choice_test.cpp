#include "keyring/choice.hpp"
#include "tests/support/bindings.hpp"
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
    result.bindings = {test::binding("bob@example.org")};
    result.bindings.front().trust = trust;
    result.encryption_keys = {
        {result.certificate.fingerprint + "-KEY", "cv25519", day(made), std::nullopt, false}};
    return result;
}

std::string chosen(const std::vector<Entry>& entries, const WantedProtocol& wanted = {}) {
    const auto choice = choose(test::candidates(entries), wanted, day(2026));
    return choice.chosen ? choice.chosen->entry->certificate.fingerprint + ": " + choice.reason : "none";
}

Entry in_state(Entry entry, BindingState state) {
    entry.bindings.front().state = state;
    return entry;
}

Entry pinned(Entry entry) {
    entry.bindings.front().pinned = true;
    return entry;
}

Entry expired(Entry entry) {
    entry.expires = day(2025);
    return entry;
}

} // namespace

TEST_CASE("The choice is explained, and does not depend on the order", "[keyring]") {
    const auto reversed = GENERATE(false, true);
    const auto pick = [&](std::vector<Entry> entries) {
        if (reversed) {
            std::reverse(entries.begin(), entries.end());
        }
        return chosen(entries);
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
    const auto choice = choose(test::candidates(entries), {crypto::Protocol::openpgp}, day(2026));
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
    const auto choice = choose(test::candidates(entries), {crypto::Protocol::smime}, day(2026));
    CHECK_FALSE(choice.chosen.has_value());
    CHECK(choice.rejected.empty());
}

TEST_CASE("Only active bindings are chosen among", "[keyring]") {
    const auto state = GENERATE(BindingState::pending, BindingState::rejected, BindingState::former);
    CAPTURE(to_string(state));
    // Newest is a date that the owner of the certificate writes.
    CHECK(chosen({entry("BOB", 2020), in_state(entry("MALLORY", 2025), state)}).substr(0, 3) == "BOB");
    CHECK(chosen({in_state(entry("MALLORY", 2025), state)}) == "none");

    const std::vector<Entry> entries{in_state(entry("MALLORY", 2025), state)};
    const auto choice = choose(test::candidates(entries), {}, day(2026));
    REQUIRE(choice.rejected.size() == 1);
    // A former one counts as a certificate that cannot be used, the others as none.
    CHECK(choice.rejected.front().unusable == (state == BindingState::former));
    CHECK(choice.pending.size() == (state == BindingState::pending ? 1U : 0U));
}

TEST_CASE("What a person trusts or has pinned is not replaced by a weaker one when it ends", "[keyring]") {
    const auto weaker = GENERATE(Trust::harvested, Trust::discovered, Trust::verified);
    CHECK(chosen({expired(entry("BOB", 2020)), entry("OTHER", 2025, weaker)}) == "none");
    CHECK(chosen({expired(pinned(entry("BOB", 2020, weaker))), entry("OTHER", 2025, weaker)}) == "none");
    CHECK(chosen({expired(pinned(entry("BOB", 2020))), entry("OTHER", 2025)}) == "none");

    // Where nobody has decided, the usable one is used; and one of equal trust takes over.
    CHECK(chosen({expired(entry("BOB", 2020, Trust::discovered)), entry("OTHER", 2025, weaker)}) ==
          "OTHER: the only usable certificate");
    CHECK(chosen({expired(entry("BOB", 2020)), entry("OTHER", 2025)}) ==
          "OTHER: the only usable certificate");
    CHECK(chosen({expired(entry("BOB", 2020)), entry("OTHER", 2025), entry("WEAKER", 2026, weaker)}) ==
          "OTHER: the only usable certificate");

    const std::vector<Entry> entries{expired(entry("BOB", 2020)), entry("OTHER", 2025, weaker)};
    const auto choice = choose(test::candidates(entries), {}, day(2026));
    REQUIRE(choice.rejected.size() == 2);
    CHECK(choice.rejected[0].reason ==
          "usable, but does not take the place of BOB, which is trusted by a person");
    CHECK_FALSE(choice.rejected[0].unusable);
    CHECK(choice.rejected[1].reason == "certificate expired on 2025-01-01");
}

TEST_CASE("A pinned certificate is used before a newer, better trusted or preferred one", "[keyring]") {
    CHECK(chosen({pinned(entry("BOB", 2020, Trust::discovered)), entry("OTHER", 2025)}) ==
          "BOB: the pinned one of 2 usable certificates");
    auto smime = entry("SMIME", 2025);
    smime.certificate.protocol = crypto::Protocol::smime;
    CHECK(chosen({pinned(entry("BOB", 2020)), smime}, {{}, crypto::Protocol::smime, true}) ==
          "BOB: the pinned one of 2 usable certificates");
}

TEST_CASE("A former binding says why it is one, and the end of a binding is one of its own", "[keyring]") {
    auto bob = entry("BOB", 2020);
    bob.bindings.front().good_until = day(2025);
    CHECK(why_unusable(bob, bob.bindings.front(), day(2026))->describe() ==
          "certificate for this address until 2025-01-01 only");
    CHECK_FALSE(why_unusable(bob, day(2026)).has_value());
    CHECK(usable_until(bob, bob.bindings.front()) == day(2025));
    bob.bindings.front().state = BindingState::former;
    bob.bindings.front().reason = former_because::removed;
    CHECK(why_unusable(bob, bob.bindings.front(), day(2024))->describe() ==
          "certificate removed by a person");
}
