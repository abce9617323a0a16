#include "policy/judge.hpp"
#include "tests/policy/judging.hpp"
#include "tests/support/catch.hpp"

#include <stdexcept>

using namespace lockbox;
using namespace lockbox::policy;
using namespace lockbox::policy::test;
using namespace std::chrono_literals;

// --- Whose certificate it is ---

TEST_CASE("only a certificate of the very address is used", "[policy]") {
    struct Case {
        const char* of_certificate;
        const char* recipient;
        bool case_sensitive;
        bool sealed;
    };
    const auto [of_certificate, recipient, case_sensitive, sealed] = GENERATE(values<Case>({
        {"bob@example.org", "<bob@example.org>", true, true},
        {"bob@example.org", "<bob@EXAMPLE.org>", true, true},
        {"bob@example.org", "<\"bob\"@example.org.>", true, true},
        {"bob@example.org", "<Bob@example.org>", false, true},
        {"BOB@example.org", "<bob@example.org>", false, true},
        {"bob@example.org", "<Bob@example.org>", true, false},
        {"bob@example.org", "<bob+list@example.org>", true, false},
        {"bob@example.org", "<bob@sub.example.org>", false, false},
        {"bob@example.org", "<b.ob@example.org>", false, false},
        {"bob@example.org", "<rob@example.org>", false, false},
    }));
    CAPTURE(of_certificate, recipient, case_sensitive);
    World world({recipient});
    if (case_sensitive) {
        world.policy.case_sensitive_domains = {"example.org"};
    }
    // The keyring is wrong and answers with everything: judge() looks for itself.
    KeyringView view;
    view[*world.transaction.recipients[0].address].bound = {
        {lockbox::test::binding(of_certificate), entry('B', {of_certificate})}};
    const auto plan = world.plan_with(view);
    CHECK(plan.decisions[0].handling == (sealed ? Handling::sealed : Handling::clear));
}

TEST_CASE("another case of the address counts only where nothing has the exact one", "[policy]") {
    World world({"<bob@example.org>"});
    SECTION("both are usable: the exact one, though the other is newer and better trusted") {
        auto other = entry('A', {"Bob@example.org"});
        other.encryption_keys[0].created = noon - 24h;
        auto exact = entry('B', {"bob@example.org"});
        exact.bindings.front().trust = keyring::Trust::harvested;
        world.has(other).has(exact);
        CHECK(world.plan().decisions[0].certificate == certificate('B'));
    }
    SECTION("the exact one is unusable: nobody else's is taken for it") {
        world.has(entry('A', {"Bob@example.org"})).has(expired(entry('B', {"bob@example.org"})));
        CHECK(world.plan().outcome == Outcome::refuse);
        CHECK(world.plan().decisions[0].passed_over.size() == 1);
    }
}

TEST_CASE("an address of which nothing is known counts without its extension", "[policy]") {
    World world({"<bob+tag@example.org>"});
    const auto only = [&]() -> Decision { return world.plan().decisions.at(0); };
    SECTION("that one's certificate") {
        world.has(entry('B', {"bob@example.org"}));
        CHECK(only().certificate == certificate('B'));
        CHECK(only().reason ==
              "the only certificate (found for bob@example.org, without the extension +tag)");
        CHECK(only().address == at("bob+tag@example.org"));
    }
    SECTION("which is unusable: that is not none") {
        world.has(expired(entry('B', {"bob@example.org"})));
        CHECK(world.plan().outcome == Outcome::refuse);
        CHECK(only().reason == "certificate expired on 2026-01-02 (found for bob@example.org, without the "
                               "extension +tag)");
    }
    SECTION("unless the whole address has one") {
        world.has(entry('A', {"bob+tag@example.org"})).has(entry('B', {"bob@example.org"}));
        CHECK(only().certificate == certificate('A'));
    }
    SECTION("or has one that is unusable") {
        world.has(expired(entry('A', {"Bob+Tag@example.org"}))).has(entry('B', {"bob@example.org"}));
        CHECK(world.plan().outcome == Outcome::refuse);
    }
    SECTION("or is an alias") {
        world.group("bob+tag@example.org", {"carol@example.com"}).has(entry('B', {"bob@example.org"}));
        CHECK(only().address == at("carol@example.com"));
    }
    SECTION("its aliases count too") {
        world.group("bob@example.org", {"carol@example.com"}).has(entry('C', {"carol@example.com"}));
        CHECK(only().address == at("carol@example.com"));
        CHECK(only().certificate == certificate('C'));
    }
    SECTION("for certificates as well") {
        world.alias("bob@example.org", entry('B', {"x@example.com"}));
        CHECK(only().certificate == certificate('B'));
    }
    SECTION("before the alias of the domain") {
        world.alias("@example.org", entry('D', {"x@example.com"}));
        CHECK(only().certificate == certificate('D'));
        world.has(entry('B', {"bob@example.org"}));
        CHECK(only().certificate == certificate('B'));
    }
    SECTION("not where local parts are compared exactly") {
        world.policy.case_sensitive_domains = {"example.org"};
        world.has(entry('B', {"bob@example.org"}));
        CHECK(only().handling == Handling::clear);
    }
    SECTION("nor where nothing separates an extension, or something else does") {
        world.policy.subaddress_separator = GENERATE(as<std::optional<char>>{}, std::nullopt, '-');
        world.has(entry('B', {"bob@example.org"}));
        CHECK(only().handling == Handling::clear);
    }
    SECTION("of a member of an alias, too") {
        world.transaction.recipients = {Path::from("<team@example.com>")};
        world.group("team@example.com", {"bob+team@example.org"}).has(entry('B', {"bob@example.org"}));
        CHECK(only().address == at("bob+team@example.org"));
        CHECK(only().certificate == certificate('B'));
    }
}

TEST_CASE("a local part is found in whatever form of Unicode it is written", "[policy]") {
    const auto spelling = GENERATE(as<std::string>{}, "<ren\u00e9@example.org>", "<rene\u0301@example.org>",
                                   "<REN\u00c9@example.org>");
    const auto of_certificate =
        GENERATE(as<std::string>{}, "ren\u00e9@example.org", "Rene\u0301@example.org");
    CAPTURE(spelling, of_certificate);
    World world({spelling});
    world.has(entry('B', {of_certificate}));
    CHECK(world.plan().decisions.at(0).certificate == certificate('B'));
    world.keyring = {entry('B', {"rene@example.org"})};
    CHECK(world.plan().decisions.at(0).handling == Handling::clear);
}

TEST_CASE("a keyring that was not asked does not look like one that has nothing", "[policy]") {
    World world({"<bob@example.org>"});
    CHECK_THROWS_AS(world.plan_with({}), std::logic_error);
    KeyringView other;
    other[*mail::Address::parse("Bob@example.org")] = {};
    CHECK_THROWS_AS(world.plan_with(other), std::logic_error);
}

TEST_CASE("the keyring is asked for each address once, and for none that it cannot help", "[policy]") {
    World world(
        {"<bob@example.org>", "<eve@example.com>", "<bob@EXAMPLE.org>", "<root>", "<Bob@example.org>"});
    auto addresses = world.inquiry().addresses();
    REQUIRE(addresses.size() == 3);
    CHECK(addresses[0].to_string() == "bob@example.org");
    CHECK(addresses[1].to_string() == "eve@example.com");
    CHECK(addresses[2].to_string() == "Bob@example.org");
}

TEST_CASE("a recipient in clear is asked for only where it may stand for somebody who is sealed to",
          "[policy]") {
    struct Case {
        std::vector<std::string> rules;
        std::size_t asked;
        bool certificates;
    };
    const auto [rules, asked, certificates] = GENERATE(values<Case>({
        {{"to=* never"}, 0, false},
        {{"never"}, 0, false},
        {{"from=alice@example.net never", "require"}, 0, false},
        {{"from=@example.com require", "from=alice@example.net never", "require"}, 0, false},
        {{"to=bob@example.org never"}, 1, false}, // the default prefers
        {{"to=bob@example.org never", "to=* require"}, 1, false},
        {{"to=@bank.example require", "from=alice@example.net never"}, 1, false},
        {{"require"}, 1, true},
    }));
    CAPTURE(rules);
    const World world({"<bob@example.org>"}, rules);
    CHECK(world.inquiry().addresses().size() == asked);
    CHECK(world.inquiry().wants_certificates() == certificates);
}

TEST_CASE("a message without a recipient is deferred: nothing was decided", "[policy]") {
    World world({});
    world.policy.scope = GENERATE(Scope::outgoing, Scope::incoming, Scope::all);
    CHECK(world.plan().outcome == Outcome::defer);
}

// --- Aliases for certificates ---

TEST_CASE("an alias for a certificate comes before the address's own", "[policy]") {
    World world({"<role@example.org>"});
    world.field("To", " role@example.org");
    world.has(entry('A', {"role@example.org"})).alias("role@example.org", entry('B', {"bob@example.org"}));
    const auto plan = world.plan();
    REQUIRE(plan.decisions.size() == 1);
    CHECK(plan.decisions[0].certificate == certificate('B'));
    CHECK(plan.decisions[0].reason == "the certificate of the alias role@example.org");
    CHECK(plan.decisions[0].address == at("role@example.org"));
    CHECK(plan.decisions[0].via.empty());
    CHECK_FALSE(plan.changes_recipients());
    CHECK(plan.copies == std::vector<Copy>{Copy(sealed_copy({0}, {certificate('B')}))});
}

TEST_CASE("an alias's certificate that is unusable is no reason to take another one, or none", "[policy]") {
    struct Case {
        const char* rule;
        const char* handling;
    };
    const auto [rule, handling] = GENERATE(values<Case>({
        {"require", "refused"},
        {"prefer", "refused"},
        {"prefer defer", "deferred"},
        {"prefer clear-if-unusable", "clear"},
        {"prefer smime", "sealed"}, // that of the alias is OpenPGP: it does not count
    }));
    CAPTURE(rule);
    World world({"<role@example.org>"}, {rule});
    world.has(entry('A', {"role@example.org"}))
        .has(entry('C', {"role@example.org"}, crypto::Protocol::smime))
        .alias("role@example.org", expired(entry('B', {"bob@example.org"})));
    const auto plan = world.plan();
    CHECK(to_string(plan.decisions[0].handling) == handling);
    if (plan.decisions[0].handling == Handling::refused) {
        CHECK(plan.reason ==
              "<role@example.org>: certificate expired on 2026-01-02 (alias role@example.org)");
        CHECK(plan.decisions[0].passed_over ==
              Words{fingerprint('B') + ": certificate expired on 2026-01-02 (alias role@example.org)"});
    }
}

TEST_CASE("a domain's certificate is for those of its addresses that have no usable one", "[policy]") {
    World world({"<bob@partner.example>"});
    world.alias("@partner.example", entry('F', {"gateway@partner.example"}));
    SECTION("no certificate") {
        CHECK(world.plan().decisions[0].certificate == certificate('F'));
        CHECK(world.plan().decisions[0].reason == "the certificate of the alias @partner.example");
    }
    SECTION("a usable one") {
        world.has(entry('B', {"bob@partner.example"}));
        CHECK(world.plan().decisions[0].certificate == certificate('B'));
        CHECK(world.plan().decisions[0].passed_over.empty());
    }
    SECTION("an unusable one") {
        world.has(expired(entry('B', {"bob@partner.example"})));
        CHECK(world.plan().decisions[0].certificate == certificate('F'));
        CHECK(world.plan().decisions[0].passed_over ==
              Words{fingerprint('B') + ": certificate expired on 2026-01-02"});
    }
    SECTION("an alias of its own") {
        world.alias("bob@partner.example", revoked(entry('B', {"bob@example.org"})));
        CHECK(world.plan().outcome == Outcome::refuse);
    }
    SECTION("the domain's is unusable") {
        world.aliases.front() = {world.aliases.front().name, {}, revoked(entry('F', {}))};
        CHECK(world.plan().outcome == Outcome::refuse);
        CHECK(world.plan().reason == "<bob@partner.example>: certificate revoked (alias @partner.example)");
    }
    SECTION("both are") {
        world.has(expired(entry('B', {"bob@partner.example"})));
        world.aliases.front() = {world.aliases.front().name, {}, revoked(entry('F', {}))};
        CHECK(world.plan().reason == "<bob@partner.example>: none of 2 certificates is usable: certificate "
                                     "expired on 2026-01-02");
    }
    SECTION("another domain") {
        world.transaction.recipients[0] = Path::from("<bob@sub.partner.example>");
        CHECK(world.plan().outcome == Outcome::pass);
    }
    SECTION("a member of an alias") {
        world.group("team@example.org", {"bob@partner.example"});
        world.transaction.recipients[0] = Path::from("<team@example.org>");
        CHECK(world.plan().decisions[0].certificate == certificate('F'));
    }
}

TEST_CASE("two who share their domain's certificate share a copy only where both are named", "[policy]") {
    World world({"<bob@partner.example>", "<carol@partner.example>"});
    world.alias("@partner.example", entry('F', {"gateway@partner.example"}));
    CHECK(world.plan().copies.size() == 2);
    world.field("To", " bob@partner.example, carol@partner.example");
    CHECK(world.plan().copies == std::vector<Copy>{Copy(sealed_copy({0, 1}, {certificate('F')}))});
}
