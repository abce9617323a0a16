#include "mail/header.hpp"
#include "mail/header_edits.hpp"
#include "tests/mail/fields.hpp"
#include "tests/support/catch.hpp"

#include <stdexcept>
#include <string>
#include <vector>

using namespace std::string_literals;
using namespace lockbox::mail;
using lockbox::tests::section;

TEST_CASE("a header section is read field by field with exact bodies", "[mail]") {
    const auto message = Message::parse("Subject: one\r\n"
                                        "X-Tab:\ttwo \r\n"
                                        "Empty:\r\n"
                                        "X-Space : odd\r\n"
                                        "Folded: a\r\n\t b\r\n  c\r\n"
                                        "Raw: \xfc\xc3\xbc\r\n"
                                        "\r\n"
                                        "Body: not a field\r\n");
    const std::vector<HeaderField> expected{{"Subject", " one"},
                                            {"X-Tab", "\ttwo "},
                                            {"Empty", ""},
                                            {"X-Space", " odd"},
                                            {"Folded", " a\r\n\t b\r\n  c"},
                                            {"Raw", " \xfc\xc3\xbc"}};
    CHECK(message.header.fields() == expected);
    CHECK(message.body == "Body: not a field\r\n");
}

TEST_CASE("a message with LF line ends has the same header section", "[mail]") {
    const auto message = Message::parse("Subject: one\n two\nTo: a\n\nbody\n");
    CHECK(message.header.to_string() == "Subject: one\r\n two\r\nTo: a\r\n");
    CHECK(message.body == "body\n");
}

TEST_CASE("any bytes are a message", "[mail]") {
    const auto [bytes, fields, body] = GENERATE(table<std::string, std::size_t, std::string>({
        {"", 0U, ""},
        {"\r\n", 0U, ""},
        {"\r\nbody", 0U, "body"},
        {"just text\r\n", 0U, "just text\r\n"},
        {"A: b", 1U, ""},
        {"A: b\r\n", 1U, ""},
        {"A: b\r\n\r\n", 1U, ""},
        {"A: b\r\nno field\r\nC: d\r\n", 1U, "no field\r\nC: d\r\n"},
        {" not a fold\r\nA: b\r\n", 0U, " not a fold\r\nA: b\r\n"},
        {": no name\r\n", 0U, ": no name\r\n"},
        {"N\xc3\xa4me: 8 bit\r\n", 0U, "N\xc3\xa4me: 8 bit\r\n"},
        {"Na me: space\r\n", 0U, "Na me: space\r\n"},
        {"From alice Mon Nov 23 22:05:19 2026\nA: b\n\nbody", 1U, "body"},
        {"A: b\nFrom alice Mon Nov 23 22:05:19 2026\n\nbody", 1U,
         "From alice Mon Nov 23 22:05:19 2026\n\nbody"},
        {"A: b\r\n \r\n\r\nbody", 1U, "body"},
        {"A: b\r\r\n\r\nbody", 1U, "body"},
    }));
    CAPTURE(bytes);
    const auto message = Message::parse(bytes);
    CHECK(message.header.fields().size() == fields);
    CHECK(message.body == body);
    CHECK(Message::parse(message.header.to_string() + "\r\n" + message.body).header == message.header);
    const auto view = MessageView::parse(bytes);
    CHECK(view.header == message.header);
    CHECK(view.body == message.body);
}

TEST_CASE("NUL bytes stay where they are", "[mail]") {
    const auto bytes = "A: b\0c\r\n\r\n\0body\0"s;
    const auto message = Message::parse(bytes);
    CHECK(message.header.fields() == std::vector<HeaderField>{{"A", " b\0c"s}});
    CHECK(message.body == "\0body\0"s);
}

TEST_CASE("fields are found without regard to case", "[mail]") {
    const auto header = section({{"Subject", " one\r\n two "}, {"SUBJECT", " three"}, {"To", "a"}});
    CHECK(header.first("subject") == "one two");
    CHECK(header.count("sUBJECT") == 2);
    CHECK(header.all("Subject") == std::vector<std::string_view>{" one\r\n two ", " three"});
    CHECK_FALSE(header.first("Cc"));
    CHECK_FALSE(header.first("Subjec"));
    CHECK(header.count("Cc") == 0);
}

TEST_CASE("unfolding takes line ends before white space and nothing else", "[mail]") {
    const auto [body, unfolded] = GENERATE(table<std::string, std::string>({
        {" a", "a"},
        {" a\r\n b", "a b"},
        {" a\r\n\t  b ", "a\t  b"},
        {"\r\n a", "a"},
        {" a\n b", "a b"},
        {" a\r\n\r\n b", "a\r\n b"},
        {"a\rb", "a\rb"},
        {"", ""},
    }));
    CAPTURE(body);
    CHECK(unfold(body) == unfolded);
}

TEST_CASE("structural are MIME-Version and Content-* alone", "[mail]") {
    for (const auto* name :
         {"MIME-Version", "mime-version", "Content-Type", "content-anything", "Content-"}) {
        CHECK(is_structural(name));
    }
    for (const auto* name : {"Subject", "X-Content-Type", "MIME-Versions", "Content", "", "X-MIME-Version"}) {
        CHECK_FALSE(is_structural(name));
    }
}

TEST_CASE("edits count occurrences in the original", "[mail]") {
    const auto original = section({{"A", " 1"}, {"b", " 1"}, {"a", " 2"}, {"A", " 3"}, {"C", " 1"}});
    const HeaderEdits edits{{{"a", 3, {}}, {"A", 2, " new"}, {"B", 1, {}}}, {{"D", " 1"}}};
    CHECK(apply(edits, original).to_string() == "A: 1\r\nA: new\r\nC: 1\r\nD: 1\r\n");
}

TEST_CASE("an edit of a field that is not there changes nothing", "[mail]") {
    const auto original = section({{"A", " 1"}});
    const HeaderEdits edits{{{"A", 2, {}}, {"A", 0, {}}, {"B", 1, " x"}}, {}};
    CHECK(apply(edits, original) == original);
    CHECK(apply({}, original) == original);
}

TEST_CASE("a field with a blank before its colon is no line of an mbox", "[mail]") {
    CHECK(begins_with_mbox_line("From alice@example.org Thu Nov 26 10:00:00 2026\n"));
    CHECK(begins_with_mbox_line("From "));
    CHECK_FALSE(begins_with_mbox_line("From : alice@example.org\n"));
    CHECK_FALSE(begins_with_mbox_line("From \t : alice@example.org\n"));
    CHECK_FALSE(begins_with_mbox_line("From: alice@example.org\n"));
    CHECK(Message::parse("From : a@example.org\nFrom: b@example.org\n\n").header.count("From") == 2);
}

TEST_CASE(
    "a field name has the characters that RFC 5322 gives it, and white space behind it is no part of it",
    "[mail]") {
    CHECK(field_name("Subject") == "Subject");
    CHECK(field_name("Subject \t ") == "Subject");
    CHECK(field_name("!#*~") == "!#*~");
    const auto none = GENERATE(as<std::string>{}, "", " ", " Subject", "Sub ject", "Subject:", "Subject\r",
                               "Subject\n", "Subj\xc3\xa4kt", "Subject\x7f", std::string("Sub\0ject", 8));
    CAPTURE(none);
    CHECK_FALSE(field_name(none).has_value());
    CHECK_THROWS_AS(HeaderField(none, " x"), std::invalid_argument);
    HeaderSection header;
    CHECK_THROWS_AS(header.add(none, " x"), std::invalid_argument);
    CHECK_THROWS_AS(HeaderField("Subject ", " x"), std::invalid_argument);
}
