#include "mail/content_type.hpp"
#include "mail/layer.hpp"
#include "mail/line_ends.hpp"
#include "mail/multipart.hpp"
#include "mail/sealed_form.hpp"
#include "tests/mail/data.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace lockbox::mail;
using lockbox::tests::mail_data;

TEST_CASE("a sealed message has the structure of RFC 3156 section 4", "[mail]") {
    const std::string random = "00112233445566778899AABBCCDDEEFF";
    const auto form = openpgp_mime_form(random);
    REQUIRE(form.structural.size() == 1);
    CHECK(form.structural[0].name == "Content-Type");
    CHECK(form.structural[0].body.find("protocol=\"application/pgp-encrypted\"") != std::string::npos);

    const auto armor = to_crlf(mail_data("two-recipients.asc"));
    const auto body = form.before_armor + armor + form.after_armor;
    CHECK(has_only_crlf(body));
    const auto boundary = ContentType::parse(form.structural[0].body)->parameter("boundary");
    CHECK(boundary == "=_" + random);

    const auto multipart = split_multipart(body, *boundary);
    REQUIRE(multipart.parts.size() == 2);
    CHECK(multipart.closed);
    CHECK(multipart.epilogue.empty());
    CHECK(MessageView::parse(multipart.parts[0]).header.first("Content-Type") == "application/pgp-encrypted");
    CHECK(MessageView::parse(multipart.parts[0]).body == "Version: 1\r\n");
    CHECK(MessageView::parse(multipart.parts[1]).header.first("Content-Type") ==
          "application/octet-stream; name=\"encrypted.asc\"");
    CHECK(MessageView::parse(multipart.parts[1]).body == armor);
    CHECK(outermost_layer(HeaderSection(form.structural), body) == Layer::openpgp_mime);
}
