#include "base/error.hpp"
#include "milter/smtp_reply.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox;
using namespace lockbox::milter;

namespace {

std::vector<SmtpReply> replies_in(std::string_view bytes, std::size_t piece) {
    SmtpReplyReader reader;
    std::vector<SmtpReply> replies;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        reader.add(bytes.substr(at, piece));
        while (auto reply = reader.next()) {
            replies.push_back(*std::move(reply));
        }
    }
    return replies;
}

std::string complaint_about(std::string_view bytes) {
    try {
        (void)replies_in(bytes, bytes.size());
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::malformed);
        return error.what();
    }
    return "";
}

} // namespace

TEST_CASE("Replies are read wherever they are cut", "[milter]") {
    const std::string bytes = "220 mail.example ESMTP\r\n"
                              "250-mail.example\r\n250-SIZE 1000\r\n250 PIPELINING\r\n"
                              "354\r\n" // RFC 5321 §4.2.1: the text may be missing
                              "550 \r\n"
                              "250-\r\n250\r\n"
                              "421 bare LF\n";
    const std::vector<SmtpReply> expected{{220, {"mail.example ESMTP"}},
                                          {250, {"mail.example", "SIZE 1000", "PIPELINING"}},
                                          {354, {""}},
                                          {550, {""}},
                                          {250, {"", ""}},
                                          {421, {"bare LF"}}};
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        CAPTURE(piece);
        CHECK(replies_in(bytes, piece) == expected);
    }
}

TEST_CASE("A reply that has not ended yet is none", "[milter]") {
    SmtpReplyReader reader;
    CHECK_FALSE(reader.has_unread());
    reader.add("250-one\r\n");
    CHECK_FALSE(reader.next().has_value());
    CHECK(reader.has_unread());
    reader.add("250 two\r");
    CHECK_FALSE(reader.next().has_value());
    reader.add("\n");
    CHECK(reader.next() == SmtpReply{250, {"one", "two"}});
    CHECK_FALSE(reader.has_unread());
    reader.add("2");
    CHECK(reader.has_unread());
}

TEST_CASE("What is no SMTP reply is said so, with what came, printable", "[milter]") {
    const auto bytes =
        GENERATE(as<std::string>{}, "\r\n", "25\r\n", "2500 four digits\r\n", "250_\r\n", "150 no\r\n",
                 "650 no\r\n", "HTTP/1.1 400 Bad Request\r\n", " 250 ok\r\n", "-250\r\n", "25O ok\r\n",
                 "\x15\x03\x01\r\n", "250-one\r\n550 two\r\n", "250-one\r\n251-two\r\n");
    CAPTURE(bytes);
    CHECK(complaint_about(bytes).find("no SMTP reply") != std::string::npos);
    CHECK(complaint_about(bytes).find_first_of("\r\n\x15") == std::string::npos);
}

TEST_CASE("Replies without an end are not waited for", "[milter]") {
    const std::string line(smtp_reply_line_octets_max - 1, '2');
    CHECK(complaint_about("250 " + line.substr(4) + "\n").empty());
    CHECK(complaint_about("250 " + line.substr(4) + "2\n").find("longer than 2048") != std::string::npos);
    CHECK(complaint_about("250 " + line.substr(4) + "2").find("longer than 2048") != std::string::npos);
    std::string lines;
    for (std::size_t i = 0; i + 1 < smtp_reply_lines_max; ++i) {
        lines += "250-x\r\n";
    }
    CHECK(complaint_about(lines + "250 x\r\n").empty());
    CHECK(complaint_about(lines + "250-x\r\n").find("more than 200 lines") != std::string::npos);
}

TEST_CASE("A reply is shown on one line that a terminal can bear", "[milter]") {
    CHECK(SmtpReply{550, {"5.1.1 no", "such\x1b[2J user"}}.to_string() == "550 5.1.1 no such?[2J user");
    CHECK(SmtpReply{250, {std::string(5000, 'x')}}.to_string().size() < 400);
    CHECK(SmtpReply{250, {""}}.is_positive());
    CHECK(SmtpReply{354, {""}}.is_intermediate());
    CHECK_FALSE(SmtpReply{354, {""}}.is_positive());
    CHECK(SmtpReply{550, {""}}.is_permanent());
    CHECK_FALSE(SmtpReply{451, {""}}.is_permanent());
}

TEST_CASE("EHLO keywords are read in any case, the greeting is none", "[milter]") {
    const SmtpReply reply{250,
                          {"SIZE.example STARTTLS", "size 10240000", "PipeLining", "AUTH=LOGIN PLAIN",
                           "XFORWARD NAME ADDR", "", " 8BITMIME ", "DSN\t"}};
    CHECK(extensions_in(reply) == SmtpExtensions{{"SIZE", "10240000"},
                                                 {"PIPELINING", ""},
                                                 {"AUTH", "LOGIN PLAIN"},
                                                 {"XFORWARD", "NAME ADDR"},
                                                 {"8BITMIME", ""},
                                                 {"DSN", ""}});
    CHECK(extensions_in({250, {"mail.example"}}).empty());
}
