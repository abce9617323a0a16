#include "reader/flowed.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox::reader;

TEST_CASE("flowed lines are joined", "[reader]") {
    struct Case {
        std::string text, joined;
        bool delete_space;
    };
    const auto c = GENERATE(values<Case>({
        // RFC 3676 §4.1: paragraphs of flowed lines end with a fixed one.
        {"`Take some more tea,' the March Hare said to Alice, \nvery earnestly.\n\n`I've had nothing yet,' "
         "\nshe said.\n",
         "`Take some more tea,' the March Hare said to Alice, very earnestly.\n\n`I've had nothing yet,' she "
         "said.\n",
         false},
        // §4.5: quote marks are of the paragraph, and a change of depth ends one.
        {">> one \n>> two\n> three \nfour\n", ">> one two\n> three \nfour\n", false},
        // §4.4: space-stuffing.
        {" From here\n >not a quotation\n", "From here\n>not a quotation\n", false},
        // §4.3: the signature separator is a line of its own.
        {"text \n-- \nAlice\n", "text \n-- \nAlice\n", false},
        // §4.2 with DelSp: the space goes.
        {"\xe6\xbc\xa2 \n\xe5\xad\x97\n", "\xe6\xbc\xa2\xe5\xad\x97\n", true},
        {"soft \n", "soft \n", false},
        {"a\r\nb \r\nc", "a\nb c\n", false},
        {"", "", false},
    }));
    CAPTURE(c.text);
    CHECK(unflowed(c.text, c.delete_space) == c.joined);
}
