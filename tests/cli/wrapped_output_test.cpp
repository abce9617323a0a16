#include "cli/wrapped_output.hpp"
#include "tests/support/catch.hpp"

#include <ostream>
#include <sstream>
#include <string>

using namespace lockbox::cli;

TEST_CASE("on a terminal no line of standard error begins with what stands in the middle of one", "[cli]") {
    struct Case {
        std::string written, seen;
    };
    const std::string bar = "\n  \u2502 ";
    const auto c = GENERATE_COPY(values<Case>({
        {"lockbox: opened\n", "lockbox: opened\n"},
        {"lockbox: 34567890123\nlockbox: next\n", "lockbox: 34567890123\nlockbox: next\n"}, // just fits
        {"lockbox: 345678901234567890lockbox: x\n",
         "lockbox: 34567890123" + bar + "4567890lockbox: " + bar + "x\n"},
        {"lockbox: 3456789012\u6f22\n", "lockbox: 3456789012" + bar + "\u6f22\n"},
        {"lockbox: 3456789012\u2705\n", "lockbox: 3456789012" + bar + "\u2705\n"},
        {"a\u0308\u0308\u0308\u0308bcdefghijklmnopqrst\n", "a\u0308\u0308\u0308\u0308bcdefghijklmnopqrst\n"},
        {"\r\x1b[K[####] 3/4\r\x1b[K[####] 4/4", "\r\x1b[K[####] 3/4\r\x1b[K[####] 4/4"}, // progress
        {"\xff\xff\n", "\xff\xff\n"},
    }));
    std::ostringstream terminal;
    WrappedOutput wrapped(*terminal.rdbuf(), 20);
    std::ostream err(&wrapped);
    err << c.written << std::flush;
    CHECK(terminal.str() == c.seen);
}

TEST_CASE("what is written to standard error is not held back", "[cli]") {
    std::ostringstream terminal;
    WrappedOutput wrapped(*terminal.rdbuf(), 80);
    std::ostream err(&wrapped);
    err << "lockbox: reading from the terminal";
    CHECK(terminal.str() == "lockbox: reading from the terminal");
}
