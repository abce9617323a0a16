#include "mail/charset.hpp"
#include "tests/support/catch.hpp"

#include <iconv.h>

#include <string>

using namespace lockbox::mail;

TEST_CASE("text comes in many charsets", "[mail]") {
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

TEST_CASE("a label means what everybody takes it for", "[mail]") { // bytes and texts from Python's codecs
    struct Case {
        std::string bytes, charset, text;
        bool complete;
    };
    const auto c = GENERATE(values<Case>({
        {"\276\310\263\347\307\317\274\274\277\344 \214c", "ks_c_5601-1987",
         "\354\225\210\353\205\225\355\225\230\354\204\270\354\232\224 \353\230\240", true},
        {"\214c", "EUC-KR", "\353\230\240", true},
        {"\214c", "'ksc5601'", "\353\230\240", true},
        {"\326\320\316\304\346g", "gb2312", "\344\270\255\346\226\207\351\216\224", true},
        {"\326\320\316\304", "GB_2312-80", "\344\270\255\346\226\207", true},
        {"\2252\2026", "gbk", "\360\240\200\200", true},
        {"\371\354\345\355", "iso-8859-8-i", "\327\251\327\234\327\225\327\235", true},
        {"\371\354\345\355", "ISO-8859-8-E", "\327\251\327\234\327\225\327\235", true},
        {"\204\200\223", "windows1252", "\342\200\236\342\202\254\342\200\234", true},
        {"\204\200\223", "Windows-1252;", "\342\200\236\342\202\254\342\200\234", true},
        {"\204\200\223", "ISO-8859-1", "\342\200\236\342\202\254\342\200\234", true},
        {"\204\200\223", "iso8859_1", "\342\200\236\342\202\254\342\200\234", true},
        {"\357\360\350\342\345\362", "cp-1251", "\320\277\321\200\320\270\320\262\320\265\321\202", true},
        {"\320\322\311\327\305\324", "koi8r", "\320\277\321\200\320\270\320\262\320\265\321\202", true},
        {"\257\340\250\242\245\342", "cp866", "\320\277\321\200\320\270\320\262\320\265\321\202", true},
        {"\207@\356\340", "x-sjis", "\342\221\240\351\253\231", true},
        {"\207@", "Shift-JIS", "\342\221\240", true},
        {"\303\372", "x-euc-jp", "\344\270\201", true},
        {"\033$BF|K\1348l\033(B", "csISO2022JP", "\346\227\245\346\234\254\350\252\236", true},
        {"\200\376", "iso-8859-9", "\342\202\254\305\237", true},
        {"\344\267\302\205", "tis-620", "\340\271\204\340\270\227\340\270\242\342\200\246", true},
        {"\255\273\264\344\235\357", "big5", "\351\246\231\346\270\257\345\230\205", true},
        {std::string("h\000\351\000", 4), "utf-16", "h\303\251", true},
        {std::string("\000h\000\351", 4), "UTF-16BE", "h\303\251", true},
        {"h\303\251", "utf_8", "h\303\251", true},
        {"h\303\251", "\"utf-8\"", "h\303\251", true},
        {"h\303\251", "unicode-1-1-utf-8", "h\303\251", true},
        {"caf\216", "x-mac-roman", "caf\303\251", true},
        {"\357\360\350\342\264\362", "x-mac-ukrainian", "\320\277\321\200\320\270\320\262\321\226\321\202",
         true},
        {"\357\273\277h", "utf-8", "h", true},
        {"\357\273\277h\303\251", "iso-8859-1", "h\303\251", true},
        {"\357\273\277h\303\251", "", "h\303\251", true},
        {std::string("\377\376h\000", 4), "utf-16", "h", true},
        {std::string("\376\377\000h", 4), "utf-16", "h", true},
        {std::string("\376\377\000h", 4), "utf-16le", "h", true},
        {std::string("\376\377\000h", 4), "utf-8", "h", true},
        {std::string("\377\376h\000", 4), "", "h", true},
        {"\377\376", "windows-1252", "\303\277\303\276", true},
        {"\357\273\277\357\273\277h", "utf-8", "\357\273\277h", true},
        {"\033(I1\033(B", "iso-2022-jp", "\357\275\261", true},
    }));
    CAPTURE(c.bytes, c.charset);
    const auto converted = to_utf8(c.bytes, c.charset);
    CHECK(converted.text == c.text);
    CHECK(converted.complete == c.complete);
}

TEST_CASE("each label of the standard is a charset that iconv has", "[mail]") {
    const auto labels = charset_labels();
    CHECK(labels.size() == 225);
    for (const auto label : labels) {
        CAPTURE(label);
        const std::string charset(charset_labelled(label));
        CHECK_FALSE(charset.empty());
        auto* const converter = iconv_open("UTF-8", charset.c_str());
        REQUIRE(converter != reinterpret_cast<iconv_t>(-1)); // NOLINT: iconv(3) defines it so
        iconv_close(converter);
        const std::string ab = charset == "UTF-16BE"   ? std::string("\0a\0b", 4)
                               : charset == "UTF-16LE" ? std::string("a\0b\0", 4)
                                                       : "ab";
        CHECK(to_utf8(ab, label).text == "ab");
        CHECK(to_utf8(ab, label).complete);
    }
}

TEST_CASE("labels that differ only in their marks mean one charset", "[mail]") {
    const auto compact = [](std::string_view label) {
        std::string text(label);
        std::erase_if(text, [](char c) { return c == '-' || c == '_' || c == ':' || c == '.'; });
        return text;
    };
    for (const auto label : charset_labels()) {
        CHECK(charset_labelled(compact(label)) == charset_labelled(label));
    }
    for (const auto* const label : {"no-such-charset", "", "utf-7", "iso-8859-12"}) {
        CHECK(charset_labelled(label).empty());
    }
}
