#include "milter/pools.hpp"
#include "tests/support/catch.hpp"

#include <stdexcept>

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
