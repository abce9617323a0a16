#include "base/error.hpp"
#include "milter/protocol.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace lockbox;
using namespace lockbox::milter;
using namespace lockbox::milter::protocol;
using namespace std::string_literals;

// Expected bytes: letters and numbers of Sendmail's include/libmilter/mfdef.h and mfapi.h, put together by
// hand.

namespace {

std::vector<std::pair<char, std::string>> packets(const std::string& bytes, std::size_t piece) {
    PacketReader reader;
    std::vector<std::pair<char, std::string>> found;
    for (std::size_t at = 0; at < bytes.size();) {
        const auto room = reader.room();
        const auto count = std::min({piece, room.size(), bytes.size() - at});
        std::copy_n(bytes.data() + at, count, room.data());
        reader.came(count);
        at += count;
        while (const auto packet = reader.next()) {
            found.emplace_back(static_cast<char>(packet->command), packet->data);
        }
    }
    return found;
}

template <typename Work>
bool is_malformed(Work&& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.kind() == ErrorKind::malformed;
    }
    return false;
}

} // namespace

TEST_CASE("Packets are read however they are cut", "[milter]") {
    const auto body = std::string(65535, 'b');
    const auto bytes = "\0\0\0\x01N"s + "\0\0\0\x07Ma\0bc\0\0"s + "\0\x01\0\0B"s + body + "\0\0\0\x01Q"s;
    const std::vector<std::pair<char, std::string>> expected{
        {'N', ""}, {'M', "a\0bc\0\0"s}, {'B', body}, {'Q', ""}};
    for (const std::size_t piece : {1U, 2U, 3U, 5U, 4096U, 65536U, 1000000U}) {
        CAPTURE(piece);
        CHECK(packets(bytes, piece) == expected);
    }
    CHECK(packets(bytes.substr(0, bytes.size() - 1), 7).size() == 3); // the last one is not complete
}

TEST_CASE("A packet that is empty or longer than any is no milter protocol", "[milter]") {
    CHECK(is_malformed([] { (void)packets("\0\0\0\0N"s, 1); }));
    CHECK(is_malformed([] { (void)packets("\xff\xff\xff\xffN"s, 1); }));
    CHECK(is_malformed([] { (void)packets("GET / HTTP/1.0\r\n\r\n", 100); }));
    CHECK(packets("\0\x10\0\0B"s + std::string(packet_octets_max - 1, 'x'), 4096).size() == 1);
    CHECK(is_malformed([] { (void)packets("\0\x10\0\1B"s, 1); }));
}

TEST_CASE("What is in packets is read, and nothing behind it", "[milter]") {
    CHECK(read_negotiation("\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff"s) == Negotiation{6, 0x1ff, 0x1fffff});
    CHECK(is_malformed([] { (void)read_negotiation("\0\0\0\x06\0\0\x01\xff\0\x1f\xff"s); }));

    CHECK(read_texts("<a@example.org>\0SIZE=1\0\0"s) ==
          std::vector<std::string>{"<a@example.org>", "SIZE=1", ""});
    CHECK(read_texts("").empty());
    CHECK(is_malformed([] { (void)read_texts("<a@example.org>"); }));

    CHECK(read_header_field("X-Empty\0\0"s) == NameAndValue{"X-Empty", ""});
    CHECK(read_header_field("Subject\0 a\n b\0"s) == NameAndValue{"Subject", " a\n b"});
    CHECK(is_malformed([] { (void)read_header_field("Subject\0"s); }));

    CHECK(read_client("mx.example.org\0004\x12\x67"
                      "192.0.2.1\0"s) == Client{"mx.example.org", "192.0.2.1"});
    CHECK(read_client("x\0006\x12\x67"
                      "2001:DB8:0:0::1\0"s) == Client{"x", "2001:db8::1"});
    CHECK(read_client("x\0006\x12\x67IPv6:::1\0"s) == Client{"x", "::1"}); // as Sendmail writes it
    CHECK(read_client("localhost\0L\0\0/run/socket\0"s) == Client{"localhost", ""});
    CHECK(read_client("unknown\0U"s) == Client{"unknown", ""});
    CHECK(read_client("x\0004\x12\x67no address\0"s) == Client{"x", ""});
    CHECK(read_client("x\0004"s) == Client{"x", ""});
    for (const auto& broken : {""s, "x"s, "x\0"s}) {
        CHECK(is_malformed([&] { (void)read_client(broken); }));
    }
}

TEST_CASE("A percent sign in a reply is doubled, as libmilter has it for both MTAs", "[milter]") {
    std::string out;
    write_reply(out, {"553", "5.1.3", "<bob%remote.test@localhost>"});
    CHECK(out.find("553 5.1.3 <bob%%remote.test@localhost>") != std::string::npos);
}

TEST_CASE("Macros are those of their message, and a later one counts before an earlier one", "[milter]") {
    Macros macros;
    CHECK(macros.get("i").empty());
    macros.take("Cj\0mx.example.org\0{daemon_name}\0MTA\0"s);
    macros.take("H{tls_version}\0TLSv1.2\0"s);
    macros.take("E{i}\0"
                "4Z2\0"s);
    macros.take("Mi\0"
                "4Z1\0{auth_authen}\0alice\0{tls_version}\0TLSv1.3\0"s);
    CHECK(macros.get("j") == "mx.example.org");
    CHECK(macros.get("daemon_name") == "MTA");
    CHECK(macros.get("tls_version") == "TLSv1.3");
    CHECK(macros.get("i") == "4Z2");
    CHECK(macros.get("auth_authen") == "alice");
    macros.take("M{auth_authen}\0bob\0"s); // replaces all of them
    CHECK(macros.get("auth_authen") == "bob");
    CHECK(macros.get("tls_version") == "TLSv1.2");
    macros.end_message();
    CHECK(macros.get("auth_authen").empty());
    CHECK(macros.get("i").empty());
    CHECK(macros.get("daemon_name") == "MTA");
    macros.take("?i\0x\0"s); // for a command of a later version
    CHECK(macros.get("i").empty());
    macros.take("Mi\0"s); // a name alone
    CHECK(macros.get("i").empty());
    CHECK(is_malformed([&] { macros.take(""); }));
    CHECK(is_malformed([&] { macros.take("Mi\0without an end"s); }));
}

TEST_CASE("Replies and edits have the form that MTAs read", "[milter]") {
    std::string out;
    write_negotiation(out, {6, 0x111, 0x100080},
                      std::array<std::pair<Command, std::string_view>, 2>{
                          {{Command::recipient, ""}, {Command::end_of_message, "i"}}});
    CHECK(out == "\0\0\0\x18O\0\0\0\x06\0\0\x01\x11\0\x10\0\x80"s + "\0\0\0\3\0"s + "\0\0\0\5i\0"s);
    out.clear();
    write_continue(out);
    write_progress(out);
    write_discard(out);
    CHECK(out == "\0\0\0\1c\0\0\0\1p\0\0\0\1d"s);
    out.clear();
    write_reply(out, {"451", "4.3.0", "Try again"});
    CHECK(out == "\0\0\0\x15y451 4.3.0 Try again\0"s);
    out.clear();
    write_reply(out, {"550", "5.7.1", "a: no; b: no"});
    CHECK(out == "\0\0\0\x23y550-5.7.1 a: no;\r\n550 5.7.1 b: no\0"s);
    out.clear();
    const mail::HeaderEdits edits{{{"Subject", 2, std::nullopt}, {"Subject", 1, " [...]\r\n x"}},
                                  {{"X", " y"}}};
    REQUIRE(write_edits(out, edits, /*leading_space=*/true));
    CHECK(out == "\0\0\0\x0em\0\0\0\2Subject\0\0"s + "\0\0\0\x17m\0\0\0\1Subject\0 [...]\n x\0"s +
                     "\0\0\0\6hX\0 y\0"s);
    out.clear();
    REQUIRE(write_edits(out, {{}, {{"X", " y"}}}, /*leading_space=*/false));
    CHECK(out == "\0\0\0\5hX\0y\0"s);
    CHECK(write_edits(out, {{}, {{"X", std::string(chunk_octets_max - 3, 'x')}}}, true));
    CHECK_FALSE(write_edits(out, {{}, {{"X", std::string(chunk_octets_max - 2, 'x')}}}, true));
    out.clear();
    write_body_piece(out, "a\r\n");
    write_body_piece(out, "");
    CHECK(out == "\0\0\0\4ba\r\n\0\0\0\1b"s);
}
