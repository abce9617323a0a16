#include "milter/tcp_table.hpp"
#include "tests/support/catch.hpp"

#include <bit>

using namespace lockbox::milter;

namespace {

// Lines of Linux 6.18 on a little-endian machine, where the words of an address are printed backwards.
const std::string heading =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
    "timeout inode";
const std::string listening =
    "   0: 0100007F:CDF9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0"
    "        0 39792 1 000000009cfc1f07 100 0 0 10 0";
const std::string accepted =
    "   2: 0100007F:CDF9 0100007F:9A52 01 00000000:00000000 00:00000000 00000000 65534"
    "        0 42567 2 000000000ae76063 20 0 0 11 -1";
const std::string client = "   3: 0100007F:9A52 0100007F:CDF9 01 00000000:00000000 00:00000000 00000000     0"
                           "        0 39793 2 00000000d0892837 20 4 30 10 -1";
const std::string every_ipv6 =
    "   0: 00000000000000000000000000000000:A4FB 00000000000000000000000000000000:0000 0A 00000000:00000001 "
    "00:00000000 00000000   104        0 39796 2 00000000ffff51bd 100 0 0 10 0";
const std::string mapped_not_accepted =
    "   1: 0000000000000000FFFF00000100007F:A4FB 0000000000000000FFFF00000100007F:88CE 01 00000000:00000000 "
    "00:00000000 00000000     0        0 0 1 00000000c054f76e 20 0 0 10 -1";
const std::string mapped =
    "   1: 0000000000000000FFFF00000100007F:A4FB 0000000000000000FFFF00000100007F:88CE 01 00000000:00000000 "
    "00:00000000 00000000   104        0 39798 1 00000000c054f76e 20 0 0 10 -1";
const std::string ipv6 =
    "   1: 00000000000000000000000001000000:A4FB 00000000000000000000000001000000:DEFE 01 00000000:00000000 "
    "00:00000000 00000000   105        0 39800 1 000000006cd5d6d9 20 0 0 10 -1";

TcpEnd end(const std::string& address, std::uint16_t port) {
    return TcpEnd::from(address, port).value();
}

std::vector<TcpRow> table(const std::vector<std::string>& lines) {
    std::vector<TcpRow> rows;
    for (const auto& line : lines) {
        if (auto row = TcpRow::parse(line)) {
            rows.push_back(*row);
        }
    }
    return rows;
}

} // namespace

TEST_CASE("A line of the kernel's table is read as the kernel means it", "[milter]") {
    if (std::endian::native != std::endian::little) {
        return;
    }
    CHECK_FALSE(TcpRow::parse(heading));
    CHECK(TcpRow::parse(listening) == TcpRow{end("127.0.0.1", 0xcdf9), end("0.0.0.0", 0), 10, 0, 39792});
    CHECK(TcpRow::parse(accepted) ==
          TcpRow{end("127.0.0.1", 0xcdf9), end("127.0.0.1", 0x9a52), 1, 65534, 42567});
    CHECK(TcpRow::parse(mapped) == TcpRow{end("127.0.0.1", 0xa4fb), end("127.0.0.1", 0x88ce), 1, 104, 39798});
    CHECK(TcpRow::parse(ipv6) == TcpRow{end("::1", 0xa4fb), end("::1", 0xdefe), 1, 105, 39800});
    CHECK(TcpRow::parse(every_ipv6) == TcpRow{end("::", 0xa4fb), end("::", 0), 10, 104, 39796});
}

TEST_CASE("What is no line of the table is not read", "[milter]") {
    CHECK_FALSE(TcpRow::parse(""));
    for (std::size_t octets = 0; octets < accepted.find(" 42567"); ++octets) {
        CHECK_FALSE(TcpRow::parse(accepted.substr(0, octets)));
    }
    for (const auto& [good, bad] :
         std::vector<std::pair<std::string, std::string>>{{"0100007F:CDF9", "0100007G:CDF9"},
                                                          {"0100007F:CDF9", "0100007F:1CDF9"},
                                                          {"0100007F:CDF9", "100007F:CDF9"},
                                                          {"0100007F:CDF9", "0100007F"},
                                                          {"65534", "-1"},
                                                          {"65534", "root"},
                                                          {" 42567 ", " 99999999999999999999999 "}}) {
        auto line = accepted;
        line.replace(line.find(good), good.size(), bad);
        CAPTURE(line);
        CHECK_FALSE(TcpRow::parse(line));
    }
}

TEST_CASE("Who has accepted a connection is the user of the other end's established socket", "[milter]") {
    if (std::endian::native != std::endian::little) {
        return;
    }
    const auto there = end("127.0.0.1", 0xcdf9);
    const auto here = end("127.0.0.1", 0x9a52);
    CHECK(who_accepted(table({heading, listening, client, accepted}), there, here) == 65534U);
    CHECK(who_accepted(table({accepted}), here, there) == std::nullopt); // that is the other direction
    CHECK(who_accepted(table({heading, listening, client}), there, here) == std::nullopt);
    CHECK(who_accepted(table({accepted}), there, end("127.0.0.1", 0x9a53)) == std::nullopt);
    CHECK(who_accepted(table({accepted}), there, end("127.0.0.2", 0x9a52)) == std::nullopt);
    CHECK(who_accepted({}, there, here) == std::nullopt);
    // On a socket of IPv6 that takes IPv4, too.
    CHECK(who_accepted(table({mapped}), end("127.0.0.1", 0xa4fb), end("127.0.0.1", 0x88ce)) == 104U);
    CHECK(who_accepted(table({ipv6}), end("::1", 0xa4fb), end("::1", 0xdefe)) == 105U);
}

TEST_CASE("A socket that nobody holds is nobody's: the kernel shows user 0 for it", "[milter]") {
    if (std::endian::native != std::endian::little) {
        return;
    }
    CHECK(who_accepted(table({mapped_not_accepted}), end("127.0.0.1", 0xa4fb), end("127.0.0.1", 0x88ce)) ==
          std::nullopt);
    auto closing = accepted; // FIN_WAIT2, CLOSE_WAIT, TIME_WAIT
    for (const auto* state : {"05", "08", "06"}) {
        closing.replace(closing.find(" 01 ") == std::string::npos ? 34 : closing.find(" 01 "), 4,
                        std::string(" ") + state + " ");
        CHECK(who_accepted(table({closing}), end("127.0.0.1", 0xcdf9), end("127.0.0.1", 0x9a52)) ==
              std::nullopt);
        closing = accepted;
    }
}

TEST_CASE("Who listens is whoever would get the connection", "[milter]") {
    if (std::endian::native != std::endian::little) {
        return;
    }
    using Users = std::vector<uid_t>;
    CHECK(who_listens(table({listening, accepted, client}), end("127.0.0.1", 0xcdf9)) == Users{0});
    CHECK(who_listens(table({listening}), end("127.0.0.2", 0xcdf9)).empty());
    CHECK(who_listens(table({listening}), end("127.0.0.1", 0xcdfa)).empty());
    CHECK(who_listens(table({every_ipv6}), end("127.0.0.1", 0xa4fb)) == Users{104});
    CHECK(who_listens(table({every_ipv6}), end("::1", 0xa4fb)) == Users{104});
    auto every_ipv4 = listening;
    every_ipv4.replace(every_ipv4.find("0100007F"), 8, "00000000");
    CHECK(who_listens(table({every_ipv4}), end("127.0.0.1", 0xcdf9)) == Users{0});
    CHECK(who_listens(table({every_ipv4}), end("::1", 0xcdf9)).empty());
}

TEST_CASE("Loopback and every address are known in both families", "[milter]") {
    for (const auto* address : {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"}) {
        CHECK(end(address, 1).is_loopback());
    }
    for (const auto* address : {"128.0.0.1", "0.0.0.0", "::", "::2", "1::1", "::ffff:10.0.0.1"}) {
        CHECK_FALSE(end(address, 1).is_loopback());
    }
    for (const auto* address : {"0.0.0.0", "::"}) {
        CHECK(end(address, 1).is_every_address());
    }
    for (const auto* address : {"127.0.0.1", "::1", "0.0.0.1"}) {
        CHECK_FALSE(end(address, 1).is_every_address());
    }
    CHECK_FALSE(TcpEnd::from("localhost", 1));
}
