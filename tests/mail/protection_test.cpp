#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "mail/content_type.hpp"
#include "mail/layer.hpp"
#include "mail/line_ends.hpp"
#include "mail/multipart.hpp"
#include "mail/protection.hpp"
#include "mail/restoration.hpp"
#include "tests/mail/data.hpp"
#include "tests/mail/fields.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace std::string_literals;
using namespace lockbox;
using namespace lockbox::mail;
using lockbox::tests::mail_data;
using lockbox::tests::section;

namespace {

ProtectedHeader protect(const Message& message) {
    return mail::protect(message.header, message.body);
}

std::string payload_of(const Message& message) {
    const auto protection = protect(message);
    return protection.payload_header + message.body + protection.payload_trailer;
}

/// The outer header section of the sealed message.
HeaderSection outside_of(const Message& message) {
    const auto edits =
        outer_edits(protect(message), message.header, {{"Content-Type", " multipart/encrypted; boundary=x"}});
    return apply(edits, message.header);
}

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

std::size_t longest_line(const std::string& text) {
    std::size_t longest = 0;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find("\r\n", at), text.size());
        longest = std::max(longest, end - at);
        at = end + 2;
    }
    return longest;
}

const Message ordinary = Message::parse("Received: from a by b\r\n"
                                        "DKIM-Signature: v=1\r\n"
                                        "Date: Mon, 23 Nov 2026 22:05:19 +0000\r\n"
                                        "From: Alice <alice@example.org>\r\n"
                                        "X-Spam-Score: 1\r\n"
                                        "To: Bob <bob@example.net>,\r\n Carol <carol@example.net>\r\n"
                                        "Subject: =?utf-8?q?Geheim?=\r\n"
                                        "Message-ID:<1@example.org>\r\n"
                                        "Comments: a comment\r\n"
                                        "Keywords: one, two\r\n"
                                        "Bcc: dave@example.com\r\n"
                                        "X-Custom: whatever\r\n"
                                        "MIME-Version: 1.0 (by hand)\r\n"
                                        "Content-Type: Text/Plain;\r\n\tcharset=\"utf-8\"; format=flowed\r\n"
                                        "content-transfer-encoding:  8bit\r\n"
                                        "Content-Language: de\r\n"
                                        "\r\n"
                                        "Im Morgengrauen.\r\n");

} // namespace

TEST_CASE("the payload's header section has the sender's fields, the structure and the record of what stays "
          "outside",
          "[mail]") {
    CHECK(protect(ordinary).payload_header ==
          "DKIM-Signature: v=1\r\n"
          "Date: Mon, 23 Nov 2026 22:05:19 +0000\r\n"
          "From: Alice <alice@example.org>\r\n"
          "X-Spam-Score: 1\r\n"
          "To: Bob <bob@example.net>,\r\n Carol <carol@example.net>\r\n"
          "Subject: =?utf-8?q?Geheim?=\r\n"
          "Message-ID:<1@example.org>\r\n"
          "Comments: a comment\r\n"
          "Keywords: one, two\r\n"
          "X-Custom: whatever\r\n"
          "MIME-Version: 1.0 (by hand)\r\n"
          "Content-Type: Text/Plain;\r\n\tcharset=\"utf-8\"; format=flowed;"
          " hp=\"cipher\"; protected-headers=\"v1\"\r\n"
          "content-transfer-encoding:  8bit\r\n"
          "Content-Language: de\r\n"
          "HP-Outer: Date: Mon, 23 Nov 2026 22:05:19 +0000\r\n"
          "HP-Outer: From: Alice <alice@example.org>\r\n"
          "HP-Outer: To: Bob <bob@example.net>,\r\n Carol <carol@example.net>\r\n"
          "HP-Outer: Subject: [...]\r\n"
          "HP-Outer: Message-ID: <1@example.org>\r\n"
          "\r\n");
    CHECK(protect(ordinary).payload_trailer.empty());
}

TEST_CASE("outside stays what carries the message, and one MIME structure", "[mail]") {
    CHECK(outside_of(ordinary).to_string() == "Received: from a by b\r\n"
                                              "Date: Mon, 23 Nov 2026 22:05:19 +0000\r\n"
                                              "From: Alice <alice@example.org>\r\n"
                                              "To: Bob <bob@example.net>,\r\n Carol <carol@example.net>\r\n"
                                              "Subject: [...]\r\n"
                                              "Message-ID:<1@example.org>\r\n"
                                              "MIME-Version: 1.0\r\n"
                                              "Content-Type: multipart/encrypted; boundary=x\r\n");
}

TEST_CASE("the edits go from the highest occurrence to the lowest", "[mail]") {
    const auto message =
        Message::parse("Content-Type: text/plain\r\nSubject: 1\r\nMIME-Version: 1.0\r\n"
                       "content-type: text/html\r\nSubject: 2\r\nCONTENT-TYPE: text/x\r\nsubject: 3\r\n"
                       "Bcc: a@example.org\r\nBCC: b@example.org\r\nX-A: 1\r\n\r\n");
    const auto edits = outer_edits(protect(message), message.header,
                                   {{"Content-Type", " a/b"}, {"Content-Transfer-Encoding", " 7bit"}});
    std::vector<std::string> seen;
    for (const auto& change : edits.changes) {
        seen.push_back(to_lower(change.name) + ' ' + std::to_string(change.occurrence) +
                       change.body.value_or(" -"));
    }
    CHECK(seen == std::vector<std::string>{"content-type 3 -", "content-type 2 -", "content-type 1 a/b",
                                           "bcc 2 -", "bcc 1 -", "x-a 1 -", "subject 3 -", "subject 2 -",
                                           "subject 1 [...]"});
    CHECK(edits.appended == std::vector<HeaderField>{{"Content-Transfer-Encoding", " 7bit"}});
    CHECK(apply(edits, message.header).to_string() == "Content-Type: a/b\r\nSubject: [...]\r\nMIME-Version: "
                                                      "1.0\r\nContent-Transfer-Encoding: 7bit\r\n");
}

TEST_CASE("a field that is as it should be already is not edited", "[mail]") {
    const auto edited = [](const std::string& field) {
        const auto message = Message::parse(field + "\r\nSubject: [...]\r\n\r\nx");
        std::vector<std::string> names;
        for (const auto& change : outer_edits(protect(message), message.header, {}).changes) {
            names.push_back(change.name);
        }
        return names;
    };
    CHECK(edited("MIME-Version: 1.0").empty());
    // All of these come out as `MIME-Version: 1.0`, and once.
    CHECK(edited("MIME-Version:  1.0") == std::vector<std::string>{"MIME-Version"});
    CHECK(edited("Mime-Version: 1.0") == std::vector<std::string>{"MIME-Version"});
    CHECK(edited("MIME-Version: 1.0\r\nMIME-Version: 1.0") == std::vector<std::string>{"MIME-Version"});
}

TEST_CASE("all duplicates go inside", "[mail]") {
    const auto payload = Message::parse(
        payload_of(Message::parse("Subject: 1\r\nTo: a@example.org\r\nSubject: 2\r\nTo: b@example.org\r\n"
                                  "Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n")));
    CHECK(payload.header.all("Subject") == std::vector<std::string_view>{" 1", " 2"});
    CHECK(payload.header.all("To") == std::vector<std::string_view>{" a@example.org", " b@example.org"});
    CHECK(
        payload.header.all("Content-Type") ==
        std::vector<std::string_view>{" text/plain; hp=\"cipher\"; protected-headers=\"v1\"", " text/html"});
    CHECK(payload.header.all("HP-Outer") ==
          std::vector<std::string_view>{" Subject: [...]", " To: a@example.org", " To: b@example.org"});
}

TEST_CASE("a message without any header field is sealed as the text it is", "[mail]") {
    const auto message = Message::parse("\r\nbody");
    CHECK(payload_of(message) ==
          "MIME-Version: 1.0\r\n"
          "Content-Type: text/plain; charset=us-ascii; hp=\"cipher\"; protected-headers=\"v1\"\r\n"
          "\r\nbody");
    CHECK(outside_of(message).to_string() ==
          "MIME-Version: 1.0\r\nContent-Type: multipart/encrypted; boundary=x\r\n");
}

TEST_CASE("a message without Content-Type gets the one its bytes have", "[mail]") {
    struct Case {
        std::string header, body, type;
        bool encoding_added;
    };
    const auto c = GENERATE(values<Case>({
        {"", "", "text/plain; charset=us-ascii; ", false},
        {"", "ascii", "text/plain; charset=us-ascii; ", false},
        {"", "\xc3\xbc", "text/plain; charset=utf-8; ", true},
        {"", "\xfc", "text/plain; charset=unknown-8bit; ", true},
        {"Content-Transfer-Encoding: binary\r\n", "\xfc", "text/plain; charset=unknown-8bit; ", false},
        {"Content-Transfer-Encoding: base64\r\n", "w7w=", "text/plain; charset=us-ascii; ", false},
    }));
    CAPTURE(c.header, c.body);
    const auto payload =
        Message::parse(payload_of(Message::parse("Subject: x\r\n" + c.header + "\r\n" + c.body)));
    CHECK(payload.header.first("Content-Type") == c.type + "hp=\"cipher\"; protected-headers=\"v1\"");
    CHECK((payload.header.first("Content-Transfer-Encoding") == "8bit") == c.encoding_added);
    CHECK(payload.header.count("Content-Transfer-Encoding") ==
          (c.encoding_added || !c.header.empty() ? 1 : 0));
    CHECK(payload.body == c.body);
}

TEST_CASE("without a Subject none is invented", "[mail]") {
    const auto message = Message::parse("From: a@example.org\r\n\r\nbody");
    CHECK_FALSE(contains(payload_of(message), "Subject"));
    CHECK(outside_of(message).count("Subject") == 0);
}

TEST_CASE("parameters of another protection are replaced", "[mail]") {
    const auto message =
        Message::parse("Content-Type: text/plain; HP=clear; charset=x; protected-headers=\"v2\";"
                       " hp-legacy-display=1;\r\n\r\n");
    const auto payload = Message::parse(payload_of(message));
    CHECK(payload.header.first("Content-Type") ==
          "text/plain; charset=x; hp=\"cipher\"; protected-headers=\"v1\";");
}

TEST_CASE("fields that name blind recipients or the way a message took never go inside", "[mail]") {
    const auto name = GENERATE(as<std::string>{}, "Bcc", "bcc", "Resent-Bcc", "Received", "Return-Path",
                               "Authentication-Results", "Received-SPF", "Delivered-To", "X-Original-To",
                               "HP-Outer", "List-Id");
    CAPTURE(name);
    const auto message = Message::parse("Subject: x\r\n" + name + ": carol@example.com\r\n\r\nbody");
    CHECK_FALSE(contains(payload_of(message), "carol"));
    const bool removed = to_lower(name).ends_with("bcc") || name == "HP-Outer";
    CHECK(outside_of(message).count(name) == (removed ? 0 : 1));
}

TEST_CASE("what carries a message stays outside", "[mail]") {
    // The table in docs/formats.md.
    const auto name = GENERATE(
        as<std::string>{}, "Received", "Return-Path", "Delivered-To", "X-Original-To", "Envelope-To",
        "X-Envelope-To", "Original-Recipient", "Authentication-Results", "Received-SPF", "From", "Sender",
        "Reply-To", "To", "Cc", "Date", "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc",
        "Resent-Date", "Resent-Message-ID", "Resent-Reply-To", "Mail-Followup-To", "Mail-Reply-To",
        "Message-ID", "In-Reply-To", "References", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post",
        "list-archive", "Auto-Submitted", "Precedence", "X-Precedence", "X-Loop", "X-BeenThere",
        "Mailing-List", "X-Mailing-List", "X-Auto-Response-Suppress", "X-Autoreply", "X-Autorespond",
        "Errors-To", "Disposition-Notification-To", "Disposition-Notification-Options", "Return-Receipt-To",
        "X-Confirm-Reading-To", "IMPORTANCE", "Priority", "X-Priority", "X-MSMail-Priority", "MT-Priority",
        "Autocrypt", "OpenPGP", "TLS-Required", "Require-TLS-ESMTP", "Require-Recipient-Valid-Since");
    CAPTURE(name);
    const auto message = Message::parse(name + ": one\r\nSubject: x\r\n" + name + ":\ttwo \r\n\r\nbody");
    CHECK(outside_of(message).all(name) == message.header.all(name));
    const auto payload = Message::parse(payload_of(message));
    const auto restored = restore(outside_of(message), payload.header);
    CHECK(restored.header.all(name) == message.header.all(name));
    CHECK(restored.warnings.empty());
}

TEST_CASE("every other field is inside only, whatever its name", "[mail]") {
    const auto name = GENERATE(
        as<std::string>{}, "Thread-Topic", "Thread-Index", "X-Spam-Report", "X-Spam-Prev-Subject",
        "X-MS-Exchange-Organization-SCL", "Comments", "Keywords", "Organization", "User-Agent", "X-Mailer",
        "Sensitivity", "Autocrypt-Gossip", "Archived-At", "Resent-Comments", "X-Received", "Lockbox-Route",
        "Lists-Id", "List", "X-Anything", "*", "Subject-Copy", "Supersedes");
    CAPTURE(name);
    const bool is_signed = GENERATE(false, true);
    const auto large = std::string(protected_field_octets_max + 1, 'x');
    const auto type = is_signed ? "Content-Type: multipart/signed; boundary=b\r\n"s : ""s;
    const auto message =
        Message::parse(name + ": one\r\nFrom: a@example.org\r\n" + name + ":\ttwo\r\n folded \r\n" + name +
                       ": " + large + "\r\n" + type +
                       "\r\n--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n--b\r\nContent-Type: "
                       "application/pgp-signature\r\n\r\nx\r\n--b--\r\n");
    REQUIRE(mail::is_signed(outermost_layer(message.header, message.body)) == is_signed);
    CHECK(outside_of(message).count(name) == 0);
    const auto payload_bytes = payload_of(message);
    const auto payload = MessageView::parse(payload_bytes);
    CHECK(payload.header.all(name) == message.header.all(name));
    CHECK(payload.body == message.body);
    for (const auto record : payload.header.all("HP-Outer")) { // RFC 9788 §2.2.2: confidential by removal
        CHECK_FALSE(contains(record, "one"));
        CHECK_FALSE(contains(record, "two"));
    }
    const auto restored = restore(outside_of(message), payload);
    CHECK(restored.header.all(name) == message.header.all(name));
    CHECK(restored.warnings.empty());
}

TEST_CASE("what others wrote of the subject and the text is not outside", "[mail]") {
    const auto message = Message::parse(to_crlf(mail_data("subject-and-body-copies.eml")));
    const auto outside = outside_of(message).to_string();
    CHECK_FALSE(contains(outside, "alary"));
    CHECK_FALSE(contains(outside, "4,200,000"));
    CHECK(outside == "From: A <a@example.net>\r\nTo: bob@example.org\r\nSubject: [...]\r\n"
                     "Date: Mon, 30 Nov 2026 10:00:00 +0000\r\nMessage-ID: <a@b>\r\nMIME-Version: 1.0\r\n"
                     "Content-Type: multipart/encrypted; boundary=x\r\n");
    const auto payload = Message::parse(payload_of(message));
    const auto restored = restore(outside_of(message), payload.header);
    for (const auto& field : message.header.fields()) {
        CHECK(restored.header.all(field.name) == message.header.all(field.name));
    }
    CHECK(restored.header.fields().size() == message.header.fields().size());
}

TEST_CASE("what would stay outside is told by name", "[mail]") {
    const auto exposed = exposure_of(ordinary.header, ordinary.body, OuterSubject::obscured, {});
    CHECK(exposed.outside == std::vector<std::string>{"Received", "Date", "From", "To", "Message-ID"});
    CHECK(exposed.inside_only == std::vector<std::string>{"DKIM-Signature", "X-Spam-Score", "Subject",
                                                          "Comments", "Keywords", "X-Custom"});
    const auto kept = exposure_of(ordinary.header, ordinary.body, OuterSubject::kept, {});
    CHECK(kept.outside ==
          std::vector<std::string>{"Received", "Date", "From", "To", "Subject", "Message-ID"});

    // of a signed message the Subject stays
    const auto is_signed = Message::parse("x-a: 1\r\nSubject: s\r\nX-A: 2\r\nContent-Type: multipart/signed; "
                                          "boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: "
                                          "application/pgp-signature\r\n\r\nx\r\n--b--\r\n");
    const auto of_signed = exposure_of(is_signed.header, is_signed.body, OuterSubject::obscured, {});
    CHECK(of_signed.outside == std::vector<std::string>{"Subject"});
    CHECK(of_signed.inside_only == std::vector<std::string>{"x-a"});
}

TEST_CASE("a name that was added to the table stays outside, and no other", "[mail]") {
    OuterFields outer_fields;
    outer_fields.add("X-Spam-Flag");
    outer_fields.add("Comments");
    const auto message = Message::parse("x-spam-flag: YES\r\nX-Spam-Status: Yes\r\nComments: c\r\n\r\nbody");
    const auto protection = mail::protect(message.header, message.body, OuterSubject::obscured, outer_fields);
    const auto outside = apply(protection.outer, message.header);
    CHECK(outside.to_string() == "x-spam-flag: YES\r\nComments: c\r\n");
    const auto payload = Message::parse(protection.payload_header);
    CHECK(payload.header.all("X-Spam-Status").size() == 1);
    CHECK(payload.header.all("HP-Outer") == std::vector<std::string_view>{" Comments: c"});
    const auto restored = restore(outside, payload.header).header;
    for (const auto* name : {"X-Spam-Flag", "Comments"}) {
        CHECK(restored.all(name) == message.header.all(name));
    }
}

TEST_CASE("signatures of mail servers go inside byte for byte, and nothing of them stays outside", "[mail]") {
    const auto name = GENERATE(as<std::string>{}, "DKIM-Signature", "dkim-signature", "DomainKey-Signature",
                               "X-Google-DKIM-Signature", "ARC-Seal", "ARC-Message-Signature",
                               "ARC-Authentication-Results");
    CAPTURE(name);
    const std::string first = " v=1; z=Subject:x;\r\n\tbh=first=; b=aaa\r\n bbb";
    const auto message =
        Message::parse(name + ":" + first + "\r\nFrom: a@example.org\r\nSubject: x\r\n" + name +
                       ":second\r\nAuthentication-Results: mx; dkim=pass\r\n\r\nbody");
    const auto payload = Message::parse(payload_of(message));
    CHECK(payload.header.all(name) == std::vector<std::string_view>{first, "second"});
    CHECK(payload.header.all("HP-Outer") ==
          std::vector<std::string_view>{" From: a@example.org", " Subject: [...]"});
    const auto outside = outside_of(message);
    CHECK(outside.count(name) == 0);
    CHECK(outside.first("Authentication-Results") == "mx; dkim=pass");

    const auto restored = restore(outside, payload.header);
    CHECK(restored.header.all(name) == message.header.all(name));
    CHECK(restored.header.first("Authentication-Results") == "mx; dkim=pass");
    CHECK(restored.warnings.empty());
}

TEST_CASE("what merely looks like the signature of a mail server is a field like others", "[mail]") {
    const auto name = GENERATE(as<std::string>{}, "Signature", "KIM-Signature", "DKIM-Signature-Note", "ARC",
                               "Archived-At", "X-ARC-Seal");
    CAPTURE(name);
    const auto payload = Message::parse(payload_of(Message::parse("X: x\r\n\r\nbody")));
    CHECK(restore(section({{name, " added on the way"}}), payload.header).header.count(name) == 1);
}

TEST_CASE("raw 8-bit header fields go inside as they are", "[mail]") {
    const auto payload = payload_of(
        Message::parse("Subject: \xfc\r\nTo: \xc3\xbc <b@example.org>\r\nCc: \xfc <c@example.org>\r\n\r\n"));
    CHECK(contains(payload, "Subject: \xfc\r\n"));
    CHECK(contains(payload, "\r\nCc: \xfc <c@example.org>\r\n"));
    CHECK(contains(payload, "HP-Outer: To: \xc3\xbc <b@example.org>\r\n"));
    CHECK_FALSE(contains(payload, "HP-Outer: Cc"));
}

TEST_CASE("control characters are no part of an HP-Outer field", "[mail]") {
    const auto message =
        Message::parse("To: a\0b@example.org\r\nCc: a\rb@example.org\r\nFrom: a\tb\r\n\r\n"s);
    const auto payload = Message::parse(payload_of(message));
    CHECK(payload.header.all("HP-Outer") == std::vector<std::string_view>{" From: a\tb"});
    CHECK(payload.header.all("To") == message.header.all("To"));
}

TEST_CASE("every line that sealing writes has less than 998 octets", "[mail]") {
    const std::size_t octets = GENERATE(900U, 960U, 970U, 979U, 980U, 985U, 990U, 993U);
    CAPTURE(octets);
    std::string words = "<";
    while (words.size() < octets) {
        words += words.size() % 10 == 9 && words.size() + 1 < octets ? ' ' : 'w';
    }
    const std::string word(octets, 'w');
    const auto message = Message::parse("To: " + words + "\r\nCc: " + word + "\r\nReferences:\r\n " + word +
                                        "\r\nContent-Type: text/plain; x=" + word.substr(30) + "\r\n\r\n");
    const auto payload = protect(message).payload_header;
    CHECK(longest_line(payload) <= 998);
    const auto header = Message::parse(payload).header;
    REQUIRE(header.count("HP-Outer") == 3);
    CHECK(unfold(header.all("HP-Outer")[0]).substr(3).find_first_not_of(' ') <= 2);
    CHECK(unfold(header.all("HP-Outer")[0]).ends_with(words));
    CHECK(unfold(header.all("HP-Outer")[1]).ends_with(word));
    CHECK(ContentType::parse(header.first("Content-Type").value())->parameter("hp") == "cipher");
}

TEST_CASE("a value that no fold can bring under the limit is left out of HP-Outer", "[mail]") {
    const std::string word(1200, 'w');
    const auto payload =
        Message::parse(payload_of(Message::parse("To: " + word + "\r\nCc: a@example.org\r\n\r\n")));
    CHECK(payload.header.first("To") == word);
    CHECK(payload.header.all("HP-Outer") == std::vector<std::string_view>{" Cc: a@example.org"});
}

TEST_CASE("a field that Postfix may have cut is left to the outside where it stays, a Subject is not",
          "[mail]") {
    const std::string large(protected_field_octets_max + 1, 'x');
    const auto message = Message::parse("To: " + large + "\r\nSubject: " + large + "\r\n\r\n");
    const auto payload = Message::parse(payload_of(message));
    CHECK(payload.header.count("To") == 0);
    CHECK(payload.header.first("Subject") == large);
    CHECK(outside_of(message).first("To") == large);
    CHECK(outside_of(message).first("Subject") == "[...]");
    const auto restored = restore(outside_of(message), payload.header);
    CHECK(restored.header.first("To") == large);
    CHECK(restored.header.first("Subject") == large);
}

TEST_CASE("an entity whose Content-Type cannot be parsed is wrapped with its bytes untouched", "[mail]") {
    const auto type = GENERATE(as<std::string>{}, " text", "", " text/plain; name=a b.txt",
                               " text/plain; x=\"", " multipart/mixed;; boundary=b");
    CAPTURE(type);
    const std::string body = GENERATE(as<std::string>{}, "", "no line end", "--b\r\n\r\ntext\r\n--b--\r\n");
    const auto message =
        Message::parse("Subject: x\r\nContent-Type:" + type + "\r\nContent-Language: de\r\n\r\n" + body);
    const auto payload = Message::parse(payload_of(message));
    CHECK(payload.header.first("Subject") == "x");
    const auto root = ContentType::parse(payload.header.first("Content-Type").value());
    REQUIRE(root);
    CHECK(root->is("multipart/mixed"));
    CHECK(root->parameter("hp") == "cipher");
    CHECK(root->parameter("protected-headers") == "v1");
    CHECK(payload.header.count("Content-Language") == 0);
    const auto multipart = split_multipart(payload.body, root->parameter("boundary").value());
    CHECK(multipart.closed);
    REQUIRE(multipart.parts.size() == 1);
    CHECK(MessageView::parse(multipart.parts[0]).header.to_string() ==
          "Content-Type:" + type + "\r\nContent-Language: de\r\n");
    CHECK(MessageView::parse(multipart.parts[0]).body == body);
    CHECK(outside_of(message).first("Subject") == "[...]");
}

TEST_CASE("every body is payload byte for byte", "[mail]") {
    const auto body = GENERATE(as<std::string>{}, "", "\r\n", "no line end", "a\r\nb\r\n", "\0a\0\r\n\xff"s,
                               "From x\r\n", " leading space\r\n", "Subject: not a field\r\n");
    CAPTURE(body);
    Message message{section({{"Subject", " x"}, {"Content-Type", " application/octet-stream"}}), body};
    CHECK(Message::parse(payload_of(message)).body == body);
}

TEST_CASE("line ends inside a field body begin no other field", "[mail]") {
    const auto attack =
        GENERATE(as<std::string>{}, " x\r\nInjected: y", " x\nInjected: y", " x\r\n\r\nInjected: y", " x\n",
                 "\n", " x\r\n\r\n", " x\r\n \r\nInjected: y");
    CAPTURE(attack);
    Message message{section({{"Subject", attack}, {"To", attack}, {"Content-Language", attack}}), "body"};
    const auto payload = Message::parse(payload_of(message));
    CHECK(payload.header.count("Injected") == 0);
    CHECK(payload.header.count("MIME-Version") == 1);
    CHECK(payload.header.count("Content-Language") == 1);
    CHECK(payload.body == "body");
}

// -----------------------------------------------------------------------------------------------------
// signed mail

namespace {

Message signed_message(const std::string& part_header) {
    return Message::parse(
        "From: alice@example.org\r\nSubject: The subject\r\nComments: c\r\nBcc: x@example.org\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/signed; micalg=pgp-sha512;\r\n protocol=\"application/pgp-signature\"; "
        "boundary=b\r\n\r\n--b\r\n" +
        part_header + "\r\ntext\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n");
}

} // namespace

TEST_CASE("a signed message is wrapped untouched, beside the fields that must not stay outside", "[mail]") {
    const auto message = signed_message("Content-Type: text/plain\r\n");
    CHECK(payload_of(message) == "Comments: c\r\n"
                                 "MIME-Version: 1.0\r\n"
                                 "Content-Type: multipart/signed; micalg=pgp-sha512;\r\n "
                                 "protocol=\"application/pgp-signature\"; boundary=b\r\n\r\n" +
                                     message.body);
    CHECK(outside_of(message).first("Subject") == "The subject");
    CHECK(outside_of(message).count("Comments") == 0);
    CHECK(outside_of(message).count("Bcc") == 0);
    const auto opened = payload_of(message);
    const auto restored = restore(outside_of(message), MessageView::parse(opened));
    CHECK(restored.header.first("Comments") == "c");
    CHECK_FALSE(restored.was_protected);
}

TEST_CASE("a signature's protected fields are not mixed with what stood beside it", "[mail]") {
    const auto message = signed_message("Comments: signed\r\nSubject: inner\r\n"
                                        "Content-Type: text/plain; hp=\"clear\"\r\n");
    const auto opened = payload_of(message);
    const auto restored = restore(outside_of(message), MessageView::parse(opened));
    CHECK(restored.header.all("Comments") == std::vector<std::string_view>{" signed"});
    CHECK(restored.header.first("Subject") == "inner");
}

TEST_CASE("the Subject of a signed message is hidden only if the signed part has it protected", "[mail]") {
    const auto [part_header, hidden] = GENERATE(table<std::string, bool>({
        {"Subject: inner\r\nContent-Type: text/plain; protected-headers=\"v1\"\r\n", true},
        {"Subject: inner\r\nContent-Type: text/plain; hp=\"clear\"\r\n", true},
        {"Content-Type: text/plain; protected-headers=\"v1\"\r\n", false},
        {"Subject: inner\r\nContent-Type: text/plain\r\n", false},
        {"Subject: inner\r\n", false},
        {"Subject: inner\r\nContent-Type: text/plain; hp=\"unknown\"\r\n", false},
        {"", false},
    }));
    CAPTURE(part_header);
    const auto message = signed_message(part_header);
    CHECK(outside_of(message).first("Subject") == (hidden ? "[...]" : "The subject"));
    CHECK(Message::parse(payload_of(message)).header.count("Subject") == 0);

    const auto opened = payload_of(message);
    const auto restored = restore(outside_of(message), MessageView::parse(opened));
    CHECK(restored.header.first("Subject") == (hidden ? "inner" : "The subject"));
    CHECK(restored.header.first("Content-Type")->starts_with("multipart/signed"));
}

TEST_CASE("an opaque S/MIME signature is looked into as well", "[mail]") {
    const auto message = Message::parse(
        "Subject: The subject\r\nContent-Type: application/pkcs7-mime; smime-type=signed-data\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n" +
        base64_encode(mail_data("signed.der")) + "\r\n");
    CHECK(outside_of(message).first("Subject") == "[...]");
    CHECK(contains(payload_of(message), "Content-Transfer-Encoding: base64\r\n\r\nMI"));
    const auto opened = payload_of(message);
    CHECK(restore(outside_of(message), MessageView::parse(opened)).header.first("Subject") ==
          "The signed subject");
}

TEST_CASE("the DKIM signature of a signed message goes inside, beside the entity", "[mail]") {
    auto message = signed_message("Content-Type: text/plain\r\n");
    auto fields = message.header.fields();
    fields.insert(fields.begin(), {"DKIM-Signature", " v=1;\r\n bh=x"});
    message.header = HeaderSection(fields);
    const auto payload = payload_of(message);
    CHECK(payload.starts_with("DKIM-Signature: v=1;\r\n bh=x\r\nComments: c\r\nMIME-Version: "
                              "1.0\r\nContent-Type: multipart/"));
    CHECK(payload.ends_with("boundary=b\r\n\r\n" + message.body));
    CHECK(outside_of(message).count("DKIM-Signature") == 0);
    const auto restored = restore(outside_of(message), MessageView::parse(payload));
    for (const auto* name : {"DKIM-Signature", "From", "Subject", "MIME-Version", "Content-Type"}) {
        CHECK(restored.header.all(name) == message.header.all(name));
    }
}

// --------------------------------------------------------------------------------------------------------
// restoring

TEST_CASE("RFC 9788 appendix D.2.2 is put together again", "[mail]") {
    const auto outer = Message::parse("Date: Wed, 11 Jan 2023 16:48:22 -0500\n"
                                      "From: Alice <alice@example.net>\n"
                                      "To: Bob <bob@example.net>\n"
                                      "Subject: Re: [...]\n"
                                      "Message-ID: <20230111T214822Z.5678@lhp.example>\n"
                                      "In-Reply-To: <20230111T210843Z.1234@lhp.example>\n"
                                      "References: <20230111T210843Z.1234@lhp.example>\n"
                                      "Content-Transfer-Encoding: base64\n"
                                      "Content-Type: application/pkcs7-mime; name=\"smime.p7m\";\n"
                                      " smime-type=\"enveloped-data\"\n"
                                      "MIME-Version: 1.0\n\n");
    const auto payload =
        Message::parse("Date: Wed, 11 Jan 2023 16:48:22 -0500\n"
                       "From: Alice <alice@example.net>\n"
                       "To: Bob <bob@example.net>\n"
                       "Subject: Re: Handling the Jones contract\n"
                       "Message-ID: <20230111T214822Z.5678@lhp.example>\n"
                       "In-Reply-To: <20230111T210843Z.1234@lhp.example>\n"
                       "References: <20230111T210843Z.1234@lhp.example>\n"
                       "Content-Type: text/plain; charset=\"us-ascii\"; hp-legacy-display=\"1\";\n"
                       " hp=\"cipher\"\n"
                       "MIME-Version: 1.0\n"
                       "HP-Outer: Date: Wed, 11 Jan 2023 16:48:22 -0500\n"
                       "HP-Outer: From: Alice <alice@example.net>\n"
                       "HP-Outer: To: Bob <bob@example.net>\n"
                       "HP-Outer: Subject: Re: [...]\n"
                       "HP-Outer: Message-ID: <20230111T214822Z.5678@lhp.example>\n"
                       "HP-Outer: In-Reply-To: <20230111T210843Z.1234@lhp.example>\n"
                       "HP-Outer: References: <20230111T210843Z.1234@lhp.example>\n\n");
    const auto restored = restore(outer.header, payload.header);
    // Appendix D.2.1
    CHECK(restored.header.to_string() == "Date: Wed, 11 Jan 2023 16:48:22 -0500\r\n"
                                         "From: Alice <alice@example.net>\r\n"
                                         "To: Bob <bob@example.net>\r\n"
                                         "Subject: Re: Handling the Jones contract\r\n"
                                         "Message-ID: <20230111T214822Z.5678@lhp.example>\r\n"
                                         "In-Reply-To: <20230111T210843Z.1234@lhp.example>\r\n"
                                         "References: <20230111T210843Z.1234@lhp.example>\r\n"
                                         "Content-Type: text/plain; charset=\"us-ascii\"\r\n"
                                         "MIME-Version: 1.0\r\n");
    CHECK(restored.was_protected);
    CHECK(restored.warnings.empty());
}

TEST_CASE("RFC 9788 appendix C.3.3, the shy policy, is put together again", "[mail]") {
    const auto outer = Message::parse("Received: from a by b\n"
                                      "Content-Transfer-Encoding: base64\n"
                                      "Content-Type: application/pkcs7-mime; name=\"smime.p7m\";\n"
                                      " smime-type=\"enveloped-data\"\n"
                                      "Subject: [...]\n"
                                      "Message-ID: <smime-signed-enc-hp-shy@example>\n"
                                      "From: alice@smime.example\n"
                                      "To: bob@smime.example\n"
                                      "Date: Sat, 20 Feb 2021 15:12:02 +0000\n"
                                      "User-Agent: Sample MUA Version 1.0\n"
                                      "List-Id: <list.example>\n\n");
    const auto payload = Message::parse("MIME-Version: 1.0\n"
                                        "Content-Transfer-Encoding: 7bit\n"
                                        "Subject: smime-signed-enc-hp-shy\n"
                                        "Message-ID: <smime-signed-enc-hp-shy@example>\n"
                                        "From: Alice <alice@smime.example>\n"
                                        "To: Bob <bob@smime.example>\n"
                                        "Date: Sat, 20 Feb 2021 10:12:02 -0500\n"
                                        "User-Agent: Sample MUA Version 1.0\n"
                                        "HP-Outer: Subject: [...]\n"
                                        "HP-Outer: Message-ID: <smime-signed-enc-hp-shy@example>\n"
                                        "HP-Outer: From: alice@smime.example\n"
                                        "HP-Outer: To: bob@smime.example\n"
                                        "HP-Outer: Date: Sat, 20 Feb 2021 15:12:02 +0000\n"
                                        "HP-Outer: User-Agent: Sample MUA Version 1.0\n"
                                        "Content-Type: text/plain; charset=\"utf-8\"; hp=\"cipher\"\n\n");
    const auto restored = restore(outer.header, payload.header);
    CHECK(restored.header.to_string() == "Received: from a by b\r\n"
                                         "Subject: smime-signed-enc-hp-shy\r\n"
                                         "Message-ID: <smime-signed-enc-hp-shy@example>\r\n"
                                         "From: Alice <alice@smime.example>\r\n"
                                         "To: Bob <bob@smime.example>\r\n"
                                         "Date: Sat, 20 Feb 2021 10:12:02 -0500\r\n"
                                         "User-Agent: Sample MUA Version 1.0\r\n"
                                         "List-Id: <list.example>\r\n"
                                         "MIME-Version: 1.0\r\n"
                                         "Content-Transfer-Encoding: 7bit\r\n"
                                         "Content-Type: text/plain; charset=\"utf-8\"\r\n");
    CHECK(restored.warnings.empty());
}

TEST_CASE("a payload that protects nothing changes the structure alone", "[mail]") {
    const auto outer =
        section({{"Subject", " outer"}, {"MIME-Version", " 1.0"}, {"Content-Type", " multipart/encrypted"}});
    const auto payload = section({{"Subject", " inner"},
                                  {"Content-Type", " text/plain"},
                                  {"From", " evil@example.net"},
                                  {"Received", " from nowhere"},
                                  {"List-Id", " <evil.example.net>"},
                                  {"Bcc", " evil@example.net"},
                                  {"HP-Outer", " From: x"}});
    const auto restored = restore(outer, payload);
    CHECK_FALSE(restored.was_protected);
    CHECK(restored.header.to_string() == "Subject: outer\r\nContent-Type: text/plain\r\n");
}

TEST_CASE("what stands outside is not replaced by a payload that protects nothing", "[mail]") {
    const auto outer = section({{"X-A", " outer"}, {"X-a", " too"}});
    const auto payload = section({{"x-A", " inner"}, {"X-B", " inner"}, {"Content-Type", " text/plain"}});
    CHECK(restore(outer, payload).header.to_string() ==
          "X-A: outer\r\nX-a: too\r\nX-B: inner\r\nContent-Type: text/plain\r\n");
}

TEST_CASE("a payload with the older protection keeps the outer fields that it lacks", "[mail]") {
    const auto outer = section({{"From", " a@example.org"},
                                {"To", " b@example.org"},
                                {"Subject", " ..."},
                                {"Cc", " c@example.org"}});
    const auto payload =
        section({{"Content-Type", " text/plain; protected-headers=\"v1\""}, {"Subject", " inner"}});
    const auto restored = restore(outer, payload);
    CHECK(restored.was_protected);
    CHECK(restored.header.to_string() == "From: a@example.org\r\nTo: b@example.org\r\nSubject: inner\r\nCc: "
                                         "c@example.org\r\nContent-Type: text/plain\r\n");
    CHECK(restored.warnings.empty());
}

TEST_CASE("a field that somebody added outside is left out and said", "[mail]") {
    const auto name = GENERATE(as<std::string>{}, "Subject", "Reply-To", "Cc", "Disposition-Notification-To",
                               "Comments", "In-Reply-To", "Autocrypt", "Mail-Followup-To");
    CAPTURE(name);
    const auto outer =
        section({{"From", " a@example.org"}, {name, " added@example.net"}, {name, " twice@example.net"}});
    const auto payload =
        section({{"From", " a@example.org"}, {"Content-Type", " text/plain; hp=\"cipher\""}});
    const auto restored = restore(outer, payload);
    CHECK(restored.header.count(name) == 0);
    REQUIRE(restored.warnings.size() == 1);
    CHECK(contains(restored.warnings[0], name));
    CHECK_FALSE(contains(restored.warnings[0], "added"));

    const auto declared = section({{"From", " a@example.org"},
                                   {"HP-Outer", ' ' + name + ": x"},
                                   {"Content-Type", " text/plain; hp=\"cipher\""}});
    CHECK(restore(outer, declared).header.count(name) == 2);
}

TEST_CASE("what servers rightly add outside stays", "[mail]") {
    const auto name = GENERATE(as<std::string>{}, "Received", "List-Unsubscribe", "Date", "Message-ID",
                               "Sender", "Authentication-Results", "Resent-From", "X-Anything", "From");
    CAPTURE(name);
    const auto outer = section({{name, " added"}});
    const auto restored = restore(outer, section({{"Content-Type", " text/plain; hp=\"cipher\""}}));
    CHECK(restored.header.first(name) == "added");
    CHECK(restored.warnings.empty());
}

TEST_CASE("a payload cannot write the fields of those on the way", "[mail]") {
    const auto name =
        GENERATE(as<std::string>{}, "Received", "Return-Path", "Authentication-Results", "Received-SPF",
                 "Delivered-To", "X-Original-To", "Original-Recipient", "HP-Outer");
    CAPTURE(name);
    const auto payload = section({{name, " Forged: x"}, {"Content-Type", " text/plain; hp=\"cipher\""}});
    CHECK(restore(section({{name, " true"}}), payload).header.all(name) ==
          std::vector<std::string_view>{" true"});
    CHECK(restore(HeaderSection(), payload).header.count(name) == 0);
}

TEST_CASE("what a spam filter found goes inside, and counts outside only", "[mail]") {
    const auto name = GENERATE(as<std::string>{}, "X-Spam-Flag", "x-spam-status", "X-Spam-Score",
                               "X-Spam-Level", "X-Spam-Anything");
    CAPTURE(name);
    const auto message = Message::parse(name + ": YES\r\n\r\nbody");
    CHECK(outside_of(message).count(name) == 0);
    const auto payload = Message::parse(payload_of(message)).header;
    CHECK(payload.first(name) == "YES");
    // Anybody can seal a message with a filter's word in it, which no filter has seen.
    CHECK(restore(HeaderSection(), payload).header.count(name) == 0);
    CHECK(restore(section({{name, " NO"}}), payload).header.all(name) ==
          std::vector<std::string_view>{" NO"});
    const auto unprotected = section({{name, " YES"}, {"Content-Type", " text/plain"}});
    CHECK(restore(HeaderSection(), unprotected).header.count(name) == 0);
}

TEST_CASE("a mail server's signature over the sealed form goes with that form", "[mail]") {
    const auto outer = section({{"DKIM-Signature", " over the ciphertext"}, {"ARC-Seal", " i=1"}});
    const std::string type = GENERATE(as<std::string>{}, " text/plain; hp=\"cipher\"", " text/plain");
    CAPTURE(type);
    const auto without = restore(outer, section({{"Content-Type", type}}));
    CHECK(without.header.to_string() == "Content-Type: text/plain\r\n");
    CHECK(without.warnings.empty());
    const auto with =
        restore(outer, section({{"DKIM-Signature", " over the original"}, {"Content-Type", type}}));
    CHECK(with.header.to_string() == "DKIM-Signature: over the original\r\nContent-Type: text/plain\r\n");
    CHECK(with.warnings.empty());
}

TEST_CASE("the outer From stays, with a warning, where the inner one is another mailbox", "[mail]") {
    struct Case {
        std::string outer, inner, shown;
        bool warned;
    };
    const auto c = GENERATE(values<Case>({
        {"alice@example.org", "Alice <alice@example.org>", "Alice <alice@example.org>", false},
        {"Alice <ALICE@Example.org>", "Alice A. <alice@example.org>", "Alice A. <alice@example.org>", false},
        {"a@b\xc3\xbc"
         "cher.example",
         "a@xn--bcher-kva.example", "a@xn--bcher-kva.example", false},
        {"Alice <alice@example.org>", "Alice <evil@example.net>", "Alice <alice@example.org>", true},
        {"alice@example.org", "\"alice@example.org\" <evil@example.net>", "alice@example.org", true},
        {"alice@example.org", "alice@example.org, evil@example.net", "alice@example.org", true},
        {"alice@example.org", "nobody at all", "alice@example.org", true},
    }));
    CAPTURE(c.outer, c.inner);
    const auto restored =
        restore(section({{"From", ' ' + c.outer}}),
                section({{"From", ' ' + c.inner}, {"Content-Type", " text/plain; hp=\"cipher\""}}));
    CHECK(restored.header.first("From") == c.shown);
    CHECK(restored.header.count("From") == 1);
    CHECK(restored.warnings.size() == (c.warned ? 1 : 0));
    if (c.warned) {
        CHECK(contains(restored.warnings[0], c.outer));
        CHECK(contains(restored.warnings[0], c.inner));
    }
}

TEST_CASE("a warning holds nothing that could command a terminal", "[mail]") {
    const auto restored = restore(section({{"From", " a@example.org\x1b[2J"}}),
                                  section({{"From", " b@example.org\r\n \x1b]0;x\x07"},
                                           {"Content-Type", " text/plain; protected-headers=\"v1\""}}));
    REQUIRE(restored.warnings.size() == 1);
    CHECK(restored.warnings[0].find_first_of("\x1b\x07\r\n") == std::string::npos);
}

TEST_CASE("what was protected is restored", "[mail]") {
    const auto payload = Message::parse(payload_of(ordinary));
    const auto restored = restore(outside_of(ordinary), payload.header);
    CHECK(restored.was_protected);
    CHECK(restored.warnings.empty());
    for (const auto* name : {"From", "To", "Subject", "Date", "Message-ID", "Comments", "Keywords",
                             "Received", "X-Custom", "MIME-Version", "Content-Type",
                             "Content-Transfer-Encoding", "Content-Language", "DKIM-Signature"}) {
        CAPTURE(name);
        CHECK(restored.header.all(name) == ordinary.header.all(name));
    }
    CHECK(restored.header.count("Bcc") == 0);
    CHECK(payload.body == ordinary.body);
}

TEST_CASE("what a DKIM signature may cover comes back with its exact bytes", "[mail]") {
    const auto type = GENERATE(as<std::string>{}, " text/plain", "text/plain;charset=utf-8",
                               " Text/PLAIN;\r\n\tcharset=\"utf-8\" (c)", " text/plain; charset=x;",
                               " text/plain; charset=x ; ", " text/plain; charset=x;\r\n (comment; hp=1)",
                               " multipart/mixed;\r\n boundary=\"=_b\";\r\n\ttype=\"a/b\"", " text");
    const auto version = GENERATE(as<std::string>{}, " 1.0", "1.0", " 1.0 (Mac OS X Mail 16.0 \\(3774\\))",
                                  "\r\n 1.0", " 1.0\r\nMime-version: 1.0");
    CAPTURE(type, version);
    const auto message =
        Message::parse("DKIM-Signature: v=1\r\nmime-version:" + version +
                       "\r\nfrom:  Alice\r\n\t<alice@example.org> \r\nFrom: bob@example.org\r\n"
                       "SUBJECT:x\r\nTo: a@example.org\r\nSubject:\r\n y\r\nReply-To: b\r\n"
                       "Content-type:" +
                       type + "\r\nContent-Transfer-Encoding:8bit\r\n\r\nbody");
    const auto payload_bytes = payload_of(message);
    const auto payload = MessageView::parse(payload_bytes);
    const auto restored = restore(outside_of(message), payload);
    const bool wrapped = type == " text";
    for (const auto& field : message.header.fields()) {
        if (wrapped && starts_with_ignoring_case(field.name, "Content-")) {
            continue;
        }
        const auto& fields = restored.header.fields();
        CAPTURE(field.name);
        CHECK(std::find(fields.begin(), fields.end(), field) != fields.end()); // the name's spelling included
        CHECK(restored.header.all(field.name) == message.header.all(field.name));
    }
    CHECK(restored.header.fields().size() == message.header.fields().size() - (wrapped ? 1 : 0));
}

TEST_CASE("many fields of many names are protected and restored in linear time", "[mail]") {
    std::vector<HeaderField> fields;
    for (int i = 0; i < 20'000; ++i) {
        fields.push_back({"Content-X" + std::to_string(i), " x"});
        fields.push_back({"To", " a@example.org"});
        fields.push_back({"X-" + std::to_string(i), " x"});
        fields.push_back({"X-Spam-Prev-" + std::to_string(i), " x"});
    }
    const Message message{HeaderSection(std::move(fields)), ""};
    const auto payload = Message::parse(payload_of(message));
    const auto restored = restore(outside_of(message), payload.header);
    CHECK(restored.header.count("To") == 20'000);
    CHECK(restored.header.count("X-19999") == 1);
    CHECK(restored.header.count("X-Spam-Prev-19999") == 1);
}
