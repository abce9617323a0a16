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
        // RFC 2231 §3, §4 and §4.1, its examples.
        {"message/external-body; access-type=URL;\r\n URL*0=\"ftp://\";\r\n"
         " URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\"",
         "message/external-body", "url", "ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar"},
        {"application/x-stuff;\r\n title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
         "application/x-stuff", "title", "This is ***fun***"},
        {"application/x-stuff\r\n ;title*0*=us-ascii'en'This%20is%20even%20more%20\r\n"
         " ;title*1*=%2A%2A%2Afun%2A%2A%2A%20\r\n ;title*2=\"isn't it!\"",
         "application/x-stuff", "title", "This is even more ***fun*** isn't it!"},
        {"multipart/mixed; boundary*0*=us-ascii''%3D_7ea; boundary*1*=3_%3D", "multipart/mixed", "boundary",
         "=_7ea3_="},
        {"multipart/mixed; BOUNDARY*1=b; x=y; Boundary*0=a", "multipart/mixed", "boundary", "ab"},
        {"text/plain; name*=\"utf-8''%E2%82%AC\"", "text/plain", "name", "\xe2\x82\xac"},
        {"text/plain; name*=100%; x=1", "text/plain", "name", "100%"},
        {"text/plain; name*=''%zz%4", "text/plain", "name", "%zz%4"},
        {"text/plain; name=\"a%20b\"", "text/plain", "name", "a%20b"},
        {"text/plain; name*0=a%20; name*1*=%20b", "text/plain", "name", "a%20 b"},
        {"text/plain; name*0*=iso-8859-1'de'%FC; name*1*='x'y", "text/plain", "name", "\xfc'x'y"},
    }));
    CAPTURE(c.body);
    const auto type = ContentType::parse(c.body);
    REQUIRE(type);
    CHECK(type->media_type() == c.media_type);
    CHECK(type->parameter(c.parameter) == c.value);
}

TEST_CASE("a parameter that programs read differently has one reading here and is called ambiguous",
          "[mail]") {
    struct Case {
        std::string parameters;
        std::vector<std::string> values;
    };
    const auto c = GENERATE(values<Case>({
        {"; b=1; b=2", {"1", "2"}},               // mutt takes the first, GMime the last
        {"; b=1; b*0=2", {"2", "1"}},             // mutt: 1; Thunderbird: 2
        {"; b*0=2; b=1", {"2", "1"}},             //
        {"; b=1; b*=''2", {"2", "1"}},            //
        {"; b*0=2; b*1=3; b*=''1", {"1", "23"}},  //
        {"; b*0=1; b*2=3", {"1", "13"}},          // Thunderbird stops at the gap, mutt goes on
        {"; b*1=1", {"1"}},                       // Thunderbird: none
        {"; b*0=1; b*0=2; b*1=3", {"13", "123"}}, //
        {"; b*0=1; b*01=2", {"1"}},               // RFC 2231 §7: no leading zeros, but strtoul() reads them
        {"; b*x=1", {}},
        {"; b**=1", {}},
        {"; b*9999999=1", {}},
        {"; b*=''1%0A", {}}, // a delimiter ends with its line
        {"; b*0=1; b*1*=%00", {}},
        {"; b*0*=''1%0d; b=2", {"2"}},
    }));
    CAPTURE(c.parameters);
    const auto type = ContentType::parse("multipart/mixed" + c.parameters);
    REQUIRE(type);
    const auto readings = type->readings("b");
    std::vector<std::string> values;
    for (const auto& value : readings.values) {
        values.push_back(value.text);
    }
    CHECK(values == c.values);
    CHECK(readings.is_ambiguous);
    CHECK(type->parameter("b").value_or("") == (c.values.empty() ? "" : c.values.front()));
    CHECK_FALSE(type->is_ambiguous("a"));
    CHECK_FALSE(ContentType::parse("multipart/mixed" + c.parameters + "; bb=1; xb=2")->is_ambiguous("bb"));
}

TEST_CASE("a parameter that is written twice in one meaning is not ambiguous", "[mail]") {
    const auto parameters = GENERATE(as<std::string>{}, "; b=1", "; b=1; b=1", "; b=12; b*0=1; b*1=2",
                                     "; b*=us-ascii''1; b=1", "; b*1=2; b*0=1; x=3; x=4");
    CAPTURE(parameters);
    CHECK_FALSE(ContentType::parse("multipart/mixed" + parameters)->is_ambiguous("b"));
}

TEST_CASE("a value is read with the charset that it announces", "[mail]") {
    const auto type = ContentType::parse("text/plain; a*0*=ISO-8859-15'fr'%A4; a*1=x; b*=''y; c=z");
    REQUIRE(type);
    REQUIRE(type->readings("a").values.size() == 1);
    CHECK(type->readings("a").values.front().text == "\xa4x");
    CHECK(type->readings("a").values.front().charset == "ISO-8859-15");
    CHECK(type->readings("b").values.front().charset.empty());
    CHECK(type->readings("c").values.front().charset.empty());
}

TEST_CASE("pieces beyond counting are put together in no time", "[mail]") {
    std::string body = "multipart/mixed";
    for (int number = 99'999; number >= 0; --number) {
        body += "; b*" + std::to_string(number) + "=x";
    }
    CHECK(ContentType::parse(body)->parameter("b") == std::string(100'000, 'x'));
}

TEST_CASE("a disposition is read with its parameters", "[mail]") {
    const auto disposition = parsed_disposition(" Attachment;\r\n filename*0=a.; filename*1=html");
    REQUIRE(disposition);
    CHECK(disposition->is("x/attachment"));
    CHECK(disposition->parameter("filename") == "a.html");
    CHECK_FALSE(parsed_disposition(""));
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
