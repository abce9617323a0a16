#include "reader/charset.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace lockbox::reader;

TEST_CASE("text comes in many charsets", "[reader]") {
    struct Case {
        std::string bytes, charset, text;
        bool complete;
    };
    const auto c = GENERATE(values<Case>({
        {"abc", "", "abc", true},
        {"\xc3\xa4", "UTF-8", "\xc3\xa4", true},
        {"\xe4\x80", "iso-8859-1", "\xc3\xa4\xe2\x82\xac", true}, // 0x80 is the euro sign to everybody
        {"\xe4", "ISO-8859-15", "\xc3\xa4", true},
        {"\xe4", "", "\xc3\xa4", true},
        {"\xc3\xa4", "us-ascii", "\xc3\xa4", true},
        {"\x1b$B$\"\x1b(B", "iso-2022-jp", "\xe3\x81\x82", true}, // RFC 1468
        {"\xd0\xc9", "koi8-r", "\xd0\xbf\xd0\xb8", true},         // RFC 1489
        {"\x82\xa0", "shift_jis", "\xe3\x81\x82", true},
        {"\x82", "shift_jis", "\xef\xbf\xbd", false}, // cut
        {"a\xff", "no-such-charset", "a\xef\xbf\xbd", false},
        {"+ADw-b+AD4-", "utf-7", "+ADw-b+AD4-", false}, // hides "<b>"
        {"x", "utf-8//IGNORE", "x", false},
        {"\xff", "utf-8", "\xff", false}, // left to harmless()
    }));
    CAPTURE(c.bytes, c.charset);
    const auto converted = to_utf8(c.bytes, c.charset);
    CHECK(converted.text == c.text);
    CHECK(converted.complete == c.complete);
}
