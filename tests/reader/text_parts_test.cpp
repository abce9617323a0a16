#include "base/file.hpp"
#include "reader/attachment.hpp"
#include "reader/text_parts.hpp"
#include "tests/support/catch.hpp"

#include <string>
#include <vector>

using namespace lockbox;
using namespace lockbox::reader;
using lockbox::test::contains_text;

namespace {

std::string data(const std::string& name) {
    return read_file(std::string(LOCKBOX_TEST_DATA) + "/mail/" + name, 1U << 20U);
}

std::vector<TextPart> texts_of(const std::string& message) {
    const auto root = mail::parse_entity(message);
    return text_parts_in(root);
}

} // namespace

TEST_CASE("the parts behind a boundary in pieces are shown", "[reader]") {
    const auto texts = texts_of(data("boundary-rfc2231.eml"));
    REQUIRE(texts.size() == 1);
    CHECK(texts.front().number == "1");
    CHECK(texts.front().text == "Dobry den, Bob.");
}

TEST_CASE("a multipart whose parts cannot be told apart is shown as it is, and never as nothing",
          "[reader]") {
    const auto type = GENERATE(
        as<std::string>{}, "multipart/mixed", "multipart/alternative; boundary=c",
        "multipart/mixed; boundary*x=b", "multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8BIT-x",
        "multipart/related; boundary=b\r\nContent-Transfer-Encoding: quoted-printable");
    CAPTURE(type);
    const auto message = "Content-Type: " + type + "\r\n\r\n--b\r\n\r\nAt ten.\r\n--b--\r\n";
    const auto texts = texts_of(message);
    REQUIRE(texts.size() == 1);
    CHECK_THAT(texts.front().text, contains_text("At ten."));
    CHECK_THAT(texts.front().note, contains_text("cannot be told apart"));
    CHECK(attachments_in(mail::parse_entity(message)).size() == 1);
    CHECK(texts_of("Content-Type: " + type + "\r\n\r\n \r\n").empty());
}

TEST_CASE("HTML whose optional tags are left out is shown", "[reader]") {
    const auto texts = texts_of(data("html-optional-end-tags.eml"));
    REQUIRE(texts.size() == 1);
    CHECK(texts.front().text == "Dear Bob, the meeting is at ten.\n");
}

TEST_CASE("a text in a charset of many names, and one behind a byte order mark, is shown", "[reader]") {
    CHECK(texts_of(data("charset-ks_c_5601-1987.eml")).at(0).text ==
          "\xec\x95\x88\xeb\x85\x95\xed\x95\x98\xec\x84\xb8\xec\x9a\x94\n");
    CHECK(texts_of(data("charset-ks_c_5601-1987.eml")).at(0).note.empty());
    CHECK(texts_of(data("utf8-bom.eml")).at(0).text == "Hello\n");
}

namespace {

std::string multipart(const std::string& subtype, const std::vector<std::string>& parts) {
    std::string text = "Content-Type: multipart/" + subtype + "; boundary=b" + subtype + "\r\n\r\n";
    for (const auto& part : parts) {
        text += "--b" + subtype + "\r\n" + part + "\r\n";
    }
    return text + "--b" + subtype + "--\r\n";
}

std::string part(const std::string& type, const std::string& body) {
    return "Content-Type: " + type + "\r\n\r\n" + body;
}

std::vector<std::string> numbers_of(const std::vector<TextPart>& texts) {
    std::vector<std::string> numbers;
    for (const auto& text : texts) {
        numbers.push_back(text.number);
    }
    return numbers;
}

std::vector<std::string> names_of(const std::string& message) {
    const auto root = mail::parse_entity(message);
    std::vector<std::string> names;
    for (const auto& attachment : attachments_in(root)) {
        names.push_back(attachment.number + ' ' + attachment.name);
    }
    return names;
}

using Numbers = std::vector<std::string>;

} // namespace

TEST_CASE("of a text and its HTML version one is shown, and the other one is named", "[reader]") {
    const auto message = multipart("alternative", {part("text/plain", "At ten o'clock."),
                                                   part("text/html", "<p>At <b>ten</b> o'clock.")});
    const auto root = mail::parse_entity(message);
    const auto fitting = text_parts_in(root);
    REQUIRE(numbers_of(fitting) == Numbers{"1"});
    CHECK_THAT(fitting.front().note, contains_text("there is an HTML version, part 2"));
    const auto html = text_parts_in(root, {}, TextChoice::html);
    REQUIRE(numbers_of(html) == Numbers{"2"});
    CHECK(html.front().text == "At ten o'clock.\n");
    CHECK_THAT(html.front().note, contains_text("there is a plain version, part 1"));
    CHECK(names_of(message) == Numbers{"2 part-2.html"});
}

TEST_CASE("a text that says next to nothing is not all there is", "[reader]") {
    const auto message = multipart(
        "alternative",
        {part("text/plain", "Your mail program shows no HTML."),
         multipart("related", {part("text/html", "<p>" + std::string(500, 'x')), part("image/png", "x")})});
    const auto root = mail::parse_entity(message);
    CHECK(numbers_of(text_parts_in(root)) == Numbers{"1", "2.1"});
    CHECK(numbers_of(text_parts_in(root, {}, TextChoice::plain)) == Numbers{"1"});
    CHECK(numbers_of(text_parts_in(root, {}, TextChoice::html)) == Numbers{"2.1"});
}

TEST_CASE("alternatives that say different things are both named", "[reader]") {
    const auto message =
        multipart("alternative", {part("text/plain", "Pay 100 to Bob: https://x.example/"),
                                  part("text/html", "<p>Pay 900 to <a href='https://y.example'>Bob</a>:")});
    const auto root = mail::parse_entity(message);
    REQUIRE(numbers_of(text_parts_in(root)) == Numbers{"1"});
    CHECK_THAT(text_parts_in(root).front().note,
               contains_text("there is an HTML version that says it in other words, part 2"));
}

TEST_CASE("an invitation is shown beside the texts that speak of it, and alone", "[reader]") {
    const std::string calendar = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:Dawn\r\n"
                                 "DTSTART:20261203T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    const auto both = multipart(
        "alternative", {part("text/plain", "Come."), part("text/calendar; method=REQUEST", calendar)});
    const auto message = GENERATE_COPY(
        as<std::string>{}, both, part("text/calendar; charset=utf-8", calendar),
        part("application/ics; name=x.ics", calendar),
        part("text/calendar\r\nContent-Disposition: attachment; filename=invite.ics", calendar));
    CAPTURE(message);
    const auto texts = texts_of(message);
    REQUIRE_FALSE(texts.empty());
    CHECK(texts.back().text == "What:       Dawn\nWhen:       2026-12-03 10:00 UTC\n");
    CHECK_THAT(texts.back().note, contains_text("an invitation, shown as text"));
    CHECK(names_of(message).size() == 1);
}

TEST_CASE("a report on delivery is readable", "[reader]") {
    const auto texts =
        texts_of(multipart("report", {part("text/plain", "It failed."),
                                      part("message/delivery-status",
                                           "Reporting-MTA: dns; mx.example\r\n\r\nAction: failed\r\n"
                                           "Diagnostic-Code: smtp;\r\n 550 5.1.1 no such user\r\n")}));
    REQUIRE(texts.size() == 2);
    CHECK_THAT(texts[1].text, contains_text("Diagnostic-Code: smtp; 550 5.1.1 no such user\n"));
    CHECK_THAT(texts[1].note, contains_text("report"));
}

TEST_CASE("a message forwarded as an attachment shows its text", "[reader]") {
    const auto message =
        multipart("mixed", {part("text/plain", "See below."),
                            part("message/rfc822\r\nContent-Disposition: attachment; filename=x.eml",
                                 "From: Carol <carol@example.org>\r\nSubject: Dawn\r\n\r\nAttack.")});
    const auto texts = texts_of(message);
    REQUIRE(numbers_of(texts) == Numbers{"1", "2.1"});
    CHECK_THAT(texts[1].text, contains_text("Attack."));
    CHECK_THAT(texts[1].forwarded, contains_text("Carol <carol@example.org>"));
    CHECK(names_of(message) == Numbers{"2 x.eml"});
}

TEST_CASE("named texts are listed, and what stands behind a signature", "[reader]") {
    CHECK(names_of(multipart("mixed", {part("text/plain", "x"), part("text/csv; name=a.csv", "1,2"),
                                       part("text/plain\r\nContent-Disposition: inline; filename=b.txt", "y"),
                                       part("text/calendar", "BEGIN:VCALENDAR")})) ==
          Numbers{"2 a.csv", "3 b.txt", "4 part-4.ics"});
    const auto message =
        multipart("signed", {part("text/plain", "x"), part("application/pgp-signature", "s"),
                             part("application/pdf; name=c.pdf", "p"), part("text/plain", "behind")});
    CHECK(names_of(message) == Numbers{"3 c.pdf"});
    CHECK(numbers_of(texts_of(message)) == Numbers{"1", "4"});
}

TEST_CASE("a text file that is all there is is shown, and a binary one is not", "[reader]") {
    const std::string head = "Content-Type: application/octet-stream\r\nContent-Disposition: attachment;"
                             " filename*=utf-8''notes";
    const auto shown = texts_of(head + ".txt\r\n\r\nAt ten.\r\n");
    REQUIRE(shown.size() == 1);
    CHECK(shown.front().text == "At ten.\n");
    CHECK(texts_of(head + ".txt\r\n\r\nAt\x01ten.\r\n").empty());
    CHECK(texts_of(head + ".pdf\r\n\r\nAt ten.\r\n").empty());
    CHECK(texts_of(multipart("mixed", {head + ".txt\r\n\r\nAt ten.\r\n"})).empty());
}

TEST_CASE("any part is found by its number", "[reader]") {
    const auto message = multipart("mixed", {part("text/plain", "one"), part("image/png", "\x89PNG\x01"),
                                             part("application/json", "{}"),
                                             part("message/rfc822", "Subject: x\r\n\r\nfour")});
    const auto root = mail::parse_entity(message);
    REQUIRE(entity_numbered(root, "2") != nullptr);
    CHECK_FALSE(lockbox::reader::texts_of(*entity_numbered(root, "2")));
    CHECK(lockbox::reader::texts_of(*entity_numbered(root, "3"))->front().text == "{}");
    CHECK(lockbox::reader::texts_of(*entity_numbered(root, "4"))->front().text == "four");
    CHECK(lockbox::reader::texts_of(*entity_numbered(root, "4.1"))->front().text == "four");
    CHECK(entity_numbered(root, "5") == nullptr);
    CHECK(entity_numbered(root, "x") == nullptr);
}
