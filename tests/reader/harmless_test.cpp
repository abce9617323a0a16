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

TEST_CASE("columns are counted as a terminal does", "[reader]") {
    CHECK(display_width("abc") == 3);
    CHECK(display_width("\xe6\xbc\xa2\xe5\xad\x97") == 4); // two wide characters
    CHECK(display_width("a\xcc\x88") == 1);
    CHECK(display_width("a\tb") == 9);
}

TEST_CASE("every line of a terminal that a text makes begins with the indent", "[reader]") {
    CHECK(indented("one\ntwo", "| ", 0) == "| one\n| two\n");
    CHECK(indented("one\n\ntwo\n", "| ", 0) == "| one\n| \n| two\n");
    CHECK(indented("aaa bbb ccc", "| ", 10) == "| aaa bbb \n| ccc\n");
    CHECK(indented("aaa bbb ccc", "| ", 9) == "| aaa bbb\n| ccc\n");
    CHECK(indented("aaaaaaaaaaaa", "| ", 6) == "| aaaa\n| aaaa\n| aaaa\n");
    CHECK(indented("\xe6\xbc\xa2\xe6\xbc\xa2", "| ", 5) == "| \xe6\xbc\xa2\n| \xe6\xbc\xa2\n");
    CHECK(indented("abc", "| ", 1) == "| ab\n| c\n"); // too narrow for anything
    CHECK(indented("", "| ", 10).empty());
}
