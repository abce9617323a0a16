#include "cli/progress.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <sstream>

using namespace lockbox::cli;
using namespace std::chrono_literals;

TEST_CASE("the line of a progress says how much, how fast and how long", "[cli]") {
    CHECK(progress_line(0, 0, 10, std::nullopt, 0s) == "[------------------------] 0/10");
    CHECK(progress_line(500, 0, 1000, std::nullopt, 10s) ==
          "[############------------] 500/1000  50.0/s  0:10 left");
    CHECK(progress_line(1, 0, 9001, std::nullopt, 1s) ==
          "[------------------------] 1/9001  1.0/s  2:30:00 left");
    CHECK(progress_line(1000, 0, 1000, std::nullopt, 10s) ==
          "[########################] 1000/1000  100.0/s  0:00 left");
    // An earlier run's messages say nothing about the rate of this one.
    CHECK(progress_line(10, 490, 1000, std::nullopt, 1s) ==
          "[############------------] 500/1000  10.0/s  0:50 left");
    // An mbox: nobody knows how many there are, but how large it is.
    CHECK(progress_line(10, 0, std::nullopt, 0.25, 30s) ==
          "[######------------------] 10 messages  0.3/s  1:30 left");
    CHECK(progress_line(10, 0, std::nullopt, std::nullopt, 20s) == "10 messages  0.5/s");
    CHECK(progress_line(12, 0, 10, 7.0, 6s) == "[########################] 12/10  2.0/s  0:00 left");
    CHECK(progress_line(1, 0, 9'999'999'999, std::nullopt, 1000s).size() <= 79);
}

TEST_CASE("a progress is drawn 10 times a second at most, and cleared", "[cli]") {
    std::chrono::steady_clock::time_point now{};
    std::ostringstream err;
    Progress progress(err, true, [&] { return now; });
    progress.set_total(1000);
    for (int i = 0; i < 1000; ++i) {
        now += 1ms;
        progress.advance();
    }
    const auto text = err.str();
    CHECK(std::count(text.begin(), text.end(), '\r') == 10);
    CHECK_THAT(text, lockbox::test::contains_text("901/1000"));
    progress.clear();
    CHECK(err.str() == text + "\r\x1b[K");
    progress.clear();
    CHECK(err.str() == text + "\r\x1b[K");
}

TEST_CASE("a progress is not for files and pipes", "[cli]") {
    std::ostringstream err;
    {
        Progress progress(err, false);
        progress.set_total(2);
        progress.advance();
        progress.clear();
    }
    CHECK(err.str().empty());
}
