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
