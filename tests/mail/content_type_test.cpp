#include "mail/content_type.hpp"
#include "tests/support/catch.hpp"

#include <string>
#include <vector>

using namespace std::string_literals;
using namespace lockbox::mail;

TEST_CASE("a content type is read with its parameters", "[mail]") {
    struct Case {
        std::string body, media_type, parameter, value;
    };
    const auto c = GENERATE(values<Case>({
        {"text/plain; charset=us-ascii (Plain text)", "text/plain", "charset", "us-ascii"}, // RFC 2045 §5.1
        {"text/plain; charset=\"us-ascii\"", "text/plain", "charset", "us-ascii"},
        {" TEXT/Plain ; Charset = UTF-8 ", "text/plain", "charset", "UTF-8"},
        {"(a (nested) one) text (x) / (y) plain (z); (c) charset (d) = (e) utf-8 (f)", "text/plain",
         "charset", "utf-8"},
        {" multipart/mixed;\r\n\tboundary=\"gc0y0pkb9ex=_\"", "multipart/mixed", "boundary", "gc0y0pkb9ex=_"},
        {"multipart/mixed; boundary=----=_Part_1.2", "multipart/mixed", "boundary", "----=_Part_1.2"},
        {"multipart/related; type=text/html; boundary=x", "multipart/related", "type", "text/html"},
        {"text/plain; name=\"a;b=\\\"c\\\".txt\"", "text/plain", "name", "a;b=\"c\".txt"},
        {"text/plain; name=\"a\r\n b\"", "text/plain", "name", "a b"},
        {"text/plain; name=\"\"", "text/plain", "name", ""},
        {"text/plain; name=\"\xc3\xbc.txt\"", "text/plain", "name", "\xc3\xbc.txt"},
        {"text/plain; a=1; A=2", "text/plain", "a", "1"},
        {"text/plain; charset=utf-8;", "text/plain", "charset", "utf-8"},
        {"text/plain; charset=utf-8 ; \r\n ", "text/plain", "charset", "utf-8"},
        {"application/x-foo+bar; x*0=a; x*1=b", "application/x-foo+bar", "x*0", "a"},
    }));
    CAPTURE(c.body);
    const auto type = ContentType::parse(c.body);
    REQUIRE(type);
    CHECK(type->media_type() == c.media_type);
    CHECK(type->parameter(c.parameter) == c.value);
}

TEST_CASE("a content type that cannot be read is none", "[mail]") {
    const auto body = GENERATE(
        as<std::string>{}, "", " ", "text", "text/", "/plain", "text plain", "text/plain charset=utf-8",
        "text/plain; charset", "text/plain; charset=", "text/plain; =utf-8", "text/plain; charset=;",
        "text/plain; charset=\"utf-8", "text/plain; charset=\"utf-8\\\"", "text/plain; name=a b.txt",
        "text/plain; charset=utf-8 (unclosed", "(text/plain", "text/plain;; charset=utf-8",
        "text/plain; charset=\"a\"b", "text/plain, text/html", "text//plain", "text/pl@in", "\"text\"/plain",
        "text/plain; ;", "text/plain; charset=utf-8, x");
    CAPTURE(body);
    CHECK_FALSE(ContentType::parse(body).has_value());
    CHECK_FALSE(with_parameters(body, {"hp"}, "; a=b").has_value());
}

TEST_CASE("NUL is no part of a content type", "[mail]") {
    CHECK_FALSE(ContentType::parse("text/pl\0ain"s));
    CHECK_FALSE(ContentType::parse("text/plain; a=b\0c"s));
}

TEST_CASE("parameters know where their text stands", "[mail]") {
    const std::string body = " text/plain ;\r\n a=\"1 2\" (c); b=3";
    const auto type = ContentType::parse(body);
    REQUIRE(type);
    REQUIRE(type->parameters().size() == 2);
    const auto& a = type->parameters()[0];
    const auto& b = type->parameters()[1];
    CHECK(body.substr(a.begin, a.end - a.begin) == ";\r\n a=\"1 2\"");
    CHECK(body.substr(b.begin, b.end - b.begin) == "; b=3");
}

TEST_CASE("parameters are cut out and appended and every other byte stays", "[mail]") {
    struct Case {
        std::string body, appended, result;
    };
    const auto c = GENERATE(values<Case>({
        {" text/plain", "; hp=x", " text/plain; hp=x"},
        {" Text/PLAIN;\r\n\tcharset=\"utf-8\" (c)", "; a=b", " Text/PLAIN;\r\n\tcharset=\"utf-8\" (c); a=b"},
        {" text/plain; hp=\"clear\"; charset=x", "", " text/plain; charset=x"},
        {" text/plain; HP=cipher; charset=x; Protected-Headers=\"v1\"", "; a=b",
         " text/plain; charset=x; a=b"},
        {" text/plain; hp=1; hp=2 ; hp*=us-ascii''3; hp*0=4", "; a=b", " text/plain ; a=b"},
        {" text/plain; charset=x;", "; a=b", " text/plain; charset=x; a=b"},
        {" text/plain; charset=x ; ", "; a=b", " text/plain; charset=x ; a=b"},
        {" text/plain; charset=x;", "", " text/plain; charset=x;"},
        {" text/plain; hpx=1; xhp=2", "", " text/plain; hpx=1; xhp=2"},
        {" text/plain; x=\"; hp=1\"", "", " text/plain; x=\"; hp=1\""},
    }));
    CAPTURE(c.body);
    CHECK(with_parameters(c.body, {"hp", "protected-headers"}, c.appended) == c.result);
}
