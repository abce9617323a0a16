#include "milter/pools.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>

using namespace lockbox::milter;

TEST_CASE("A pool lends what is at rest, and makes what is not", "[milter]") {
    int made = 0;
    Pool<int> pool([&] { return std::make_unique<int>(++made); });
    {
        const auto first = pool.lend();
        const auto second = pool.lend();
        CHECK(*first == 1);
        CHECK(*second == 2);
    }
    const auto again = pool.lend();
    CHECK(made == 2);
}

TEST_CASE("What was in use when an exception came, or is no good any more, is not lent again", "[milter]") {
    int made = 0;
    bool good = true;
    Pool<int> pool([&] { return std::make_unique<int>(++made); }, [&](const int&) { return good; });
    const auto fail = [&] {
        const auto lease = pool.lend();
        throw std::runtime_error("in the middle");
    };
    CHECK_THROWS_AS(fail(), std::runtime_error);
    CHECK(*pool.lend() == 2);
    CHECK(*pool.lend() == 2);
    good = false;
    CHECK(*pool.lend() == 3);
}

TEST_CASE("Slots are taken all or none, and are free again with their holder", "[milter]") {
    Slots slots(3);
    auto two = slots.take_now(2);
    REQUIRE(two);
    CHECK(slots.taken() == 2);
    CHECK_FALSE(slots.take_now(2));
    CHECK(slots.taken() == 2);
    {
        const auto one = slots.take_now(1);
        CHECK(one);
        CHECK_FALSE(slots.wait_until_all_are_free({Deadline::min()}));
    }
    auto moved = std::move(two);
    CHECK(slots.taken() == 2);
    moved = Slots::Held();
    CHECK(slots.wait_until_all_are_free({Deadline::min()}));
    CHECK(slots.take_now(4)); // more than there are: all
}

TEST_CASE("A wait for slots ends with them, with its time, or with whom it is for", "[milter]") {
    Slots slots(1);
    auto held = slots.take_now(1);
    CHECK_FALSE(slots.take(1, {std::chrono::steady_clock::now()}));
    const auto never = std::chrono::steady_clock::now() + std::chrono::hours(1);
    CHECK_FALSE(slots.take(1, {never, [] { return false; }}));
    auto waiting = std::async(std::launch::async, [&] { return static_cast<bool>(slots.take(1, {never})); });
    held.release();
    CHECK(waiting.get());
    CHECK(slots.wait_until_all_are_free({never}));
}
