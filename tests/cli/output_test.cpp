#include "cli/output.hpp"
#include "tests/cli/harness.hpp"

using namespace lockbox;
using lockbox::test::day;

TEST_CASE("a table's columns are as wide as their cells", "[cli]") {
    std::ostringstream out;
    cli::Table table(out, {"NAME", "NUMBER", "END"});
    table.add({"a", "100000000", "x"});
    table.add({"J\xc3\xb6rg", "1", "y"}); // two octets, one column
    CHECK(out.str().empty());
    table.finish();
    CHECK(out.str() == "NAME  NUMBER     END\n"
                       "a     100000000  x\n"
                       "J\xc3\xb6rg  1          y\n");
}

TEST_CASE("a table without rows prints nothing", "[cli]") {
    std::ostringstream out;
    cli::Table table(out, {"NAME"});
    table.finish();
    CHECK(out.str().empty());
}

TEST_CASE("a long table is printed while it grows, and a later longer cell moves its own row only", "[cli]") {
    std::ostringstream out;
    cli::Table table(out, {"A", "B"});
    for (int i = 0; i < 1000; ++i) {
        table.add({"short", "x"});
    }
    CHECK(out.str().size() == std::string("A      B\n").size() + 1000 * std::string("short  x\n").size());
    table.add({"longer than before", "x"});
    table.add({"short", "x"});
    CHECK(out.str().ends_with("short  x\nlonger than before  x\nshort  x\n"));
}

TEST_CASE("JSON is ASCII, and replaces what is no UTF-8", "[cli]") {
    CHECK(cli::to_text(cli::Json{{"a", "J\xc3\xb6rg \xff\x1b[31m\xc2\x9b\x7f"}}, -1) ==
          R"({"a":"J\u00f6rg \ufffd\u001b[31m\u009b\u007f"})");
}

TEST_CASE("usability is told in the words that everything shares", "[cli]") {
    auto entry = test::entry('1', "bob@example.org");
    CHECK(cli::usability(entry, test::test_now) == "no expiry");
    entry.expires = day(2027, 1, 2);
    CHECK(cli::usability(entry, test::test_now) == "until 2027-01-02");
    CHECK(cli::usability(entry, day(2027, 1, 2)) == "certificate expired on 2027-01-02");
    entry.revoked = true;
    CHECK(cli::usability(entry, test::test_now) == "certificate revoked");
}

TEST_CASE("an end that is near is warned of", "[cli]") {
    auto entry = test::entry('1', "bob@example.org");
    entry.expires = day(2026, 7, 1);
    CHECK(cli::warnings_about(entry, day(2026, 6, 1)).empty());
    CHECK(cli::warnings_about(entry, day(2026, 6, 2)).size() == 1);
    CHECK(cli::warnings_about(entry, day(2026, 7, 2)).empty()); // why_unusable() says it
}
