// Edited in place or handed back; policy/way_out.hpp.
#include "policy/way_out.hpp"
#include "tests/policy/judging.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox;
using namespace lockbox::policy;
using namespace lockbox::policy::test;

namespace {

/// To Bob, who has a certificate, with so many fields of which none stays outside.
World with_fields(std::size_t fields, const char* name = "X-Own") {
    World world({"<bob@example.org>"});
    world.has(entry('b', {"bob@example.org"})).field("To", " bob@example.org");
    for (std::size_t i = 0; i < fields; ++i) {
        world.field(name, " text");
    }
    return world;
}

WayOut way_of(const World& world, const Ways& ways) {
    const auto plan = world.plan();
    REQUIRE(plan.outcome == Outcome::deliver);
    return way_out(plan, world.transaction, {}, ways);
}

constexpr bool listener = true;
constexpr bool route = true;

} // namespace

TEST_CASE("one copy for the whole envelope is edited in place, unless delivery says reinject", "[policy]") {
    const auto world = with_fields(3);
    for (const bool can_hand_back : {false, true}) {
        CHECK(way_of(world, {DeliveryMode::automatic, can_hand_back, !route}) == WayOut::in_place);
        CHECK(way_of(world, {DeliveryMode::in_place, can_hand_back, !route}) == WayOut::in_place);
        CHECK(way_of(world, {DeliveryMode::reinject, can_hand_back, !route}) == WayOut::handed_back);
    }
}

TEST_CASE("where a route is shown to the MTA, what is sealed is handed back, unless delivery says in-place",
          "[policy]") {
    const auto world = with_fields(3);
    CHECK(way_of(world, {DeliveryMode::automatic, listener, route}) == WayOut::handed_back);
    CHECK(way_of(world, {DeliveryMode::reinject, listener, route}) == WayOut::handed_back);
    CHECK(way_of(world, {DeliveryMode::in_place, listener, route}) == WayOut::in_place);
    CHECK(way_of(world, {DeliveryMode::automatic, !listener, route}) == WayOut::in_place);
}

TEST_CASE("several copies are handed back, also where delivery says in-place", "[policy]") {
    World world({"<bob@example.org>", "<dave@example.com>"});
    world.has(entry('b', {"bob@example.org"}));
    for (const auto delivery : {DeliveryMode::automatic, DeliveryMode::in_place, DeliveryMode::reinject}) {
        CHECK(way_of(world, {delivery, listener, !route}) == WayOut::handed_back);
        CHECK(way_of(world, {delivery, !listener, !route}) == WayOut::handed_back); // which cannot be done
    }
}

TEST_CASE("a message with many fields to remove is handed back", "[policy]") {
    const auto delivery = GENERATE(DeliveryMode::automatic, DeliveryMode::in_place);
    const Ways ways{delivery, listener, !route};
    CHECK(way_of(with_fields(field_edits_unless_handed_back), ways) == WayOut::in_place);
    CHECK(way_of(with_fields(field_edits_unless_handed_back + 1), ways) == WayOut::handed_back);
    CHECK(way_of(with_fields(field_edits_most + 1), ways) == WayOut::handed_back);
}

TEST_CASE("without a listener it is edited in place up to a limit, and refused beyond", "[policy]") {
    const auto delivery = GENERATE(DeliveryMode::automatic, DeliveryMode::in_place);
    const Ways ways{delivery, !listener, !route};
    CHECK(way_of(with_fields(field_edits_unless_handed_back + 1), ways) == WayOut::in_place);
    CHECK(way_of(with_fields(field_edits_most), ways) == WayOut::in_place);
    CHECK(way_of(with_fields(field_edits_most + 1), ways) == WayOut::too_many_edits);
}

TEST_CASE("fields that stay cost nothing, and fields of strangers that are removed do", "[policy]") {
    auto world = with_fields(5 * field_edits_most, "Received");
    CHECK(way_of(world, {DeliveryMode::automatic, listener, !route}) == WayOut::in_place);
    CHECK(way_of(world, {DeliveryMode::automatic, !listener, !route}) == WayOut::in_place);
    world = with_fields(field_edits_unless_handed_back / 2);
    world.transaction.foreign_routes = field_edits_unless_handed_back / 2;
    CHECK(way_of(world, {DeliveryMode::in_place, listener, route}) == WayOut::in_place);
    ++world.transaction.foreign_routes;
    CHECK(way_of(world, {DeliveryMode::in_place, listener, route}) == WayOut::handed_back);
    world.transaction.foreign_routes = field_edits_most;
    CHECK(way_of(world, {DeliveryMode::in_place, !listener, route}) == WayOut::too_many_edits);
    CHECK(can_remove_foreign_routes(world.transaction));
    ++world.transaction.foreign_routes;
    CHECK_FALSE(can_remove_foreign_routes(world.transaction));
}

TEST_CASE("the Subject counts where it is obscured", "[policy]") {
    auto world = with_fields(field_edits_unless_handed_back);
    world.field("Subject", " the subject");
    CHECK(way_of(world, {DeliveryMode::automatic, listener, !route}) == WayOut::handed_back);
}

TEST_CASE("what the configuration has for copies", "[policy]") {
    Config config;
    auto ways = ways_of(config);
    CHECK(ways.delivery == DeliveryMode::automatic);
    CHECK_FALSE(ways.can_hand_back);
    CHECK_FALSE(ways.shows_route);
    config.delivery = DeliveryMode::in_place;
    config.reinject = Listener::parse("127.0.0.1:10026");
    config.route_secret = RouteSecret::parse("0123456789abcdef");
    ways = ways_of(config);
    CHECK(ways.delivery == DeliveryMode::in_place);
    CHECK(ways.can_hand_back);
    CHECK(ways.shows_route);
}
