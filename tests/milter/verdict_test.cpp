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
        CHECK(line.find_first_of("\r\n") == std::string::npos);
    }
}

TEST_CASE("What goes on shows its form to the routing, and nothing else does", "[milter]") {
    const auto secret = lockbox::policy::RouteSecret::parse("0123456789abcdef");
    const auto routed = [&](Verdict verdict) { return with_route(std::move(verdict), secret, 2); };
    CHECK(routed(Pass{}) == Verdict(Pass{Form::clear, Route{2, " 0123456789abcdef clear"}}));
    CHECK(routed(Pass{Form::sealed}) == Verdict(Pass{Form::sealed, Route{2, " 0123456789abcdef sealed"}}));
    CHECK(routed(Edit{{}, "body"}) == Verdict(Edit{{}, "body", Route{2, " 0123456789abcdef sealed"}}));
    const auto ends =
        GENERATE(Verdict(Discard{}), Verdict(defer_for_a_fault()), Verdict(Refuse{{"550", "5.7.1", "no"}}));
    CHECK(routed(ends) == ends);
    CHECK_FALSE(goes_on(ends));
    CHECK(goes_on(Pass{}));
    CHECK(goes_on(Edit{}));
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

TEST_CASE("Each recipient concerned has a line of the reply", "[milter]") {
    const auto lines =
        reply_lines("Message cannot be sealed: <a@example.org>: no certificate; <b@example.org>: "
                    "certificate expired on 2026-01-02");
    CHECK(lines == std::vector<std::string>{"Message cannot be sealed: <a@example.org>: no certificate;",
                                            "<b@example.org>: certificate expired on 2026-01-02"});
}

TEST_CASE("So many recipients that they would have too many lines share them, and none is left out",
          "[milter]") {
    std::string text = "Message cannot be sealed: ";
    for (int i = 0; i < 100; ++i) {
        text += (i == 0 ? "<r" : "; <r") + std::to_string(i) + "@example.org>: no certificate";
    }
    const auto lines = reply_lines(text);
    CHECK(lines.size() <= reply_lines_max);
    std::string joined;
    for (const auto& line : lines) {
        CHECK(line.size() <= reply_line_octets_max);
        joined += line + ' ';
    }
    CHECK(joined.find("<r99@example.org>: no certificate") != std::string::npos);
}
