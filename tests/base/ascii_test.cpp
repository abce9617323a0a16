#include "base/ascii.hpp"
#include "tests/support/catch.hpp"

#include <string>
#include <utility>
#include <vector>

using namespace lockbox;

TEST_CASE("lower case touches A-Z and nothing else", "[base]") {
    CHECK(to_lower("ABCxyz019") == "abcxyz019");
    CHECK(to_lower("M\xc3\x9cNCHEN [\\]^_`{|}~@") == "m\xc3\x9cnchen [\\]^_`{|}~@");
    CHECK(to_lower("") == "");
}

TEST_CASE("comparison without regard to case knows no other letters", "[base]") {
    CHECK(equal_ignoring_case("Subject", "sUBJECT"));
    CHECK(equal_ignoring_case("", ""));
    CHECK_FALSE(equal_ignoring_case("Subject", "Subject "));
    CHECK_FALSE(equal_ignoring_case("Subject", "Subjec"));
    CHECK_FALSE(equal_ignoring_case("@", "`"));
    CHECK_FALSE(equal_ignoring_case("[", "{"));
    CHECK_FALSE(equal_ignoring_case("\xc3\x9c", "\xc3\xbc"));
    CHECK(starts_with_ignoring_case("Content-Type", "content-"));
    CHECK(starts_with_ignoring_case("x", ""));
    CHECK_FALSE(starts_with_ignoring_case("Conten", "Content-"));
    CHECK_FALSE(starts_with_ignoring_case("X-Content-Type", "Content-"));
}

TEST_CASE("trim takes spaces, tabs and line ends from both sides only", "[base]") {
    const auto [text, trimmed] = GENERATE(table<std::string, std::string>({
        {"", ""},
        {" \t\r\n", ""},
        {"a", "a"},
        {"\r\n a\tb \t", "a\tb"},
        {"\va", "\va"},
        {"\xa0 a", "\xa0 a"},
    }));
    CAPTURE(text);
    CHECK(trim(text) == trimmed);
}

TEST_CASE("is_utf8 accepts what RFC 3629 calls UTF-8", "[base]") {
    const auto text =
        GENERATE(as<std::string>{}, "", "ascii", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                 "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf");
    CAPTURE(text);
    CHECK(is_utf8(text));
}

TEST_CASE("is_utf8 refuses overlong forms, surrogates, cut characters and what lies above U+10FFFF",
          "[base]") {
    const auto text =
        GENERATE(as<std::string>{}, "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41",
                 "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf",
                 "\xf0\x9f\x98", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff", "ok\xe4");
    CAPTURE(text);
    CHECK_FALSE(is_utf8(text));
}

TEST_CASE("printable leaves nothing that could move a cursor or turn the text around", "[base]") {
    const auto [text, shown] = GENERATE(table<std::string, std::string>({
        {"bob@example.org", "bob@example.org"},
        {"Gr\xc3\xbc\xc3\x9f"
         "e",
         "Gr\xc3\xbc\xc3\x9f"
         "e"},
        {"a\r\nb\tc\x1b[2J", "a??b?c?[2J"},
        {"a\x7f", "a?"},
        {"a\xc2\xad"
         "b",
         "a?b"}, // soft hyphen, which is seen at the end of a line only
        {"a\xd8\x9c"
         "b",
         "a?b"}, // Arabic letter mark (UAX #9)
        {"a\xe2\x81\xa0"
         "b",
         "a?b"}, // word joiner
        {"a\xf3\xa0\x81\x81"
         "b",
         "a?b"}, // a tag character, which nobody sees
        {"a\xc2\x9b"
         "b",
         "a?b"}, // C1: CSI
        {"a\xe2\x80\xae"
         "b",
         "a?b"}, // right-to-left override
        {"a\xe2\x81\xa6"
         "b",
         "a?b"}, // left-to-right isolate
        {"latin1 \xe9\xe8", "latin1 ??"},
    }));
    CAPTURE(text);
    CHECK(printable(text) == shown);
    CHECK(printable(std::string("a\0b", 3)) == "a?b");
}

TEST_CASE("printable cuts long text where a character ends", "[base]") {
    CHECK(printable("abcdef", 3) == "abc...");
    CHECK(printable("abc", 3) == "abc");
    CHECK(is_utf8(printable(std::string(100, 'a') + "\xf0\x9f\x98\x80"
                                                    "b",
                            101)));
}
