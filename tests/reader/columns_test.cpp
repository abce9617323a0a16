#include "reader/columns.hpp"
#include "tests/support/catch.hpp"

#include <clocale>
#include <cwchar>
#include <string>

using namespace lockbox::reader;

TEST_CASE("columns are counted as a terminal does, and rather more than less", "[reader]") {
    struct Case {
        std::string text;
        std::size_t narrow, wide;
    };
    const auto c = GENERATE(values<Case>({
        {"abc", 3, 3},
        {"\u6f22\u5b57", 4, 4},         // East_Asian_Width W
        {"\uff21", 2, 2},               // F
        {"\ufe10\ufe19\uffe0", 6, 6},   // W and F outside of the blocks that everybody thinks of
        {"\u2705\u274c\u2b50", 6, 6},   // emoji presentation
        {"\U00017000", 2, 2},           // Tangut
        {"\u2764\ufe0f", 3, 3},         // an emoji only behind its selector, which some terminals do not know
        {"\U0001f1e9\U0001f1ea", 4, 4}, // regional indicators
        {"a\u0308", 1, 1},              // a combining mark
        {"\u00fc\u0416\u03a9", 3, 6},   // letters of ambiguous width
        {"\u2502", 1, 2},
        {"\u25cf", 2, 2},               // a symbol of ambiguous width
        {"\u2590", 1, 1},               // own_mark: neutral
        {"\U0003fffd\U000e1fff", 4, 4}, // nobody knows them
    }));
    CAPTURE(c.text);
    CHECK(columns_of(c.text, Ambiguous::narrow) == c.narrow);
    CHECK(columns_of(c.text, Ambiguous::wide) == c.wide);
}

TEST_CASE("no character is narrower than the C library of terminals takes it for", "[reader]") {
    const std::string before = std::setlocale(LC_CTYPE, nullptr);
    REQUIRE(std::setlocale(LC_CTYPE, "C.UTF-8") != nullptr);
    for (std::uint32_t code = 0x20; code < 0x110000; ++code) {
        const int theirs = ::wcwidth(static_cast<wchar_t>(code));
        if (theirs > static_cast<int>(columns_of(code, Ambiguous::narrow))) {
            FAIL_CHECK("U+" << std::hex << code << " takes " << theirs);
        }
    }
    CHECK(std::setlocale(LC_CTYPE, before.c_str()) != nullptr);
}
