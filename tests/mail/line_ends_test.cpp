#include "mail/line_ends.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace std::string_literals;
using namespace lockbox::mail;

TEST_CASE("line ends become CRLF and back, and a CR alone is no line end", "[mail]") {
    const auto [text, crlf, lf] = GENERATE(table<std::string, std::string, std::string>({
        {"", "", ""},
        {"a", "a", "a"},
        {"a\nb\n", "a\r\nb\r\n", "a\nb\n"},
        {"a\r\nb\n\n", "a\r\nb\r\n\r\n", "a\nb\n\n"},
        {"\n", "\r\n", "\n"},
        {"\r", "\r", "\r"},
        {"a\rb\r\r\n", "a\rb\r\r\n", "a\rb\r\n"},
        {"\0\n\0"s, "\0\r\n\0"s, "\0\n\0"s},
    }));
    CAPTURE(text);
    CHECK(to_crlf(text) == crlf);
    CHECK(to_lf(text) == lf);
    CHECK(has_only_crlf(crlf));
    CHECK(has_only_crlf(text) == (text == crlf));
}
