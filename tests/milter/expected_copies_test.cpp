#include "milter/expected_copies.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <thread>

using namespace lockbox;
using namespace lockbox::milter;

namespace {

std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c); });
    return text;
}

const auto nothing = [] {};

} // namespace

TEST_CASE("A copy that is expected is met once and let through once, written down before", "[milter]") {
    ExpectedCopies copies;
    unsigned written = 0;
    auto expectation = copies.expect([&] { ++written; });
    const auto& name = expectation.name();
    CHECK(copies.knows(name));
    CHECK_FALSE(expectation.was_met());
    CHECK_FALSE(copies.let_through(name)); // its MAIL never came
    CHECK(copies.meet(name));
    CHECK(expectation.was_met());
    CHECK(written == 0);
    CHECK(copies.let_through(name));
    CHECK(written == 1);
    CHECK(expectation.was_met());
    CHECK_FALSE(copies.meet(name));
    CHECK_FALSE(copies.let_through(name));
    CHECK(written == 1);
    CHECK(expectation.withdraw());
    CHECK(expectation.withdraw());
}

TEST_CASE("Two connections with one name: only the first brings the copy", "[milter]") {
    ExpectedCopies copies;
    const auto expectation = copies.expect(nothing);
    CHECK(copies.meet(expectation.name()));
    CHECK_FALSE(copies.meet(expectation.name()));
}

TEST_CASE("What was withdrawn is not let through any more", "[milter]") {
    ExpectedCopies copies;
    unsigned written = 0;
    auto expectation = copies.expect([&] { ++written; });
    const bool met = GENERATE(false, true);
    if (met) {
        CHECK(copies.meet(expectation.name()));
    }
    CHECK_FALSE(expectation.withdraw());
    CHECK_FALSE(copies.meet(expectation.name()));
    CHECK_FALSE(copies.let_through(expectation.name()));
    CHECK(written == 0);
    CHECK_FALSE(expectation.withdraw());
}

TEST_CASE("A copy that cannot be written down is not let through, and may be withdrawn", "[milter]") {
    ExpectedCopies copies;
    auto expectation = copies.expect([] { throw std::runtime_error("disk full"); });
    CHECK(copies.meet(expectation.name()));
    CHECK_THROWS_AS(copies.let_through(expectation.name()), std::runtime_error);
    CHECK_FALSE(expectation.withdraw());
}

TEST_CASE("When the expectation is gone, so is its name", "[milter]") {
    ExpectedCopies copies;
    std::string name;
    {
        auto first = copies.expect(nothing);
        name = first.name();
        const auto moved = std::move(first);
        CHECK(moved.name() == name);
        CHECK(copies.meet(name));
        CHECK(moved.was_met());
    }
    CHECK_FALSE(copies.knows(name));
    CHECK_FALSE(copies.meet(name));
    CHECK_FALSE(copies.let_through(name));
}

TEST_CASE("Names are host names that cannot be guessed; an MTA may fold their case", "[milter]") {
    ExpectedCopies copies;
    const auto one = copies.expect(nothing);
    const auto other = copies.expect(nothing);
    CHECK(one.name() != other.name());
    const std::string domain = ".lockbox.invalid"; // RFC 2606 §2
    REQUIRE(one.name().size() == 32 + domain.size());
    CHECK(one.name().substr(32) == domain);
    CHECK(one.name().find_first_not_of("0123456789abcdef") == 32);
    CHECK(copies.knows(upper(one.name())));
    CHECK(copies.meet(upper(one.name())));
    CHECK(copies.let_through(upper(one.name())));
    CHECK_FALSE(other.was_met());
}

TEST_CASE("Strangers' names mean nothing", "[milter]") {
    ExpectedCopies copies;
    const auto expectation = copies.expect(nothing);
    const auto name = GENERATE(as<std::string>{}, "", "mail.example.org", ".lockbox.invalid",
                               "00000000000000000000000000000000.lockbox.invalid");
    const auto almost = expectation.name().substr(1);
    for (const auto& stranger : {name, almost, expectation.name() + ".", " " + expectation.name()}) {
        CHECK_FALSE(copies.knows(stranger));
        CHECK_FALSE(copies.meet(stranger));
        CHECK_FALSE(copies.let_through(stranger));
    }
    CHECK_FALSE(expectation.was_met());
}

TEST_CASE("Withdrawn or let through: one of both, and written down exactly if let through", "[milter]") {
    ExpectedCopies copies;
    for (unsigned round = 0; round < 2000; ++round) {
        unsigned written = 0;
        auto expectation = copies.expect([&] { ++written; });
        REQUIRE(copies.meet(expectation.name()));
        std::atomic<bool> go = false;
        bool passed = false;
        bool was_let_through = false;
        std::thread mta([&] {
            while (!go) {
            }
            passed = copies.let_through(expectation.name()).has_value();
        });
        go = true;
        was_let_through = expectation.withdraw();
        // What has been written by now is what is known for good.
        const unsigned written_then = written;
        mta.join();
        REQUIRE(passed == was_let_through);
        REQUIRE(written == (passed ? 1U : 0U));
        REQUIRE(written_then == written);
    }
}

TEST_CASE("An expectation may go while its copy comes", "[milter]") {
    ExpectedCopies copies;
    for (unsigned round = 0; round < 1000; ++round) {
        auto counter = std::make_unique<unsigned>(0);
        auto expectation = std::make_unique<ExpectedCopies::Expectation>(copies.expect([&] { ++*counter; }));
        const auto name = expectation->name();
        std::thread mta([&] {
            if (copies.meet(name)) {
                (void)copies.let_through(name);
            }
        });
        expectation.reset();
        counter.reset(); // nothing is written down any more
        mta.join();
        REQUIRE_FALSE(copies.knows(name));
    }
}
