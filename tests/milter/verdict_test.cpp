#include "milter/verdict.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox::milter;

TEST_CASE("A reply fits into SMTP's lines, whatever it says", "[milter]") {
    std::string long_text;
    for (unsigned i = 0; i < 100; ++i) {
        long_text += "<recipient" + std::to_string(i) + "@example.org>: certificate expired on 2026-01-02; ";
    }
    const auto text = GENERATE_COPY(std::string("short"), long_text, std::string(5000, 'x'),
                                    long_text + long_text + long_text + long_text,
                                    std::string("<a@example.org>: no\r\n550 injected"), std::string());
    const auto lines = reply_lines(text);
    REQUIRE_FALSE(lines.empty());
    CHECK(lines.size() <= reply_lines_max);
    for (const auto& line : lines) {
        CHECK(line.size() <= reply_line_octets_max);
        CHECK_FALSE(line.empty());
        CHECK(line.find_first_of("\r\n%") == std::string::npos);
    }
}

TEST_CASE("Lines break between words, and what is left out is said", "[milter]") {
    const auto two = reply_lines(std::string(300, 'a') + " " + std::string(300, 'b'));
    REQUIRE(two.size() == 2);
    CHECK(two[0] == std::string(300, 'a'));
    CHECK(two[1] == std::string(300, 'b'));
    std::string many;
    for (unsigned i = 0; i < 2 * reply_lines_max; ++i) {
        many += std::string(reply_line_octets_max - 1, 'x') + " ";
    }
    CHECK(reply_lines(many).back().find("log") != std::string::npos);
}
