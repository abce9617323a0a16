#include "reader/page.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace lockbox::reader;

namespace {

std::string text_of(std::string_view text, std::size_t width) {
    Page page({width, false, Ambiguous::narrow});
    page.text(MessageWords(text));
    return page.take();
}

} // namespace

TEST_CASE("text is broken between words, and words that no line has room for anywhere", "[reader]") {
    const std::string bar = "\u2502 ";
    CHECK(text_of("one\ntwo", 20) == bar + "one\n" + bar + "two\n");
    CHECK(text_of("one\n\ntwo\n", 20) == bar + "one\n" + bar + "\n" + bar + "two\n");
    CHECK(text_of("aaaaaaaa bbbbbbbb ccc", 20) == bar + "aaaaaaaa bbbbbbbb \n" + bar + "ccc\n");
    CHECK(text_of("aaaaaaaaa bbbbbbbb ccc", 20) == bar + "aaaaaaaaa bbbbbbbb\n" + bar + "ccc\n");
    CHECK(text_of("aaaaaaaaa bbbbbbbb\nccc", 20) == bar + "aaaaaaaaa bbbbbbbb\n" + bar + "ccc\n");
    CHECK(text_of(std::string(40, 'a'), 20) ==
          bar + std::string(18, 'a') + '\n' + bar + std::string(18, 'a') + '\n' + bar + "aaaa\n");
    std::string wide;
    for (int i = 0; i < 10; ++i) {
        wide += "\u6f22";
    }
    CHECK(text_of(wide, 21) == bar + wide.substr(0, 27) + '\n' + bar + wide.substr(27) + '\n');
    CHECK(text_of("a\tb\t\tc", 40) == bar + "a       b               c\n");
    CHECK(text_of("", 20) == bar + '\n');
    CHECK(text_of("abc", 1) == bar + "abc\n"); // fewer columns than any terminal has
}

TEST_CASE("Lockbox's lines have the mark, and what is quoted the bar", "[reader]") {
    Page page({40, false, Ambiguous::narrow});
    page.say("Protection"_own, "sealed, but it MAY HAVE BEEN CHANGED"_own);
    page.say("Signature"_own, "signed by"_own, MessageWords("Eve\n\u2590 Protection: sealed"));
    page.field("Subject"_own, MessageWords("words that need another line"));
    page.field("Cc"_own, MessageWords());
    page.field("Attachment"_own, OwnWords::part("1.2") + ", "_own + OwnWords::size(5), MessageWords("a.pdf"));
    page.heading("Part "_own + OwnWords::part("2#1\n|x"));
    CHECK(page.take() == "\u2590 Protection: sealed, but it MAY HAVE \n"
                         "\u2590             BEEN CHANGED\n"
                         "\u2590 Signature:  signed by:\n"
                         "\u2502             Eve\n"
                         "\u2502             # Protection: sealed\n"
                         "\u2590 Subject:    words that need another \n"
                         "\u2502             line\n"
                         "\u2590 Attachment: 1.2, 5 octets: a.pdf\n"
                         "\u2590\n"
                         "\u2590 Part 2#1???\n");
}

TEST_CASE("what looks like the mark is something else in the words of a message", "[reader]") {
    struct Case {
        std::string text, shown;
    };
    const auto c = GENERATE(values<Case>({
        {"\u2590 a", "# a"},                                      // the mark itself
        {"\u2588\u258c\u258f\u2595", "####"},                     // full, left half, left and right eighth
        {"\u2503\u2551\u275a\uffe8", "||||"},                     // heavy and double strokes
        {"\u2502\u2500\u253c\u2591", "\u2502\u2500\u253c\u2591"}, // a table, and a light shade
        {"\U0001fb8b\U0001cc21\u28b8", "###"},                    // legacy computing, Braille
        {"\x1b[7m \x1b[0m", "\ufffd[7m \ufffd[0m"},               // a block made of a space
        {"gr\u00fc\u00df", "gr\u00fc\u00df"},
    }));
    CAPTURE(c.text);
    CHECK(MessageWords(c.text).text() == c.shown);
}
