#include "base/error.hpp"
#include "mail/entity.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace lockbox;
using namespace lockbox::mail;

namespace {

std::string field(const std::string& type) {
    return "Content-Type: " + type + "\r\n\r\n";
}

/// Multiparts in each other, `depth` of them, around one text.
std::string nested(unsigned depth) {
    std::string begin;
    std::string end;
    for (unsigned i = 0; i < depth; ++i) {
        const auto boundary = "b" + std::to_string(i) + "x";
        begin += field("multipart/mixed; boundary=" + boundary) + "--" + boundary + "\r\n";
        end.insert(0, "\r\n--" + boundary + "--\r\n");
    }
    return begin + "\r\ntext" + end;
}

} // namespace

TEST_CASE("parts are numbered as IMAP does it", "[mail]") {
    // The example of RFC 3501 §6.4.5, in small: 3 is a message whose second part is not text, 4 is a
    // multipart with a message in it.
    const std::string inner = "Subject: inner\r\n" + field("multipart/mixed; boundary=i") +
                              "--i\r\n\r\n3.1\r\n--i\r\n" + field("application/octet-stream") +
                              "3.2\r\n--i--\r\n";
    const std::string innermost = "Subject: innermost\r\n\r\n4.2.1\r\n";
    const std::string message =
        "Subject: outer\r\n" + field("multipart/mixed; boundary=o") + "--o\r\n\r\n1\r\n--o\r\n" +
        field("application/octet-stream") + "2\r\n--o\r\n" + field("message/rfc822") + inner + "\r\n--o\r\n" +
        field("multipart/mixed; boundary=m") + "--m\r\n" + field("image/gif") + "4.1\r\n--m\r\n" +
        field("message/rfc822") + innermost + "\r\n--m--\r\n\r\n--o--\r\n";
    const auto root = parse_entity(message);
    CHECK(root.number.empty());
    REQUIRE(root.children.size() == 4);
    CHECK(root.children[0].number == "1");
    CHECK(root.children[0].media_type == "text/plain");
    CHECK(root.children[0].body == "1");
    CHECK(root.children[1].number == "2");
    const auto& forwarded = root.children[2];
    CHECK(forwarded.number == "3");
    REQUIRE(forwarded.children.size() == 1);
    CHECK(forwarded.children[0].header.first("Subject") == "inner");
    REQUIRE(forwarded.children[0].children.size() == 2);
    CHECK(forwarded.children[0].children[1].number == "3.2");
    CHECK(forwarded.children[0].children[1].body == "3.2");
    REQUIRE(root.children[3].children.size() == 2);
    CHECK(root.children[3].children[1].number == "4.2");
    CHECK(root.children[3].children[1].children[0].number == "4.2.1");
    CHECK(root.children[3].children[1].children[0].body == "4.2.1\r\n");
}

TEST_CASE("entities are views of the bytes they were parsed from", "[mail]") {
    const auto message = nested(3);
    const auto root = parse_entity(message);
    const auto* entity = &root;
    while (!entity->children.empty()) {
        entity = &entity->children.front();
    }
    CHECK(entity->body == "text");
    CHECK(entity->bytes.data() >= message.data());
    CHECK(entity->bytes.data() + entity->bytes.size() <= message.data() + message.size());
}

TEST_CASE("the parts of a digest are messages", "[mail]") {
    const auto message = // RFC 2046 §5.1.5
        field("multipart/digest; boundary=d") + "--d\r\n\r\nSubject: one\r\n\r\ntext\r\n--d--\r\n";
    const auto root = parse_entity(message);
    REQUIRE(root.children.size() == 1);
    CHECK(root.children[0].media_type == "message/rfc822");
    REQUIRE(root.children[0].children.size() == 1);
    CHECK(root.children[0].children[0].header.first("Subject") == "one");
}

TEST_CASE("what has a transfer encoding is not taken apart", "[mail]") {
    // RFC 2045 §6.4 forbids it, and readers differ.
    const auto message = "Content-Transfer-Encoding: base64\r\n" + field("multipart/mixed; boundary=o") +
                         "--o\r\n\r\none\r\n--o--\r\n";
    CHECK(parse_entity(message).children.empty());
}

TEST_CASE("messages made to exhaust their reader are refused with the limit that they exceed", "[mail]") {
    CHECK_NOTHROW(parse_entity(nested(entity_depth_max)));
    CHECK_THROWS_WITH(parse_entity(nested(entity_depth_max + 1)),
                      "the message has parts nested more than 32 deep");
    CHECK_THROWS_WITH(parse_entity(nested(1000)), "the message has parts nested more than 32 deep");
    auto many = field("multipart/mixed; boundary=o");
    for (int i = 0; i < 10'000; ++i) {
        many += "--o\r\n\r\nx\r\n";
    }
    CHECK_THROWS_WITH(parse_entity(many + "--o--\r\n"), "the message has more than 1000 parts");
    std::string forwarded;
    for (int i = 0; i < 1000; ++i) {
        forwarded += field("message/rfc822");
    }
    CHECK_THROWS_WITH(parse_entity(forwarded), "the message has parts nested more than 32 deep");
}

TEST_CASE("file names are read as their senders wrote them", "[mail]") {
    struct Case {
        std::string header, name;
    };
    const auto c = GENERATE(values<Case>({
        {"Content-Disposition: attachment; filename=\"a b.pdf\"\r\n", "a b.pdf"},
        {"Content-Type: application/pdf; name=x.pdf\r\n", "x.pdf"},
        {"Content-Type: application/pdf; name=x.pdf\r\nContent-Disposition: inline; filename=y.pdf\r\n",
         "y.pdf"},
        // RFC 2231 §4.1 (after its example) and §3.
        {"Content-Disposition: attachment;\r\n filename*=utf-8'en'%E2%82%AC.txt\r\n", "\xe2\x82\xac.txt"},
        {"Content-Disposition: attachment;\r\n filename*0=\"one \";\r\n filename*1=two\r\n", "one two"},
        // RFC 2047 inside of quotes, which §5 forbids and many write.
        {"Content-Disposition: attachment; filename=\"=?utf-8?q?=E2=82=AC.txt?=\"\r\n", "\xe2\x82\xac.txt"},
        {"Content-Disposition: attachment; filename=\"../../etc/passwd\"\r\n", "../../etc/passwd"},
        {"Content-Disposition: attachment; filename=fallback.txt; filename*=utf-8''%C3%A4.txt\r\n",
         "\xc3\xa4.txt"}, // RFC 6266 §4.3
        {"Content-Disposition: attachment; filename*0*=iso-8859-15''%A4; filename*1=.txt\r\n",
         "\xe2\x82\xac.txt"},
        {"Content-Disposition: attachment; filename=\"=?ks_c_5601-1987?B?vsiz5w==?=.txt\"\r\n",
         "\xec\x95\x88\xeb\x85\x95.txt"},
        {"Content-Disposition: attachment; filename=\"\xe4.txt\"\r\n", "\xc3\xa4.txt"},
        {"Content-Disposition: attachment; filename=a b.pdf\r\n", "a b.pdf"}, // as GMime forgives it
        {"Subject: x\r\n", ""},
        {"Content-Disposition: attachment\r\n", ""},
    }));
    CAPTURE(c.header);
    CHECK(parse_entity(c.header + "\r\n").file_name().value_or("") == c.name);
}

TEST_CASE("all names that a program may take are known", "[mail]") {
    const auto names =
        parse_entity("Content-Type: application/octet-stream; name=\"d.txt\"; name*1=tml; name*0=e.h\r\n"
                     "Content-Disposition: attachment; filename=c; filename*0=b; filename*=''a\r\n\r\n")
            .file_names();
    CHECK(names == std::vector<std::string>{"a", "b", "c", "e.html", "d.txt"});
}

TEST_CASE("what the sender calls an attachment is one", "[mail]") {
    CHECK(parse_entity("Content-Disposition: Attachment; filename=x\r\n\r\n").is_attachment());
    CHECK(parse_entity("Content-Disposition:\r\n attachment\r\n\r\n").is_attachment());
    CHECK(parse_entity("Content-Disposition: (a file) attachment (x); filename*0=y\r\n\r\n").is_attachment());
    CHECK_FALSE(parse_entity("Content-Disposition: inline; filename=attachment\r\n\r\n").is_attachment());
    CHECK_FALSE(parse_entity("Subject: attachment\r\n\r\n").is_attachment());
}
