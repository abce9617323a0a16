// A message that comes again: who was served by an earlier try, and what that means for everybody else.
#include "policy/judge.hpp"
#include "tests/policy/judging.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <random>
#include <set>
#include <stdexcept>

using namespace lockbox;
using namespace lockbox::policy;
using namespace lockbox::policy::test;
using namespace std::chrono_literals;

TEST_CASE("who was served is decided about, and is in no copy", "[policy]") {
    World world({"<bob@example.org>", "<dave@example.com>"}, {"to=@example.org require"});
    world.has(entry('B', {"bob@example.org"}));
    SECTION("the sealed one: the clear copy is for the others alone") {
        const auto plan = world.served_before({"bob@example.org"}).plan();
        CHECK(plan.outcome == Outcome::deliver); // not `pass`, which would be for the whole envelope
        CHECK(handlings(plan) == Words{"served", "clear"});
        CHECK(plan.copies == std::vector<Copy>{ClearCopy{{1}}});
        CHECK_FALSE(is_edited_in_place(plan));
        CHECK(plan.reason == "no recipient is to be sealed to; 1 served by an earlier try");
    }
    SECTION("the clear one: the sealed copy cannot be made in place") {
        const auto plan = world.served_before({"dave@example.com"}).plan();
        CHECK(handlings(plan) == Words{"sealed", "served"});
        CHECK(plan.copies == std::vector<Copy>{sealed_copy({0}, {certificate('B')}, true)});
        CHECK_FALSE(is_edited_in_place(plan));
    }
    SECTION("everybody: there is nothing left to send") {
        const auto plan = world.served_before({"bob@example.org", "dave@example.com"}).plan();
        CHECK(plan.outcome == Outcome::deliver);
        CHECK(plan.copies.empty());
        CHECK(plan.reason == "all recipients have been served by an earlier try");
    }
    SECTION("somebody else, or another spelling of the path: nobody here") {
        const auto plan = world.served_before({"carol@example.org", "Bob@example.org"}).plan();
        CHECK(handlings(plan) == Words{"sealed", "clear"});
    }
}

TEST_CASE("who was served needs no certificate any more, and stops nobody", "[policy]") {
    World world({"<bob@example.org>", "<dave@example.com>"}, {"to=@example.org require"});
    world.has(expired(entry('B', {"bob@example.org"})));
    CHECK(world.plan().outcome == Outcome::refuse);
    world.served_before({"bob@example.org"});
    CHECK(world.inquiry().addresses() == std::vector{at("dave@example.com")});
    CHECK(handlings(world.plan()) == Words{"served", "clear"});
}

TEST_CASE("a message that is untouched is sent again to those alone who were not served", "[policy]") {
    World world({"<bob@example.org>", "<dave@example.com>"}, {"require"});
    world.transaction.origin.client_address = "203.0.113.9"; // out of scope since the last try
    CHECK(world.plan().outcome == Outcome::pass);
    const auto plan = world.served_before({"bob@example.org"}).plan();
    CHECK(plan.outcome == Outcome::deliver);
    CHECK(handlings(plan) == Words{"served", "untouched"});
    CHECK(plan.copies == std::vector<Copy>{ClearCopy{{1}}});
}

TEST_CASE("a member of an alias who was served is left out, and the others are not", "[policy]") {
    World world({"<team@example.org>"}, {"to=@example.org require"});
    world.group("team@example.org", {"bob@example.org", "carol@example.org"})
        .has(entry('B', {"bob@example.org"}))
        .has(entry('C', {"carol@example.org"}));
    const auto plan = world.served_before({"bob@example.org"}).plan();
    CHECK(handlings(plan) == Words{"served", "sealed"});
    CHECK(plan.copies == std::vector<Copy>{sealed_copy({1}, {certificate('C')}, true)});
    SECTION("all of them") {
        const auto none = world.served_before({"bob@example.org", "carol@example.org"}).plan();
        CHECK(none.outcome == Outcome::deliver);
        CHECK(none.copies.empty());
    }
    SECTION("the recipient itself, before it became an alias") {
        CHECK(handlings(world.served_before({"team@example.org"}).plan()) == Words{"served"});
    }
}

TEST_CASE("a plan whose copies are not what was decided is a fault", "[policy]") {
    World world({"<bob@example.org>", "<dave@example.com>", "<carol@example.org>"});
    world.has(entry('B', {"bob@example.org"})).has(entry('C', {"carol@example.org"}));
    auto plan = world.plan();
    REQUIRE_NOTHROW(check_copies(plan));
    SECTION("somebody sealed is in the clear copy") {
        plan.copies = {ClearCopy{{0, 1}}, sealed_copy({2}, {certificate('C')})};
    }
    SECTION("somebody sealed is in the clear copy, and has lost the certificate") {
        plan.decisions[0].certificate.reset();
        plan.copies = {ClearCopy{{0, 1}}, sealed_copy({2}, {certificate('C')})};
    }
    SECTION("somebody clear is in a sealed copy") {
        plan.copies = {sealed_copy({0, 1}, {certificate('B')}), sealed_copy({2}, {certificate('C')})};
    }
    SECTION("somebody's copy is sealed to another") {
        plan.copies = {sealed_copy({0}, {certificate('C')}), sealed_copy({2}, {certificate('C')}),
                       ClearCopy{{1}}};
    }
    SECTION("somebody is in two copies") {
        plan.copies.push_back(ClearCopy{{1}});
    }
    SECTION("somebody is in no copy") {
        plan.copies.pop_back();
    }
    SECTION("somebody was served") {
        plan.decisions[1].handling = Handling::served;
    }
    SECTION("somebody is refused") {
        plan.decisions[1].handling = Handling::refused;
    }
    SECTION("the message is untouched for one of several") {
        plan.decisions[1].handling = Handling::untouched;
    }
    CHECK_THROWS_AS(check_copies(plan), std::logic_error);
}

TEST_CASE("a message that passes was decided to be clear for its whole envelope", "[policy]") {
    auto plan = World({"<bob@example.org>", "<dave@example.com>"}).plan();
    REQUIRE(plan.outcome == Outcome::pass);
    REQUIRE_NOTHROW(check_copies(plan));
    SECTION("somebody was served") {
        plan.decisions[0].handling = Handling::served;
    }
    SECTION("somebody is to be sealed to") {
        plan.decisions[0].handling = Handling::sealed;
    }
    SECTION("somebody is refused") {
        plan.decisions[1].handling = Handling::refused;
    }
    SECTION("somebody stands for others") {
        plan.expanded = {1};
    }
    SECTION("nobody was decided about") {
        plan.decisions.clear();
    }
    CHECK_THROWS_AS(check_copies(plan), std::logic_error);
}

// --- Whatever comes ---

namespace {

/// Random envelopes, rules, keyrings, journals and clocks; the seed makes one of them.
struct RandomWorld {
    std::mt19937 random;
    World world{{}};
    Time now = noon;

    std::size_t below(std::size_t limit) { return random() % limit; }
    bool one_in(std::size_t chances) { return below(chances) == 0; }
    template <typename T>
    const T& any_of(const std::vector<T>& values) {
        return values[below(values.size())];
    }

    explicit RandomWorld(unsigned seed) : random(seed) {
        static const std::vector<std::string> paths{"<bob@example.org>",
                                                    "<Bob@example.org>",
                                                    "<\"bob\"@EXAMPLE.org>",
                                                    "bob@example.org",
                                                    "<carol@example.org>",
                                                    "<team@example.org>",
                                                    "<all@example.org>",
                                                    "<dave@example.com>",
                                                    "<eve@example.net>",
                                                    "<root>",
                                                    "<bob>",
                                                    "<@a,@b:bob@example.org>",
                                                    "<< bob@example.org>",
                                                    "<bob @example.org>",
                                                    "<>",
                                                    "<bob@[192.0.2.1]>"};
        static const std::vector<std::string> rules{"require",
                                                    "prefer",
                                                    "never",
                                                    "to=@example.org require",
                                                    "to=@example.org never",
                                                    "to=bob@example.org require defer",
                                                    "to=carol@example.org prefer clear-if-unusable",
                                                    "to=@.com prefer smime",
                                                    "to=team@example.org require",
                                                    "from=alice@example.net require",
                                                    "from=<> never",
                                                    "to=@example.org require smime"};
        static const std::vector<std::string> mailboxes{"bob@example.org", "carol@example.org",
                                                        "dave@example.com", "eve@example.net",
                                                        "team@example.org"};

        for (std::size_t i = 0, count = below(6); i < count; ++i) {
            world.transaction.recipients.push_back(Path::from(any_of(paths)));
        }
        for (std::size_t i = 0, count = below(4); i < count; ++i) {
            world.policy.rules.push_back(Rule::parse(any_of(rules)));
        }
        char digit = 'A';
        for (const auto& mailbox : mailboxes) {
            for (std::size_t i = 0, count = below(3); i < count; ++i, ++digit) {
                auto one =
                    entry(digit, {mailbox}, one_in(3) ? crypto::Protocol::smime : crypto::Protocol::openpgp);
                world.has(one_in(3) ? expired(one) : one_in(4) ? revoked(one) : one);
            }
        }
        if (one_in(2)) {
            world.group("team@example.org", {"bob@example.org", "eve@example.net"});
        }
        if (one_in(3)) {
            world.group("all@example.org", {"team@example.org", "carol@example.org"});
        }
        for (std::size_t i = 0, count = below(4); i < count; ++i) {
            world.served.push_back(one_in(2) || world.transaction.recipients.empty()
                                       ? any_of(mailboxes)
                                       : any_of(world.transaction.recipients).mailbox());
        }
        world.policy.scope = any_of<Scope>({Scope::all, Scope::outgoing, Scope::incoming});
        world.policy.incoming_domains = {"example.org"};
        world.transaction.origin.client_address = one_in(3) ? "203.0.113.9" : "127.0.0.1";
        world.policy.copies_max = one_in(5) ? 2 : 100;
        if (one_in(2)) {
            world.field("To", " bob@example.org, carol@example.org, eve@example.net");
        }
        now =
            any_of<Time>({noon, long_ago - 1h, second_of_january - 1s, second_of_january, noon + 24h * 365});
    }
};

/// The first rule that matches, read again here.
Demand demand_for(const Path& path, const World& world) {
    for (const auto& rule : world.policy.rules) {
        if (rule.matches(path, world.transaction.reverse_path)) {
            return rule.demand;
        }
    }
    return Demand::prefer;
}

} // namespace

TEST_CASE("whatever comes, a clear copy goes to nobody who was not decided to be clear", "[policy]") {
    constexpr unsigned worlds = 20'000;
    unsigned delivered = 0;
    unsigned passed = 0;
    for (unsigned seed = 0; seed < worlds; ++seed) {
        CAPTURE(seed);
        RandomWorld chance(seed);
        const auto& world = chance.world;
        const auto inquiry = world.inquiry();
        const auto plan = judge(inquiry, world.view(), chance.now);
        const std::set<std::string> served(world.served.begin(), world.served.end());

        // Every recipient of the envelope was decided about, or stands for others.
        std::set<std::size_t> decided(plan.expanded.begin(), plan.expanded.end());
        for (const auto& decision : plan.decisions) {
            decided.insert(decision.recipient);
            REQUIRE((decision.handling == Handling::served) ==
                    (served.count(mailbox_of(decision, world.transaction)) != 0));
        }
        REQUIRE(decided.size() == world.transaction.recipients.size());

        if (plan.outcome == Outcome::refuse || plan.outcome == Outcome::defer) {
            REQUIRE(plan.copies.empty());
            continue;
        }
        std::set<std::size_t> gets_something;
        std::vector<std::size_t> in_clear; // decisions
        for (const auto& copy : plan.copies) {
            for (const auto index : decisions_of(copy)) {
                REQUIRE(gets_something.insert(index).second);
                if (std::holds_alternative<ClearCopy>(copy)) {
                    in_clear.push_back(index);
                }
            }
        }
        if (plan.outcome == Outcome::pass) { // the message as it came, to the whole envelope
            ++passed;
            REQUIRE(plan.copies.empty());
            REQUIRE(plan.expanded.empty());
            for (std::size_t i = 0; i < plan.decisions.size(); ++i) {
                in_clear.push_back(i);
                gets_something.insert(i);
            }
        } else {
            ++delivered;
        }
        for (const auto index : in_clear) {
            const auto& decision = plan.decisions[index];
            REQUIRE((decision.handling == Handling::clear || decision.handling == Handling::untouched));
            REQUIRE((decision.handling == Handling::untouched) == inquiry.untouched.has_value());
            if (decision.handling == Handling::clear && world.policy.scope != Scope::incoming) {
                const auto path = decision.via.empty() ? world.transaction.recipients[decision.recipient]
                                                       : Path::to(*decision.address);
                REQUIRE(demand_for(path, world) != Demand::require);
            }
        }
        for (std::size_t i = 0; i < plan.decisions.size(); ++i) {
            REQUIRE((gets_something.count(i) == 0) == (plan.decisions[i].handling == Handling::served));
        }
        REQUIRE_NOTHROW(check_copies(plan));
    }
    CHECK(delivered > worlds / 20); // the worlds are not all refused
    CHECK(passed > worlds / 20);
}
