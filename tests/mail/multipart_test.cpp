#include "mail/header.hpp"
#include "mail/multipart.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox;
using namespace lockbox::mail;

TEST_CASE("multiparts are cut at their delimiters", "[mail]") {
    // After RFC 2046 §5.1.1.
    const std::string body =
        "preamble\r\n--simple boundary\r\n\r\nno line end\r\n--simple boundary  \r\n"
        "Content-type: text/plain; charset=us-ascii\r\n\r\nline end\r\n\r\n--simple boundary--\r\nepilogue";
    const auto multipart = split_multipart(body, "simple boundary");
    CHECK(multipart.closed);
    CHECK(multipart.preamble == "preamble\r\n");
    CHECK(multipart.epilogue == "epilogue");
    REQUIRE(multipart.parts.size() == 2);
    CHECK(MessageView::parse(multipart.parts[0]).header.fields().empty());
    CHECK(MessageView::parse(multipart.parts[0]).body == "no line end");
    CHECK(MessageView::parse(multipart.parts[1]).header.first("Content-Type") ==
          "text/plain; charset=us-ascii");
    CHECK(MessageView::parse(multipart.parts[1]).body == "line end\r\n");
}

TEST_CASE("what only looks like a delimiter cuts nothing", "[mail]") {
    const auto body = GENERATE(as<std::string>{}, "--bb\r\n", " --b\r\n", "x--b\r\n", "--b x\r\n", "--B\r\n",
                               "-b\r\n", "--b-\r\n", "--\r\n", "--b--x\r\n", "");
    CAPTURE(body);
    const auto multipart = split_multipart(body, "b");
    CHECK(multipart.parts.empty());
    CHECK_FALSE(multipart.closed);
    CHECK(multipart.preamble == body);
    CHECK(split_multipart("--\r\n\r\n----\r\n", "").parts.empty());
}

TEST_CASE("a multipart that does not end has its last part to the end", "[mail]") {
    const auto multipart = split_multipart("--b\n\none\n--b\n\ntwo\n", "b");
    CHECK_FALSE(multipart.closed);
    REQUIRE(multipart.parts.size() == 2);
    CHECK(MessageView::parse(multipart.parts[0]).body == "one");
    CHECK(MessageView::parse(multipart.parts[1]).body == "two\n");
}

TEST_CASE("more parts than anybody seals are not looked at", "[mail]") {
    std::string body;
    for (int i = 0; i < 5000; ++i) {
        body += "--b\r\n\r\nx\r\n";
    }
    CHECK(split_multipart(body + "--b--\r\n", "b").parts.size() == parts_max);
    CHECK_FALSE(split_multipart(body + "--b--\r\n", "b").closed);
}
