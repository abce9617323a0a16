#include "reader/harmless.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace lockbox::reader;
using namespace std::string_literals;

namespace {

const std::string gone(harmless_replacement);

} // namespace

TEST_CASE("what steers a terminal or misleads the eye is replaced", "[reader]") {
    struct Case {
        std::string text, harmless;
    };
    const auto c = GENERATE(values<Case>({
        {"\x1b[2J\x1b]0;title\x07", gone + "[2J" + gone + "]0;title" + gone}, // CSI, OSC
        {"a\0b"s, "a" + gone + "b"},
        {"\xc2\x9b"
         "31m",
         gone + "31m"}, // U+009B, an eight-bit CSI
        {"\x9b"
         "31m",
         gone + "31m"}, // the same in no charset
        {"over\rwrite", "over" + gone + "write"},
        {"a\r\nb\tc\n", "a\nb\tc\n"},
        {"\xe2\x80\xae"
         "fdp.exe",
         gone + "fdp.exe"},                                               // U+202E, right-to-left override
        {"\xe2\x81\xa6x\xe2\x81\xa9", gone + "x" + gone},                 // U+2066 and U+2069, isolates
        {"\xd8\x9cx", gone + "x"},                                        // U+061C, Arabic letter mark
        {"pay\xe2\x80\x8bpal", "pay" + gone + "pal"},                     // U+200B, zero width space
        {"\xe2\x80\xa8x\xe2\x80\xa9", gone + "x" + gone},                 // U+2028 and U+2029
        {"\xf3\xa0\x81\xa1", gone},                                       // U+E0061, a tag
        {"\xee\x80\x80", gone},                                           // U+E000, private use
        {"\xef\xbb\xbfx", gone + "x"},                                    // U+FEFF
        {"a\xcc\x88", "a\xcc\x88"},                                       // a combining mark
        {"\xd9\x85\xe2\x80\x8c\xd9\x85", "\xd9\x85\xe2\x80\x8c\xd9\x85"}, // a joiner in Arabic script
        {"\xe1\xa0\x8e\xe2\x80\x8d", "\xef\xbf\xbd\xef\xbf\xbd"},         // a joiner behind what is not shown
        // The same between letters that a joiner may join: U+0645, U+061C or no UTF-8, U+200C or U+200D,
        // U+0645.
        {"\xd9\x85\xd8\x9c\xe2\x80\x8c\xd9\x85", "\xd9\x85" + gone + gone + "\xd9\x85"},
        {"\xd9\x85\xff\xe2\x80\x8d\xd9\x85", "\xd9\x85" + gone + gone + "\xd9\x85"},
        {"\xd9\x85\x7f\xe2\x80\x8d\xd9\x85", "\xd9\x85" + gone + gone + "\xd9\x85"},
        {"a\xe2\x80\x8d"
         "b",
         "a" + gone + "b"}, // and one that only hides
        {"\xff\xfe", gone + gone},
        {"\xe2\x82", gone + gone},
        {"Gr\xc3\xbc\xc3\x9f"
         "e \xe2\x82\xac \xf0\x9f\x98\x80",
         "Gr\xc3\xbc\xc3\x9f"
         "e \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"", ""},
    }));
    CAPTURE(c.text);
    CHECK(harmless(c.text) == c.harmless);
}

TEST_CASE("one line stays one line", "[reader]") {
    CHECK(harmless_line(" a\r\nFrom: b\tc ") == "a From: b c");
}

TEST_CASE("of ASCII and Latin-1, exactly the controls are replaced", "[reader]") {
    // ECMA-48 §5.2 and §5.3: C0 is 00 to 1f, C1 is 80 to 9f; 7f is DELETE.
    for (unsigned code = 0; code < 0x100; ++code) {
        std::string text;
        if (code < 0x80) {
            text += static_cast<char>(code);
        } else {
            text += static_cast<char>(0xc0U | code >> 6U);
            text += static_cast<char>(0x80U | (code & 0x3fU));
        }
        const bool is_control = code < 0x20 || (code >= 0x7f && code <= 0x9f);
        const bool is_soft_hyphen = code == 0xad; // nobody sees it
        const bool stays = code == '\n' || code == '\t' || (!is_control && !is_soft_hyphen);
        CAPTURE(code);
        CHECK(harmless("a" + text + "b") == "a" + (stays ? text : gone) + "b");
        const auto line = harmless_line("a" + text + "b");
        const bool is_blank = code == '\n' || code == '\t';
        CHECK(line == "a" + (is_blank ? " " : stays ? text : gone) + "b");
    }
}
