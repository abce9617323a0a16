#include "policy/transaction.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox;
using policy::Path;

TEST_CASE("a path keeps the MTA's bytes beside what they mean", "[policy]") {
    const auto path = Path::from("<Bob+Ext@Remote.TEST>", {"NOTIFY=NEVER"});
    CHECK(path.raw == "<Bob+Ext@Remote.TEST>");
    CHECK(path.parameters == std::vector<std::string>{"NOTIFY=NEVER"});
    REQUIRE(path.address.has_value());
    CHECK(path.address->to_string() == "Bob+Ext@remote.test");
}

TEST_CASE("only nothing and <> are the null reverse-path", "[policy]") {
    CHECK(Path::from("<>").is_null());
    CHECK(Path::from("").is_null());
    const auto text = GENERATE(as<std::string>{}, "<root>", "root", "<alice@example.org>", "<<>>", "< >",
                               "\"\"", "<", "@", "<MAILER-DAEMON>");
    CAPTURE(text);
    CHECK_FALSE(Path::from(text).is_null());
}

TEST_CASE("a mailbox is the path without angle brackets, however it came", "[policy]") {
    CHECK(Path::from("<Bob+Ext@remote.TEST>").mailbox() == "Bob+Ext@remote.TEST");
    CHECK(Path::from("alice@example.org").mailbox() == "alice@example.org");
    CHECK(Path::from(" <alice@example.org> ").mailbox() == "alice@example.org");
    CHECK(Path::from("<\"a b\"@example.org>").mailbox() == "\"a b\"@example.org");
    CHECK(Path::from("<>").mailbox().empty());
    CHECK(Path::from("").mailbox().empty()); // local submission: the null reverse-path
}
