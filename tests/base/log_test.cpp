#include "base/log.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace lockbox;

TEST_CASE("a log line is subject, event and attributes in their order", "[base]") {
    CHECK(log::format_line("4Zk3Qv1yTgz", "sealed", {{"copies", "1"}, {"protocol", "openpgp"}}) ==
          "4Zk3Qv1yTgz: sealed, copies=1, protocol=openpgp");
    CHECK(log::format_line("server", "started", {}) == "server: started");
}

TEST_CASE("a value that could be taken for more than a value is quoted", "[base]") {
    const auto [value, shown] = GENERATE(table<std::string, std::string>({
        {"plain", "plain"},
        {"", "\"\""},
        {"two words", "\"two words\""},
        {"a,b", "\"a,b\""},
        {"say \"no\"", "\"say \\\"no\\\"\""},
        {"back\\slash", "back\\slash"},
        {"a b\\", "\"a b\\\\\""},
    }));
    CAPTURE(value);
    CHECK(log::format_line("s", "e", {{"v", value}}) == "s: e, v=" + shown);
}

TEST_CASE("nothing that comes from a message begins another log line", "[base]") {
    const std::string attack = "bob\r\nNov 23 host postfix/smtpd[1]: forged\x1b[2J";
    const auto line = log::format_line(attack, attack, {{"recipient", attack}});
    CHECK(line.find_first_of("\r\n\x1b") == std::string::npos);
}

TEST_CASE("one very long value does not make a log line of a megabyte", "[base]") {
    CHECK(log::format_line("s", "e", {{"v", std::string(1'000'000, 'x')}}).size() < 2000);
}
