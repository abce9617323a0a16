#include "base/exit_status.hpp"
#include "base/time.hpp"
#include "tests/support/catch.hpp"

#include <chrono>

using namespace lockbox;

TEST_CASE("times are printed in UTC as RFC 3339 has them", "[base]") {
    // date -u -d @1767323045 +%FT%TZ
    const Time time(std::chrono::seconds(1767323045));
    CHECK(format_time(time) == "2026-01-02T03:04:05Z");
    CHECK(format_date(time) == "2026-01-02");
    CHECK(format_time(Time(std::chrono::seconds(0))) == "1970-01-01T00:00:00Z");
    // date -u -d @4102444799 +%FT%TZ: past what 32 bits hold
    CHECK(format_time(Time(std::chrono::seconds(4102444799))) == "2099-12-31T23:59:59Z");
}

TEST_CASE("each kind of error has the exit status that the manual page promises", "[base]") {
    CHECK(exit_status(ErrorKind::usage) == 64);
    CHECK(exit_status(ErrorKind::malformed) == 65);
    CHECK(exit_status(ErrorKind::too_large) == 65);
    CHECK(exit_status(ErrorKind::no_input) == 66);
    CHECK(exit_status(ErrorKind::no_certificate) == 67);
    CHECK(exit_status(ErrorKind::unavailable) == 69);
    CHECK(exit_status(ErrorKind::engine) == 70);
    CHECK(exit_status(ErrorKind::io) == 74);
    CHECK(exit_status(ErrorKind::busy) == 75);
    CHECK(exit_status(ErrorKind::permission) == 77);
    CHECK(exit_status(ErrorKind::no_secret_key) == 77);
    CHECK(exit_status(ErrorKind::configuration) == 78);
    CHECK(exit_status(ErrorKind::nothing_to_open) == 1);
}
