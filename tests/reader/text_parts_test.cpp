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
