#include "policy/plan.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox::policy;

TEST_CASE("a plan's words are those that logs and JSON write", "[policy]") {
    CHECK(to_string(Handling::sealed) == "sealed");
    CHECK(to_string(Handling::clear) == "clear");
    CHECK(to_string(Handling::untouched) == "untouched");
    CHECK(to_string(Handling::served) == "served");
    CHECK(to_string(Handling::refused) == "refused");
    CHECK(to_string(Handling::deferred) == "deferred");
    CHECK(to_string(Outcome::pass) == "pass");
    CHECK(to_string(Outcome::deliver) == "deliver");
    CHECK(to_string(Outcome::refuse) == "refuse");
    CHECK(to_string(Outcome::defer) == "defer");
}

TEST_CASE("what was not decided is deferred", "[policy]") {
    CHECK(Plan().outcome == Outcome::defer);
    CHECK(Decision().handling == Handling::deferred);
}
