#include "keyring/takeover.hpp"
#include "tests/support/bindings.hpp"
#include "tests/support/catch.hpp"

#include <map>

using namespace lockbox;
using namespace lockbox::keyring;

namespace {

constexpr Time noon{std::chrono::seconds(1'780'315'200)};
const auto bob = mail::Address::parse("bob@example.org").value();
const auto mallory = mail::Address::parse("mallory@example.net").value();

Entry certificate(const std::string& fingerprint, const std::vector<std::string>& user_ids,
                  crypto::Protocol protocol = crypto::Protocol::openpgp) {
    Entry entry;
    entry.certificate.fingerprint = fingerprint;
    entry.certificate.protocol = protocol;
    for (const auto& address : user_ids) {
        entry.user_ids.push_back({"<" + address + ">", address, false});
    }
    return entry;
}

/// A keyring and an import of one certificate into it.
struct World {
    std::vector<Entry> entries;
    std::optional<Alias> domain_alias;
    Grounds grounds;

    void has(Entry entry, const std::vector<std::string>& addresses) {
        entry.bindings = test::bindings(addresses);
        entries.push_back(std::move(entry));
    }
    [[nodiscard]] Known known(const mail::Address& address) const {
        Known known;
        for (const auto& entry : entries) {
            for (const auto& binding : entry.bindings) {
                if (binding.address.folded() == address.folded()) {
                    known.bound.push_back({binding, entry});
                }
            }
        }
        known.domain_alias = domain_alias;
        return known;
    }
    Rebound import(Entry entry, const std::vector<std::string>& proposed, const BaseOf& base_of = {}) {
        for (const auto& address : proposed) {
            grounds.proposals.push_back({mail::Address::parse(address).value()});
        }
        for (const auto& before : entries) {
            if (before.certificate.fingerprint == entry.certificate.fingerprint) {
                entry.bindings = before.bindings;
            }
        }
        return rebind_at_import(
            entry, grounds, [this](const mail::Address& address) { return known(address); }, base_of, noon);
    }
};

BindingState state_of(const Rebound& rebound, const mail::Address& address) {
    for (const auto& binding : rebound.own) {
        if (binding.address == address) {
            return binding.state;
        }
    }
    FAIL("no binding for " << address.to_string());
    return BindingState::rejected;
}

} // namespace

TEST_CASE("The first certificate of an address is used", "[keyring]") {
    World world;
    const auto rebound = world.import(certificate("B", {"bob@example.org"}), {"bob@example.org"});
    CHECK(state_of(rebound, bob) == BindingState::active);
    CHECK(rebound.waiting.empty());
}

TEST_CASE("A new address on a certificate that is known waits, whether somebody has it or not", "[keyring]") {
    const bool bob_has_one = GENERATE(true, false);
    World world;
    if (bob_has_one) {
        world.has(certificate("B", {"bob@example.org"}), {"bob@example.org"});
    }
    world.has(certificate("M", {"mallory@example.net"}), {"mallory@example.net"});
    const auto rebound = world.import(certificate("M", {"mallory@example.net", "bob@example.org"}),
                                      {"mallory@example.net", "bob@example.org"});
    CHECK(state_of(rebound, bob) == BindingState::pending);
    CHECK(state_of(rebound, mallory) == BindingState::active);
    REQUIRE(rebound.waiting.size() == 1);
    CHECK(rebound.waiting[0].rival == (bob_has_one ? "B" : ""));
    CHECK(rebound.of_others.empty());
}

TEST_CASE("Another certificate for an address that has one waits, in whatever protocol and spelling",
          "[keyring]") {
    const auto protocol = GENERATE(crypto::Protocol::openpgp, crypto::Protocol::smime);
    const auto* const spelling = GENERATE("bob@example.org", "Bob@example.org", "BOB@EXAMPLE.ORG");
    CAPTURE(spelling);
    World world;
    world.has(certificate("B", {"bob@example.org"}), {"bob@example.org"});
    const auto rebound = world.import(certificate("M", {spelling}, protocol), {spelling});
    CHECK(rebound.own.at(0).state == BindingState::pending);
    CHECK(rebound.waiting.at(0).rival == "B");
}

TEST_CASE("An address that another one is sealed for in its place has somebody already", "[keyring]") {
    World world;
    SECTION("the address without its extension") {
        world.has(certificate("B", {"bob@example.org"}), {"bob@example.org"});
    }
    SECTION("the alias of the domain") {
        world.domain_alias = Alias{*AliasName::parse("@example.org"), {}, certificate("G", {})};
    }
    const auto rebound =
        world.import(certificate("M", {"bob+x@example.org"}), {"bob+x@example.org"},
                     [](const mail::Address& address) { return address.without_extension('+'); });
    CHECK(rebound.own.at(0).state == BindingState::pending);

    World person;
    person.has(certificate("B", {"bob@example.org"}), {"bob@example.org"});
    person.grounds.replace = true;
    const auto replaced =
        person.import(certificate("M", {"bob+x@example.org"}), {"bob+x@example.org"},
                      [](const mail::Address& address) { return address.without_extension('+'); });
    CHECK(replaced.own.at(0).state == BindingState::active);
    CHECK(replaced.of_others.empty()); // bob's own stays
}

TEST_CASE("A person's word replaces those of the same protocol, but for what is pinned", "[keyring]") {
    World world;
    world.has(certificate("B", {"bob@example.org"}), {"bob@example.org"});
    world.has(certificate("S", {"bob@example.org"}, crypto::Protocol::smime), {"bob@example.org"});
    world.grounds.replace = true;
    SECTION("replaced") {
        const auto rebound = world.import(certificate("N", {"bob@example.org"}), {"bob@example.org"});
        CHECK(state_of(rebound, bob) == BindingState::active);
        REQUIRE(rebound.of_others.size() == 1);
        CHECK(rebound.of_others[0].fingerprint == "B");
        CHECK(rebound.of_others[0].binding.state == BindingState::former);
        CHECK(rebound.of_others[0].binding.reason == "certificate replaced by N");
    }
    SECTION("pinned") {
        world.entries[0].bindings[0].pinned = true;
        const auto rebound = world.import(certificate("N", {"bob@example.org"}), {"bob@example.org"});
        CHECK(state_of(rebound, bob) == BindingState::pending);
        CHECK(rebound.of_others.empty());
    }
}

TEST_CASE("A renewal is used for the address that it renews, and for no other", "[keyring]") {
    World world;
    world.has(certificate("B", {"bob@example.org", "ceo@example.org"}),
              {"bob@example.org", "ceo@example.org"});
    world.grounds.renews[{bob, "B"}] = "that one has certified it";
    const auto pinned = GENERATE(false, true);
    world.entries[0].bindings[0].pinned = pinned;
    const auto rebound = world.import(certificate("N", {"bob@example.org", "ceo@example.org"}),
                                      {"bob@example.org", "ceo@example.org"});
    CHECK(state_of(rebound, bob) == (pinned ? BindingState::pending : BindingState::active));
    CHECK(state_of(rebound, mail::Address::parse("ceo@example.org").value()) == BindingState::pending);
    CHECK(rebound.of_others.empty()); // the old one ends by itself
    CHECK(rebound.remarks.size() == (pinned ? 0U : 1U));
}

TEST_CASE("Revoked, expired and missing User IDs make former addresses", "[keyring]") {
    World world;
    world.has(certificate("B", {"bob@example.org"}), {"bob@example.org"});
    auto entry = certificate("B", {"bob@example.org", "new@example.org"});
    entry.user_ids[0].revoked = true;
    SECTION("revoked") {
        const auto rebound = world.import(entry, {"new@example.org"});
        CHECK(state_of(rebound, bob) == BindingState::former);
        CHECK(rebound.own.at(0).reason == "certificate revoked for this address");
    }
    SECTION("revoked, also when a person had named the address") {
        world.entries[0].bindings[0].assigned = true;
        CHECK(state_of(world.import(entry, {}), bob) == BindingState::former);
    }
    SECTION("gone") {
        entry.user_ids.erase(entry.user_ids.begin());
        const auto rebound = world.import(entry, {"new@example.org"});
        CHECK(state_of(rebound, bob) == BindingState::former);
        CHECK(rebound.own.at(0).reason == "certificate does not name this address any more");
    }
    SECTION("expired") {
        entry.user_ids[0].revoked = false;
        entry.user_ids[0].expires = noon;
        CHECK(state_of(world.import(entry, {}), bob) == BindingState::former);
    }
    SECTION("gone, but a person had named the address") {
        world.entries[0].bindings[0].assigned = true;
        entry.user_ids.clear();
        CHECK(state_of(world.import(entry, {}), bob) == BindingState::active);
    }
    SECTION("it will expire: the binding ends then") {
        entry.user_ids[0].revoked = false;
        entry.user_ids[0].expires = noon + std::chrono::hours(1);
        CHECK(world.import(entry, {"bob@example.org"}).own.at(0).good_until == noon + std::chrono::hours(1));
    }
}

TEST_CASE("The addresses of a certificate that is revoked stay its own: nobody slips into their place",
          "[keyring]") {
    World world;
    world.has(certificate("B", {"bob@example.org"}), {"bob@example.org"});
    auto revoked = certificate("B", {"bob@example.org"});
    revoked.revoked = true;
    revoked.user_ids[0].revoked = true; // as GnuPG has it then
    CHECK(state_of(world.import(revoked, {}), bob) == BindingState::active);
    world.grounds.proposals.clear();
    CHECK(world.import(certificate("M", {"bob@example.org"}), {"bob@example.org"}).own.at(0).state ==
          BindingState::pending);
}

TEST_CASE("A former address comes back with the certificate unless it was revoked, or somebody has it",
          "[keyring]") {
    World world;
    world.has(certificate("B", {"bob@example.org"}), {"bob@example.org"});
    auto& binding = world.entries[0].bindings[0];
    binding.state = BindingState::former;
    binding.reason = former_because::removed;
    SECTION("it comes back") {
        CHECK(state_of(world.import(certificate("B", {"bob@example.org"}), {"bob@example.org"}), bob) ==
              BindingState::active);
    }
    SECTION("revoked") {
        binding.reason = former_because::revoked;
        CHECK(state_of(world.import(certificate("B", {"bob@example.org"}), {"bob@example.org"}), bob) ==
              BindingState::former);
    }
    SECTION("somebody has it") {
        world.has(certificate("N", {"bob@example.org"}), {"bob@example.org"});
        const auto rebound = world.import(certificate("B", {"bob@example.org"}), {"bob@example.org"});
        CHECK(state_of(rebound, bob) == BindingState::former);
        CHECK(rebound.waiting.size() == 1);
    }
}

TEST_CASE("What a person has rejected is not offered again", "[keyring]") {
    World world;
    world.has(certificate("M", {"bob@example.org"}), {"bob@example.org"});
    world.entries[0].bindings[0].state = BindingState::rejected;
    const auto rebound = world.import(certificate("M", {"bob@example.org"}), {"bob@example.org"});
    CHECK(state_of(rebound, bob) == BindingState::rejected);
    CHECK(rebound.waiting.at(0).state == BindingState::rejected);
}
