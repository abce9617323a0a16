#include "milter/expected_copies.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <thread>

using namespace lockbox;
using namespace lockbox::milter;

namespace {

using Outcome = std::variant<Form, ExpectedCopies::Unlike>;

std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c); });
    return text;
}

const auto nothing = [] {};
const std::string sender = "<carol@example.org>";

HandedOver copy() {
    return HandedOver::from(sender, {"alice@example.org"},
                            mail::HeaderSection(std::vector<mail::HeaderField>{{"Subject", " x"}}),
                            "text\r\n");
}

/// What the MTA shows of that copy.
ExpectedCopies::Arrival shown(std::optional<ExpectedCopies::Arrival> arrival,
                              std::string_view body = "text\r\n") {
    REQUIRE(arrival.has_value());
    arrival->recipient("<alice@example.org>");
    arrival->header_field("Subject", " x");
    arrival->body(body);
    return *std::move(arrival);
}

std::string reason_of(const Outcome& outcome) {
    const auto* unlike = std::get_if<ExpectedCopies::Unlike>(&outcome);
    return unlike != nullptr ? unlike->reason : "let through";
}

} // namespace

TEST_CASE("A copy that is expected is met once and let through once, written down before", "[milter]") {
    ExpectedCopies copies;
    unsigned written = 0;
    auto expectation = copies.expect([&] { ++written; }, copy(), Form::sealed);
    const auto& name = expectation.name();
    CHECK(copies.knows(name));
    CHECK_FALSE(expectation.was_met());
    auto arrival = shown(copies.meet(name, sender));
    CHECK(expectation.was_met());
    CHECK(written == 0);
    CHECK(std::get<Form>(copies.let_through(std::move(arrival))) == Form::sealed);
    CHECK(written == 1);
    CHECK(expectation.was_met());
    CHECK_FALSE(copies.meet(name, sender));
    CHECK(written == 1);
    CHECK(expectation.withdraw());
    CHECK(expectation.withdraw());
}

TEST_CASE("Two connections with one name: only the first brings the copy", "[milter]") {
    ExpectedCopies copies;
    const auto expectation = copies.expect(nothing, copy());
    CHECK(copies.meet(expectation.name(), sender));
    CHECK_FALSE(copies.meet(expectation.name(), sender));
}

TEST_CASE("What was withdrawn is not let through any more", "[milter]") {
    ExpectedCopies copies;
    unsigned written = 0;
    auto expectation = copies.expect([&] { ++written; }, copy());
    SECTION("before it came") {
        CHECK_FALSE(expectation.withdraw());
    }
    SECTION("after it came") {
        auto arrival = shown(copies.meet(expectation.name(), sender));
        CHECK_FALSE(expectation.withdraw());
        CHECK(reason_of(copies.let_through(std::move(arrival))) ==
              "a copy came back that is not expected any more");
    }
    CHECK_FALSE(copies.meet(expectation.name(), sender));
    CHECK(written == 0);
    CHECK_FALSE(expectation.withdraw());
}

TEST_CASE("What is not what was handed over is not let through, then or later", "[milter]") {
    ExpectedCopies copies;
    unsigned written = 0;
    auto expectation = copies.expect([&] { ++written; }, copy());
    auto arrival = shown(copies.meet(expectation.name(), sender), "another text\r\n");
    CHECK(reason_of(copies.let_through(std::move(arrival))) == "a copy came back changed: the body");
    CHECK(written == 0);
    CHECK_FALSE(copies.meet(expectation.name(), sender));
    CHECK_FALSE(expectation.withdraw());
}

TEST_CASE("A copy that cannot be written down is not let through, and may be withdrawn", "[milter]") {
    ExpectedCopies copies;
    auto expectation = copies.expect([] { throw std::runtime_error("disk full"); }, copy());
    auto arrival = shown(copies.meet(expectation.name(), sender));
    CHECK_THROWS_AS(copies.let_through(std::move(arrival)), std::runtime_error);
    CHECK_FALSE(expectation.withdraw());
}

TEST_CASE("When the expectation is gone, so is its name", "[milter]") {
    ExpectedCopies copies;
    std::string name;
    std::optional<ExpectedCopies::Arrival> arrival;
    {
        auto first = copies.expect(nothing, copy());
        name = first.name();
        const auto moved = std::move(first);
        CHECK(moved.name() == name);
        arrival.emplace(shown(copies.meet(name, sender)));
        CHECK(moved.was_met());
    }
    CHECK_FALSE(copies.knows(name));
    CHECK_FALSE(copies.meet(name, sender));
    CHECK(reason_of(copies.let_through(*std::move(arrival))) ==
          "a copy came back that is not expected any more");
}

TEST_CASE("Names are host names that cannot be guessed; an MTA may fold their case", "[milter]") {
    ExpectedCopies copies;
    const auto one = copies.expect(nothing, copy());
    const auto other = copies.expect(nothing, copy());
    CHECK(one.name() != other.name());
    const std::string domain = ".lockbox.invalid"; // RFC 2606 §2
    REQUIRE(one.name().size() == 32 + domain.size());
    CHECK(one.name().substr(32) == domain);
    CHECK(one.name().find_first_not_of("0123456789abcdef") == 32);
    CHECK(copies.knows(upper(one.name())));
    CHECK(copies.meet(upper(one.name()), sender));
    CHECK_FALSE(other.was_met());
}

TEST_CASE("Strangers' names mean nothing", "[milter]") {
    ExpectedCopies copies;
    const auto expectation = copies.expect(nothing, copy());
    const auto name = GENERATE(as<std::string>{}, "", "mail.example.org", ".lockbox.invalid",
                               "00000000000000000000000000000000.lockbox.invalid");
    const auto almost = expectation.name().substr(1);
    for (const auto& stranger : {name, almost, expectation.name() + ".", " " + expectation.name()}) {
        CHECK_FALSE(copies.knows(stranger));
        CHECK_FALSE(copies.meet(stranger, sender));
    }
    CHECK_FALSE(expectation.was_met());
}

TEST_CASE("Withdrawn or let through: one of both, and written down exactly if let through", "[milter]") {
    ExpectedCopies copies;
    for (unsigned round = 0; round < 2000; ++round) {
        unsigned written = 0;
        auto expectation = copies.expect([&] { ++written; }, copy());
        auto arrival = shown(copies.meet(expectation.name(), sender));
        std::atomic<bool> go = false;
        bool passed = false;
        bool was_let_through = false;
        std::thread mta([&] {
            while (!go) {
            }
            passed = std::holds_alternative<Form>(copies.let_through(std::move(arrival)));
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
        auto expectation =
            std::make_unique<ExpectedCopies::Expectation>(copies.expect([&] { ++*counter; }, copy()));
        const auto name = expectation->name();
        std::thread mta([&] {
            if (auto arrival = copies.meet(name, sender)) {
                arrival->recipient("<alice@example.org>");
                arrival->header_field("Subject", " x");
                arrival->body("text\r\n");
                (void)copies.let_through(*std::move(arrival));
            }
        });
        expectation.reset();
        counter.reset(); // nothing is written down any more
        mta.join();
        REQUIRE_FALSE(copies.knows(name));
    }
}
