#include "policy/judge.hpp"
#include "tests/policy/judging.hpp"
#include "tests/support/catch.hpp"

#include <stdexcept>

using namespace lockbox;
using namespace lockbox::policy;
using namespace lockbox::policy::test;
using namespace std::chrono_literals;

TEST_CASE("an alias becomes those whom it stands for, each with a copy of their own", "[policy]") {
    World world({"<team@example.org>", "<bob@example.org>"});
    world.field("To", " team@example.org, bob@example.org");
    world.group("team@example.org", {"carol@example.org", "dan@example.com", "eve@example.com"});
    world.has(entry('B', {"bob@example.org"}))
        .has(entry('C', {"carol@example.org"}))
        .has(entry('D', {"dan@example.com"}));
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::deliver);
    CHECK(plan.reason == "sealed to 3 of 4 recipients");
    CHECK(plan.changes_recipients());
    CHECK(plan.expanded == Indexes{0});
    REQUIRE(plan.decisions.size() == 4);
    CHECK(handlings(plan) == Words{"sealed", "sealed", "clear", "sealed"});
    CHECK(plan.decisions[0].address == at("carol@example.org"));
    CHECK(plan.decisions[0].recipient == 0);
    CHECK(plan.decisions[0].via == std::vector{at("team@example.org")});
    CHECK(plan.decisions[3].address == at("bob@example.org"));
    CHECK(plan.decisions[3].recipient == 1);
    CHECK(plan.decisions[3].via.empty());
    REQUIRE(plan.copies.size() == 4);
    CHECK(plan.copies[0] == Copy(sealed_copy({3}, {certificate('B')})));
    CHECK(plan.copies[1] == Copy(sealed_copy({0}, {certificate('C')}, true)));
    CHECK(plan.copies[2] == Copy(sealed_copy({1}, {certificate('D')}, true)));
    CHECK(plan.copies[3] == Copy(ClearCopy{{2}}));
}

TEST_CASE("a member of an alias whom To names shares the copy of those named", "[policy]") {
    World world({"<team@example.org>", "<bob@example.org>"});
    world.field("To", " team@example.org, bob@example.org").field("Cc", " carol@example.org");
    world.group("team@example.org", {"carol@example.org"});
    world.has(entry('B', {"bob@example.org"})).has(entry('C', {"carol@example.org"}));
    CHECK(world.plan().copies ==
          std::vector<Copy>{Copy(sealed_copy({0, 1}, {certificate('B'), certificate('C')}))});
}

TEST_CASE("an alias is expanded though nobody is sealed to", "[policy]") {
    World world({"<team@example.org>"});
    world.group("team@example.org", {"carol@example.org", "dan@example.com"});
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::deliver);
    CHECK(plan.changes_recipients());
    CHECK(plan.copies == std::vector<Copy>{Copy(ClearCopy{{0, 1}})});
}

TEST_CASE("aliases among an alias's members are expanded too, with the whole way told", "[policy]") {
    World world({"<all@example.org>"});
    world.group("all@example.org", {"team@example.org", "bob@example.org"})
        .group("team@example.org", {"carol@example.org", "bob@example.org"});
    const auto plan = world.plan();
    REQUIRE(plan.decisions.size() == 2);
    CHECK(plan.decisions[0].address == at("carol@example.org"));
    CHECK(plan.decisions[0].via == std::vector{at("all@example.org"), at("team@example.org")});
    CHECK(plan.decisions[1].address == at("bob@example.org"));
    CHECK(plan.decisions[1].via == std::vector{at("all@example.org"), at("team@example.org")});
}

TEST_CASE("nobody gets a message twice: as a recipient first, otherwise through the first alias",
          "[policy]") {
    World world({"<one@example.org>", "<two@example.org>", "<bob@example.org>"});
    world.group("one@example.org", {"BOB@example.org", "carol@example.org"})
        .group("two@example.org", {"Carol@example.org", "dan@example.org", "bob@example.org"});
    SECTION("spellings that differ in case are one mailbox") {
        const auto plan = world.plan();
        REQUIRE(plan.decisions.size() == 3);
        CHECK(plan.decisions[0].address == at("carol@example.org"));
        CHECK(plan.decisions[0].via == std::vector{at("one@example.org")});
        CHECK(plan.decisions[1].address == at("dan@example.org"));
        CHECK(plan.decisions[2].address == at("bob@example.org"));
        CHECK(plan.decisions[2].via.empty());
        CHECK(plan.expanded == Indexes{0, 1});
    }
    SECTION("but not where the domain says that they are two") {
        world.policy.case_sensitive_domains = {"example.org"};
        CHECK(world.plan().decisions.size() == 5);
    }
}

TEST_CASE("an alias for nobody but direct recipients is expanded all the same: its own address gets nothing",
          "[policy]") {
    World world({"<team@example.org>", "<bob@example.org>"});
    world.field("To", " team@example.org, bob@example.org").group("team@example.org", {"bob@example.org"});
    world.has(entry('B', {"bob@example.org"}));
    const auto plan = world.plan();
    REQUIRE(plan.decisions.size() == 1);
    CHECK(plan.decisions[0].recipient == 1);
    CHECK(plan.changes_recipients());
    CHECK(plan.copies.size() == 1);
    world.keyring.clear();
    CHECK(world.plan().outcome == Outcome::deliver); // not `pass`: the MTA would deliver to the alias
}

TEST_CASE("the alias's spelling counts like a certificate's", "[policy]") {
    World world({"<Team@Example.ORG.>"});
    world.group("tEAM@example.org", {"bob@example.org"});
    CHECK(world.plan().decisions[0].address == at("bob@example.org"));
    world.policy.case_sensitive_domains = {"example.org"};
    CHECK_FALSE(world.plan().changes_recipients());
    world.aliases.clear();
    world.group("Team@example.org", {"bob@example.org"});
    CHECK(world.plan().changes_recipients());
}

TEST_CASE("the rule for a member decides, unless one for an alias on the way requires", "[policy]") {
    struct Case {
        std::vector<std::string> rules;
        const char* handling;
        std::size_t rule;
    };
    const auto [rules, handling, rule] = GENERATE(values<Case>({
        {{"to=carol@example.org require"}, "refused", 1},
        {{"to=carol@example.org require defer", "to=team@example.org require"}, "deferred", 1},
        {{"to=team@example.org require", "to=* prefer"}, "refused", 1},
        {{"to=all@example.org require", "to=carol@example.org never"}, "refused", 1},
        {{"to=team@example.org require defer", "to=carol@example.org prefer"}, "deferred", 1},
        {{"to=team@example.org never", "to=* prefer"}, "clear", 2},
        {{"to=all@example.org never", "to=carol@example.org require"}, "refused", 2},
        {{"to=@example.net require", "to=* never"}, "clear", 2},
        {{"to=all@example.org prefer", "to=carol@example.org never"}, "clear", 2},
    }));
    CAPTURE(rules);
    World world({"<all@example.org>"}, rules);
    world.group("all@example.org", {"team@example.org"}).group("team@example.org", {"carol@example.org"});
    const auto plan = world.plan();
    REQUIRE(plan.decisions.size() == 1);
    CHECK(plan.decisions[0].address == at("carol@example.org"));
    CHECK(to_string(plan.decisions[0].handling) == handling);
    CHECK(plan.decisions[0].rule_number == rule);
}

TEST_CASE("what an alias requires holds for a member who is reached in another way as well", "[policy]") {
    World world({"<first@example.org>", "<strict@example.org>"}, {"to=strict@example.org require", "prefer"});
    world.group("strict@example.org", {"bob@example.org"});
    SECTION("as a recipient") {
        world.transaction.recipients[0] = Path::from("<bob@example.org>");
    }
    SECTION("through another alias") {
        world.group("first@example.org", {"bob@example.org"});
    }
    const auto plan = world.plan();
    REQUIRE(plan.decisions.size() == 1);
    CHECK(plan.decisions[0].recipient == 0);
    CHECK(plan.outcome == Outcome::refuse);
    CHECK(plan.decisions[0].rule_number == 1);
}

TEST_CASE("a member who is refused is named with the alias that the sender wrote", "[policy]") {
    World world({"<all@example.org>"}, {"require"});
    world.group("all@example.org", {"team@example.org"}).group("team@example.org", {"bob@example.org"});
    CHECK(world.plan().outcome == Outcome::refuse);
    CHECK(world.plan().reason == "<bob@example.org> (through <all@example.org>): no certificate");
}

TEST_CASE("an alias that cannot be expanded defers the message, and is named", "[policy]") {
    World world({"<bob@example.org>", "<a@example.org>"});
    world.has(entry('B', {"bob@example.org"}));
    SECTION("a loop") {
        world.group("a@example.org", {"bob@example.org", "b@example.org"})
            .group("b@example.org", {"A@example.org"});
        CHECK(world.plan().reason == "<a@example.org>: the alias leads back to itself: a@example.org > "
                                     "b@example.org > A@example.org");
    }
    SECTION("a loop of one") {
        world.group("a@example.org", {"a@example.org"});
        CHECK(world.plan().reason ==
              "<a@example.org>: the alias leads back to itself: a@example.org > a@example.org");
    }
    SECTION("too deep") {
        world.group("a@example.org", {"1@example.org"});
        for (std::size_t i = 1; i <= keyring::alias_depth_max; ++i) {
            world.group((std::to_string(i) + "@example.org").c_str(),
                        {std::to_string(i + 1) + "@example.org"});
        }
        CHECK(world.plan().reason.substr(0, 61) ==
              "<a@example.org>: aliases are nested more than 10 deep: a@exam");
        world.aliases.pop_back();
        CHECK(world.plan().outcome == Outcome::deliver);
    }
    SECTION("too many") {
        std::vector<std::string> members;
        for (std::size_t i = 0; i < keyring::alias_expansion_max; ++i) {
            members.push_back(std::to_string(i) + "@example.org");
        }
        world.group("a@example.org", members);
        CHECK(world.plan().reason == "<a@example.org>: the alias stands for more than 1000 addresses");
    }
    if (!world.plan().copies.empty()) {
        return;
    }
    CHECK(world.plan().outcome == Outcome::defer);
    CHECK_FALSE(world.plan().changes_recipients());
    CHECK(world.plan().decisions.size() == 2);
}

TEST_CASE("the scope is decided on the recipient in the envelope", "[policy]") {
    World world({"<team@example.org>", "<other@example.com>"}, {"require"});
    world.policy.scope = Scope::incoming;
    world.policy.incoming_domains = {"example.org"};
    world.group("team@example.org", {"bob@example.com"}).group("other@example.com", {"eve@example.org"});
    world.has(entry('B', {"bob@example.com"}));
    const auto plan = world.plan();
    CHECK(handlings(plan) == Words{"sealed", "clear"});
    CHECK(plan.decisions[1].address == at("other@example.com"));
    CHECK(plan.expanded == Indexes{0});
}

TEST_CASE("a member of an alias that the keyring was not asked about does not look like one without anything",
          "[policy]") {
    World world({"<team@example.org>"});
    world.group("team@example.org", {"bob@example.org"});
    auto view = world.view();
    CHECK(view.size() == 2);
    view.erase(*mail::Address::parse("bob@example.org"));
    CHECK_THROWS_AS(world.plan_with(view), std::logic_error);
}

TEST_CASE("the keyring is asked once about everybody, however many aliases they are in", "[policy]") {
    World world({"<one@example.org>", "<two@example.org>"});
    world.group("one@example.org", {"two@example.org", "bob@example.org"})
        .group("two@example.org", {"bob@example.org"});
    std::vector<std::string> asked;
    const auto view = gather(world.inquiry(), [&](const mail::Address& address) {
        asked.push_back(address.to_string());
        return world.known(address);
    });
    CHECK(asked == Words{"one@example.org", "two@example.org", "bob@example.org"});
    CHECK(view.size() == 3);
}
