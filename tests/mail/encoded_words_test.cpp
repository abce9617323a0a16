#include "mail/encoded_words.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace lockbox::mail;

TEST_CASE("encoded words are read", "[mail]") {
    struct Case {
        std::string field, text;
    };
    const auto c = GENERATE(values<Case>({
        // RFC 2047 §8.
        {"(=?ISO-8859-1?Q?a?=)", "(a)"},
        {"(=?ISO-8859-1?Q?a?= b)", "(a b)"},
        {"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"},
        {"(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)"},
        {"(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)", "(ab)"},
        {"(=?ISO-8859-1?Q?a_b?=)", "(a b)"},
        {"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"},
        {"=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>",
         "Keld J\303\270rn Simonsen <keld@dkuug.dk>"},
        {"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n "
         "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
         "If you can read this you understand the example."},
        {"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"}, // RFC 2231 §5
        // As programs write them.
        {"=?ks_c_5601-1987?B?vsiz58fPvLy/5A==?=",
         "\354\225\210\353\205\225\355\225\230\354\204\270\354\232\224"},
        {"=?gb2312?B?1tDOxA?= =?GB2312?B?1tDOxA?=", "\344\270\255\346\226\207\344\270\255\346\226\207"},
        {"=?utf-8?B?4g==?= =?UTF-8?B?gqw=?=", "\342\202\254"}, // cut in the middle of a character
        {"=?utf-8?q?=E2=82?= =?utf-8?q?=AC?=", "\342\202\254"},
        {"=?utf-8?Q?a b?=", "a b"},
        {"x=?utf-8?q?y?=z", "xyz"},
        {"=?utf-8?q?\?=", ""},
        {"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"},
        {"a \344 b", "a \303\244 b"},
        {"a \303\244 =?utf-8?q?b?=", "a \303\244 b"},
        {"=?utf-8?q?a=zz=4?=", "a=zz=4"},
        {"=?utf-8?q?=FF?=", "\377"}, // left to whoever shows it
        // None.
        {"=?no-such-charset?q?a?=", "=?no-such-charset?q?a?="},
        {"=?utf-7?q?+ADw-?=", "=?utf-7?q?+ADw-?="},
        {"=?utf-8//IGNORE?q?a?=", "=?utf-8//IGNORE?q?a?="},
        {"=?utf-8?x?a?=", "=?utf-8?x?a?="},
        {"=?utf-8?q?a", "=?utf-8?q?a"},
        {"=?utf-8?q?a?", "=?utf-8?q?a?"},
        {"=?utf-8?q?a\r\n b?=", "=?utf-8?q?a\r\n b?="},
        {"=?utf-8?", "=?utf-8?"},
        {"=?", "=?"},
        {"=?=?utf-8?q?a?=", "=?a"},
        {"1 = ? 2", "1 = ? 2"},
        {"", ""},
    }));
    CAPTURE(c.field);
    CHECK(decoded_words(c.field) == c.text);
}

TEST_CASE("a field made to exhaust its reader is read in the time of its length", "[mail]") {
    const auto unit = GENERATE(as<std::string>{}, "=?", "=?utf-8?q?", "=?a?q?a?= ", "=?utf-8?q?a?= ", "=?q?",
                               "=?utf-8?q?a?= =?koi8-r?q?a?= ");
    CAPTURE(unit);
    std::string field;
    while (field.size() < 2 * encoded_words_octets_max) {
        field += unit;
    }
    CHECK(decoded_words(field).size() <= encoded_words_octets_max);
}
