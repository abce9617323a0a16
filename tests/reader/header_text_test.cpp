#include "reader/header_text.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace lockbox::reader;

TEST_CASE("header fields are read as text on one harmless line", "[reader]") {
    struct Case {
        std::string body, text;
    };
    const auto c = GENERATE(values<Case>({
        {" hello\r\n world", "hello world"},
        // RFC 2047 §8.
        {" =?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
        {" =?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n "
         "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
         "If you can read this you understand the example."},
        {" \xc3\xa4", "\xc3\xa4"},
        {" =?utf-8?q?=1B=5B2J?=", "\xef\xbf\xbd[2J"},
        {" =?utf-8?q?a=0AFrom=3A_b?=", "a From: b"},
        {" =?utf-8?q?=E2=80=AE?=x", "\xef\xbf\xbdx"},
    }));
    CAPTURE(c.body);
    CHECK(header_text(c.body) == c.text);
}

TEST_CASE("a display name is not taken for an address", "[reader]") {
    struct Case {
        std::string body, text;
    };
    const auto c = GENERATE(values<Case>({
        {" Alice <alice@example.org>", "Alice <alice@example.org>"},
        {" alice@example.org", "alice@example.org"},
        {" =?utf-8?q?J=C3=BCrgen?= <j@example.org>, b@example.net",
         "J\xc3\xbcrgen <j@example.org>, b@example.net"},
        {" \"bank@example.com\" <evil@example.net>", "\"bank@example.com\" <evil@example.net>"},
        {" =?utf-8?q?bank=40example=2Ecom_=3Cbank=40example=2Ecom=3E?= <evil@example.net>",
         "\"bank@example.com <bank@example.com>\" <evil@example.net>"},
        {" Group: a@example.org, b@example.org;", "Group: a@example.org, b@example.org;"},
        {" \"Alice: Sales\" <alice@example.org>", "\"Alice: Sales\" <alice@example.org>"},
        {" alice@example.org (Alice)", "Alice <alice@example.org>"},
        // Quotes inside of a name would end those around it.
        {" \"a\\\" <bank@example.com>, \\\"b\" <evil@example.net>",
         "\"a' <bank@example.com>, 'b\" <evil@example.net>"},
        {" =?utf-8?q?a=E2=80=9D_=EF=BC=9Cbank=EF=BC=A0example=2Ecom=EF=BC=9E?= <evil@example.net>",
         "\"a' \xef\xbc\x9c"
         "bank\xef\xbc\xa0"
         "example.com\xef\xbc\x9e\" <evil@example.net>"},
        // Not understood: as it was written.
        {" bank@example.com@x <evil@example.net>", "bank@example.com@x <evil@example.net>"},
        {" bank@example.com <evil@example.net>", "bank@example.com <evil@example.net>"},
        {" undisclosed-recipients:;", "undisclosed-recipients: ;"},
    }));
    CAPTURE(c.body);
    CHECK(header_addresses(c.body) == c.text);
}
