#include "base/encoding.hpp"
#include "mail/layer.hpp"
#include "mail/line_ends.hpp"
#include "mail/openpgp_packet.hpp"
#include "mail/sealed_form.hpp"
#include "tests/mail/data.hpp"
#include "tests/mail/fields.hpp"
#include "tests/support/catch.hpp"

#include <chrono>
#include <string>

using namespace lockbox;
using namespace lockbox::mail;
using lockbox::tests::mail_data;
using lockbox::tests::section;

namespace {

const std::string armor = to_crlf(mail_data("two-recipients.asc"));
const std::string packets = dearmor(armor)->bytes;

Layer layer_of(const std::string& message) {
    const auto parsed = Message::parse(message);
    const auto layer = outermost_layer(parsed.header, parsed.body);
    CHECK(sealed_bytes(parsed.header, parsed.body).empty() == !is_sealed(layer));
    return layer;
}

/// A PGP/MIME message as other programs write it, with parts that can be exchanged.
struct PgpMime {
    std::string type = "multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b";
    std::string preamble;
    std::string control_header = "Content-Type: application/pgp-encrypted\r\n";
    std::string control = "Version: 1\r\n";
    std::string data_header = "Content-Type: application/octet-stream\r\n";
    std::string data = armor;
    std::string third;
    std::string end = "--b--\r\n";
    std::string epilogue;

    [[nodiscard]] std::string message() const {
        return "MIME-Version: 1.0\r\nContent-Type: " + type + "\r\n\r\n" + preamble + "--b\r\n" +
               control_header + "\r\n" + control + "\r\n--b\r\n" + data_header + "\r\n" + data + "\r\n" +
               third + end + epilogue;
    }
};

std::string smime(const std::string& file,
                  const std::string& type = "application/pkcs7-mime; smime-type=enveloped-data") {
    return "Content-Type: " + type + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
           base64_encode(mail_data(file)) + "\r\n";
}

/// What Exchange makes of PGP/MIME, with parts that can be exchanged.
struct MixedUp {
    std::string type = "multipart/mixed; boundary=b";
    std::string preamble;
    std::string text_header = "Content-Type: text/plain; charset=\"us-ascii\"\r\n";
    std::string text = "\r\n";
    std::string control_header = "Content-Type: application/pgp-encrypted; name=\"PGPMIME version\"\r\n";
    std::string control = "Version: 1\r\n";
    std::string data_header = "Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n";
    std::string data = armor;
    std::string fourth;
    std::string end = "--b--\r\n";
    std::string epilogue;

    [[nodiscard]] std::string message() const {
        return "MIME-Version: 1.0\r\nContent-Type: " + type + "\r\n\r\n" + preamble + "--b\r\n" +
               text_header + "\r\n" + text + "\r\n--b\r\n" + control_header + "\r\n" + control +
               "\r\n--b\r\n" + data_header + "\r\n" + data + "\r\n" + fourth + end + epilogue;
    }
};

std::string without(std::string text, std::string_view part) {
    const auto at = text.find(part);
    REQUIRE(at != std::string::npos);
    return text.erase(at, part.size());
}

/// Every character as =XX, in lines.
std::string quoted_printable(const std::string& text) {
    std::string encoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        encoded += '=' + hex_encode(text.substr(i, 1)) + (i % 20 == 19 ? "=\r\n" : "");
    }
    return encoded;
}

} // namespace

TEST_CASE("PGP/MIME as different programs write it is sealed", "[mail]") {
    PgpMime form;
    SECTION("plain") {}
    SECTION("without protocol") {
        form.type = "multipart/encrypted; boundary=\"b\"";
    }
    SECTION("in capitals") {
        form.type = "MULTIPART/Encrypted; Protocol=\"APPLICATION/pgp-encrypted\"; BOUNDARY=b";
    }
    SECTION("with a preamble") {
        form.preamble = "This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\r\n";
    }
    SECTION("with names") {
        form.data_header = "Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n"
                           "Content-Description: OpenPGP encrypted message\r\n"
                           "Content-Disposition: inline; filename=\"encrypted.asc\"\r\n";
    }
    SECTION("quoted-printable") {
        form.data_header += "Content-Transfer-Encoding: quoted-printable\r\n";
        form.data = quoted_printable(armor);
    }
    SECTION("base64") {
        form.data_header += "Content-Transfer-Encoding: BASE64\r\n";
        form.data = base64_encode(armor);
    }
    SECTION("binary packets in base64") {
        form.data_header += "Content-Transfer-Encoding: base64\r\n";
        form.data = base64_encode(packets);
    }
    SECTION("empty lines around") {
        form.control = "Version: 1\r\n\r\n";
        form.data = "\r\n\r\n" + armor + "\r\n \r\n";
        form.epilogue = "\r\n\r\n";
    }
    SECTION("LF line ends") {
        CHECK(layer_of(to_lf(form.message())) == Layer::openpgp_mime);
    }
    const auto parsed = Message::parse(form.message());
    CHECK(outermost_layer(parsed.header, parsed.body) == Layer::openpgp_mime);
    CHECK(sealed_bytes(parsed.header, parsed.body) == packets);
}

TEST_CASE("beside a sealed part may stand what no program shows, where somebody opens it", "[mail]") {
    PgpMime form;
    bool may_leave_so = false;
    SECTION("text in an epilogue") {
        form.epilogue = "Attack at dawn.\r\n";
    }
    SECTION("text in a long preamble") {
        form.preamble = std::string(300, 'x') + "\r\n";
    }
    SECTION("text in the control part") {
        form.control = "Version: 1\r\nAttack at dawn.\r\n";
    }
    SECTION("text in a part's header section") {
        form.data_header += "Content-Description: " + std::string(1500, 'x') + "\r\n";
    }
    SECTION("no control part") {
        const auto message = "Content-Type: " + form.type + "\r\n\r\n--b\r\n" + form.data_header + "\r\n" +
                             form.data + "\r\n--b--\r\n";
        const auto parsed = Message::parse(message);
        CHECK(outermost_layer(parsed.header, parsed.body, Beside::unshown) == Layer::openpgp_mime);
        CHECK(layer_of(message) == Layer::none);
    }
    SECTION("a wrong transfer encoding") {
        const auto* const name = GENERATE("base64", "quoted-printable", "x-unknown");
        form.data_header += "Content-Transfer-Encoding: " + std::string(name) + "\r\n";
    }
    SECTION("an encoding that is not named") {
        form.data = GENERATE(base64_encode(armor), quoted_printable(armor), base64_encode(packets));
    }
    SECTION("the data under another type") {
        form.data_header = GENERATE(as<std::string>{}, "", "Content-Type: text/plain\r\n",
                                    "Content-Type: application/pgp-encrypted\r\n");
    }
    SECTION("the version twice, folded, or not at all") { // nothing in it can be read
        form.control =
            GENERATE(as<std::string>{}, "Version: 1\r\nVersion: 1\r\n", "Version:\r\n 1\r\n", "", "\r\n");
        may_leave_so = true;
    }
    if (form.message() == PgpMime{}.message()) {
        return; // of the section that has no control part
    }
    const auto parsed = Message::parse(form.message());
    CHECK(outermost_layer(parsed.header, parsed.body, Beside::unshown) == Layer::openpgp_mime);
    CHECK(sealed_bytes(parsed.header, parsed.body, Beside::unshown) == packets);
    CHECK(is_sealed(layer_of(form.message())) == may_leave_so);
}

TEST_CASE("a multipart/mixed of one sealed part and empty texts is sealed", "[mail]") {
    const auto mixed = [](const std::vector<std::string>& parts, const std::string& boundary) {
        std::string message = "Content-Type: multipart/mixed; boundary=" + boundary + "\r\n\r\n";
        for (const auto& part : parts) {
            message += "--" + boundary + "\r\n" + part + "\r\n";
        }
        return message + "--" + boundary + "--\r\n";
    };
    const std::string text = "Content-Type: text/plain; charset=utf-8\r\n"
                             "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
    const auto inner =
        GENERATE_COPY(text + quoted_printable(armor), // as FlowCrypt writes it
                      smime("enveloped.der"), without(PgpMime{}.message(), "MIME-Version: 1.0\r\n"),
                      "Content-Type: application/octet-stream; name=x.pgp\r\n\r\n" + armor);
    CAPTURE(inner);
    CHECK(is_sealed(layer_of(mixed({inner}, "out"))));
    CHECK(is_sealed(layer_of(mixed({text + "\r\n", inner}, "out"))));
    CHECK(is_sealed(layer_of(mixed({inner, text}, "out"))));
    CHECK(is_sealed(layer_of(mixed({mixed({inner}, "in")}, "out"))));
    const auto parsed = Message::parse(mixed({text, inner}, "out"));
    CHECK(only_sealed_part(parsed.header, parsed.body) == inner);
    CHECK(only_sealed_part(HeaderSection(), parsed.body).empty());

    CHECK(layer_of(mixed({inner, inner}, "out")) == Layer::none);
    CHECK(layer_of(mixed({text + "x", inner}, "out")) == Layer::none);
    CHECK(layer_of(mixed({"Content-Type: text/html\r\n\r\n", inner}, "out")) == Layer::none);
    CHECK(layer_of(mixed({inner}, "out") + "Attack at dawn.\r\n") == Layer::none);
    CHECK(layer_of(mixed({"X-Note: " + std::string(1500, 'x') + "\r\n" + inner}, "out")) == Layer::none);
    CHECK(layer_of(mixed({mixed({inner}, "in") + "Attack at dawn.\r\n"}, "out")) == Layer::none);
    CHECK(layer_of("Content-Transfer-Encoding: base64\r\n" + mixed({inner}, "out")) == Layer::none);
    CHECK(layer_of(mixed({"\r\n" + to_crlf(mail_data("signed-only.asc"))}, "out")) == Layer::none);
    auto deep = inner;
    for (unsigned i = 0; i <= only_parts_max; ++i) {
        deep = mixed({deep}, "out" + std::to_string(i));
    }
    CHECK(layer_of(deep) == Layer::none);
}

TEST_CASE("a multipart/encrypted that has something to read or nothing encrypted is not sealed", "[mail]") {
    PgpMime form;
    SECTION("plain text for data") {
        form.data = "Attack at dawn.\r\n";
    }
    SECTION("plain text with the mark of armor") {
        form.data = "-----BEGIN PGP MESSAGE-----\r\n\r\nAttack at dawn.\r\n";
    }
    SECTION("armored plain text") {
        form.data = to_crlf(mail_data("literal-only.asc"));
    }
    SECTION("armored signed text") {
        form.data = to_crlf(mail_data("signed-only.asc"));
    }
    SECTION("armored certificate") {
        form.data = to_crlf(mail_data("alice.asc"));
    }
    SECTION("text in front of the armor") {
        form.data = "Attack at dawn.\r\n" + armor;
    }
    SECTION("text behind the armor") {
        form.data = armor + "Attack at dawn.\r\n";
    }
    SECTION("much text in the armor's headers") {
        form.data.insert(form.data.find("\r\n") + 2, "Comment: " + std::string(1500, 'x') + "\r\n");
    }
    SECTION("damaged armor") {
        form.data[form.data.size() / 2] = '%';
    }
    SECTION("text for a checksum") {
        form.data.insert(form.data.rfind("-----END"), "=Attack at dawn.\r\n");
    }
    SECTION("text behind the checksum") {
        form.data.insert(form.data.rfind("-----END"), "Attack at dawn.\r\n");
    }
    SECTION("text in the armor in place of headers") {
        form.data.insert(form.data.find("\r\n") + 2, "Attack at dawn.\r\n");
    }
    SECTION("the first part twice") {
        form.data_header = form.control_header;
        form.data = form.control;
    }
    SECTION("one part alone") {
        CHECK(layer_of("Content-Type: " + form.type + "\r\n\r\n--b\r\n" + form.data_header + "\r\n" +
                       form.data + "\r\n--b--\r\n") == Layer::none);
        form.data.clear();
    }
    SECTION("two types of a part") {
        form.data_header += "Content-Type: text/plain\r\n";
    }
    SECTION("two transfer encodings of a part") {
        form.data_header += "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n";
    }
    SECTION("text in the header section of the first part") {
        form.control_header += "Content-Description: " + std::string(1500, 'x') + "\r\n";
    }
    SECTION("text in an epilogue") {
        form.epilogue = "Attack at dawn.\r\n";
    }
    SECTION("text in a long preamble") {
        form.preamble = std::string(300, 'x') + "\r\n";
    }
    SECTION("a third part") {
        form.third = "--b\r\nContent-Type: text/plain\r\n\r\nAttack at dawn.\r\n";
    }
    SECTION("no closing delimiter") {
        form.end.clear();
    }
    SECTION("text in the first part") {
        form.control = "Version: 1\r\nAttack at dawn.\r\n";
    }
    SECTION("another version") {
        form.control = "Version: 2\r\n";
    }
    SECTION("first part of another type") {
        form.control_header = "Content-Type: text/plain\r\n";
    }
    SECTION("second part of another type") {
        form.data_header = "Content-Type: text/plain\r\n";
    }
    SECTION("second part without a type") {
        form.data_header.clear();
    }
    SECTION("text in a part's header section") {
        form.data_header += "Content-Description: " + std::string(1500, 'x') + "\r\n";
    }
    SECTION("an mbox line in a part") {
        form.control_header.insert(0, "From " + std::string(1500, 'x') + "\r\n");
    }
    SECTION("an unknown transfer encoding") {
        form.data_header += "Content-Transfer-Encoding: x-rot13\r\n";
    }
    SECTION("text beside base64") {
        form.data_header += "Content-Transfer-Encoding: base64\r\n";
        form.data = base64_encode(armor) + "\r\n{Attack} {at} {dawn}\r\n";
    }
    SECTION("another boundary") {
        form.type = "multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=c";
    }
    SECTION("no boundary") {
        form.type = "multipart/encrypted; protocol=\"application/pgp-encrypted\"";
    }
    SECTION("another protocol") {
        form.type = "multipart/encrypted; protocol=\"application/x-other\"; boundary=b";
    }
    SECTION("another multipart") {
        form.type = "multipart/mixed; boundary=b";
    }
    SECTION("two content types") {
        form.type += "\r\nContent-Type: multipart/mixed; boundary=b";
    }
    SECTION("a transfer encoding outside") {
        form.type += "\r\nContent-Transfer-Encoding: base64";
    }
    SECTION("a broken content type") {
        form.type += "; x";
    }
    CHECK(layer_of(form.message()) == Layer::none);
}

TEST_CASE("what Exchange makes of PGP/MIME is sealed", "[mail]") {
    CHECK(layer_of(mail_data("exchange-mixed-up.eml")) == Layer::openpgp_mixed_up);
    MixedUp form;
    SECTION("plain") {}
    SECTION("in capitals, with a preamble and empty lines around") {
        form.type = "Multipart/MIXED; Boundary=b";
        form.preamble = "This is a multi-part message in MIME format.\r\n";
        form.control_header = "Content-Type: APPLICATION/PGP-Encrypted\r\n";
        form.epilogue = "\r\n \r\n";
    }
    SECTION("the empty text without a type, or encoded") {
        form.text_header = GENERATE(as<std::string>{}, "",
                                    "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n");
        form.text = "\r\n \r\n";
    }
    SECTION("all in base64") {
        form.control_header += "Content-Transfer-Encoding: base64\r\n";
        form.control = base64_encode(form.control);
        form.data_header += "Content-Transfer-Encoding: base64\r\n";
        form.data = base64_encode(form.data);
    }
    const auto parsed = Message::parse(form.message());
    CHECK(outermost_layer(parsed.header, parsed.body) == Layer::openpgp_mixed_up);
    CHECK(sealed_bytes(parsed.header, parsed.body) == packets);
}

TEST_CASE("a multipart/mixed with something to read beside the sealed part is not sealed", "[mail]") {
    MixedUp form;
    SECTION("a text in front") {
        form.text = "Attack at dawn.\r\n";
    }
    SECTION("a text in front, encoded") {
        form.text_header += "Content-Transfer-Encoding: base64\r\n";
        form.text = base64_encode("Attack at dawn.");
    }
    SECTION("a text that only some readers can read") {
        form.text_header += "Content-Transfer-Encoding: x-unknown\r\n";
    }
    SECTION("an empty page in front") { // it may fetch things
        form.text_header = "Content-Type: text/html\r\n";
    }
    SECTION("text in the header section of the empty text") {
        form.text_header += "Content-Description: " + std::string(1500, 'x') + "\r\n";
    }
    SECTION("text in the control part") {
        form.control = "Version: 1\r\nAttack at dawn.\r\n";
    }
    SECTION("text behind the armor") {
        form.data += "Attack at dawn.\r\n";
    }
    SECTION("text in a long preamble") {
        form.preamble = std::string(300, 'x') + "\r\n";
    }
    SECTION("text in an epilogue") {
        form.epilogue = "Attack at dawn.\r\n";
    }
    SECTION("a fourth part") {
        form.fourth = "--b\r\nContent-Type: text/plain\r\n\r\nAttack at dawn.\r\n";
    }
    SECTION("no closing delimiter") {
        form.end.clear();
    }
    SECTION("another control part") {
        form.control_header = "Content-Type: text/plain; name=\"application/pgp-encrypted\"\r\n";
    }
    SECTION("another data part") {
        form.data_header = "Content-Type: text/plain\r\n";
    }
    SECTION("another multipart") {
        form.type = "multipart/alternative; boundary=b";
    }
    SECTION("a transfer encoding outside") {
        form.type += "\r\nContent-Transfer-Encoding: base64";
    }
    SECTION("plain text for data") {
        form.data = "Attack at dawn.\r\n";
    }
    CHECK(layer_of(form.message()) == Layer::none);
}

TEST_CASE("the checksum of armor decides nothing (RFC 9580 §6.1), nor does its empty line", "[mail]") {
    const auto line_end = armor.rfind("\r\n-----END");
    const auto checksum =
        armor.substr(armor.rfind("\r\n=", line_end), line_end - armor.rfind("\r\n=", line_end));
    REQUIRE(checksum.size() == 7);
    auto form = armor;
    SECTION("wrong") {
        form.replace(form.find(checksum), checksum.size(), "\r\n=AAAA");
    }
    SECTION("none of base64") {
        form.replace(form.find(checksum), checksum.size(), "\r\n=%%%%");
    }
    SECTION("missing") {
        form = without(form, checksum);
    }
    SECTION("no empty line") {
        form.erase(form.find("\r\n\r\n"), 2);
    }
    CAPTURE(form);
    PgpMime mime;
    mime.data = form;
    CHECK(layer_of(mime.message()) == Layer::openpgp_mime);
    CHECK(layer_of("\r\n" + form) == Layer::openpgp_inline);
    CHECK(dearmor(form)->bytes == packets);
}

TEST_CASE("a boundary in pieces is that of a sealed and of a signed message", "[mail]") {
    PgpMime mime;
    mime.type = "multipart/encrypted; protocol*0=application/; protocol*1=\"pgp-encrypted\";\r\n"
                " boundary*0*=us-ascii''%62";
    CHECK(layer_of(mime.message()) == Layer::openpgp_mime);
    const std::string type = "Content-Type: multipart/signed; protocol=\"application/pgp-signature\";\r\n"
                             " boundary*1=c; boundary*0=b\r\n\r\n";
    const std::string body = "--bc\r\n\r\ntext\r\n--bc\r\nContent-Type: application/pgp-signature\r\n\r\n"
                             "x\r\n--bc--\r\n";
    CHECK(layer_of(type + body) == Layer::multipart_signed);
    const auto parsed = Message::parse(type + body);
    REQUIRE(signed_entity(parsed.header, parsed.body));
    CHECK(signed_entity(parsed.header, parsed.body)->content == "\r\ntext");
}

TEST_CASE("a message whose boundary or protocol has two meanings is neither sealed nor signed", "[mail]") {
    const auto parameters =
        GENERATE(as<std::string>{}, "; boundary=b; boundary=c", "; boundary=c; boundary*0=b",
                 "; boundary*0=b; boundary=c", "; boundary*=''b; boundary=c", "; boundary*0=b; boundary*2=c",
                 "; boundary*1=b", "; boundary*0=b; boundary*0=c", "; boundary*0=b; boundary*01=c",
                 "; boundary=b; protocol*=''application%2Fpgp-signature");
    CAPTURE(parameters);
    PgpMime mime;
    mime.type = "multipart/encrypted; protocol=\"application/pgp-encrypted\"" + parameters;
    CHECK(layer_of(mime.message()) == Layer::none);
    CHECK(layer_of("Content-Type: multipart/signed; protocol=\"application/pgp-encrypted\"" + parameters +
                   "\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\n"
                   "x\r\n--b--\r\n") == Layer::none);
}

TEST_CASE("an encrypted file alone, and a sealed message that lost its label, are sealed", "[mail]") {
    const auto type = GENERATE(
        as<std::string>{}, "application/octet-stream", "APPLICATION/Octet-Stream; name=encrypted.asc",
        "application/pgp-encrypted",
        "application/octet-stream\r\nContent-Disposition: attachment; filename=x",
        "application/pdf; name=\"notes.pdf.PGP\"", "image/png; name*=utf-8''bild%20%C3%A4.png.gpg",
        "application/pdf\r\nContent-Disposition: attachment; filename*0=\"long\"; filename*1=\".pdf.asc\"",
        "application/pdf; name*1=sc; name*0=notes.a",
        "application/pdf\r\nContent-Disposition: attachment; filename=x; filename*=''x%2easc");
    CAPTURE(type);
    const auto head = "Content-Type: " + type + "\r\n";
    CHECK(layer_of(head + "\r\n" + armor) == Layer::openpgp_file);
    CHECK(layer_of(head + "\r\n\r\n \r\n" + armor + "\r\n") == Layer::openpgp_file);
    CHECK(layer_of(head + "Content-Transfer-Encoding: base64\r\n\r\n" + base64_encode(packets)) ==
          Layer::openpgp_file);
    CHECK(layer_of(head + "Content-Transfer-Encoding: binary\r\n\r\n" + packets) == Layer::openpgp_file);

    CHECK(layer_of(head + "\r\nAttack at dawn.\r\n" + armor) == Layer::none);
    CHECK(layer_of(head + "\r\n" + armor + "Attack at dawn.\r\n") == Layer::none);
    CHECK(layer_of(head + "Content-Transfer-Encoding: binary\r\n\r\n" + packets + "Attack at dawn.") ==
          Layer::none);
    CHECK(layer_of(head + "Content-Transfer-Encoding: base64\r\n\r\n" + base64_encode(packets + "dawn")) ==
          Layer::none);
    CHECK(layer_of(head + "Content-Transfer-Encoding: x-unknown\r\n\r\n" + armor) == Layer::none);
    CHECK(layer_of(head + "\r\n" + to_crlf(mail_data("literal-only.asc"))) == Layer::none);
    CHECK(layer_of(head + "\r\n" + to_crlf(mail_data("alice.asc"))) == Layer::none);
    CHECK(layer_of(head + "Content-Type: text/plain\r\n\r\n" + armor) == Layer::none);
}

TEST_CASE("armor in what programs show otherwise than as a file is not sealed", "[mail]") {
    const auto type = GENERATE(as<std::string>{}, "text/html; name=page.asc", "text/csv; name=table.csv.asc",
                               "message/rfc822; name=mail.asc", "image/png", "application/pdf; name=asc",
                               "application/pdf; name=.asc", "application/pdf; title=notes.asc",
                               "application/pdf\r\nContent-Disposition: attachment; name=notes.asc");
    CAPTURE(type);
    CHECK(layer_of("Content-Type: " + type + "\r\n\r\n" + armor) == Layer::none);
}

TEST_CASE("of two fields that say how to read a body, neither is believed", "[mail]") {
    // One reader takes the first field and another the last: one of them sees text, or something else.
    const auto twice = GENERATE(as<std::string>{},
                                "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n",
                                "Content-Transfer-Encoding: 7bit\r\ncontent-transfer-encoding: 7bit\r\n",
                                "Content-Type: text/plain\r\nContent-Type: text/html\r\n");
    CAPTURE(twice);
    CHECK(layer_of(twice + "\r\n" + armor) == Layer::none);
    const auto typed =
        twice.starts_with("Content-Type") ? twice : "Content-Type: application/octet-stream\r\n" + twice;
    CHECK(layer_of(typed + "\r\n" + armor) == Layer::none);
    PgpMime mime;
    mime.type += "\r\n" + twice.substr(0, twice.size() - 2);
    CHECK(layer_of(mime.message()) == Layer::none);
    CHECK(layer_of("Content-Type: application/pkcs7-mime\r\n" + twice + "\r\n" +
                   mail_data("enveloped.der")) == Layer::none);
}

TEST_CASE("inline armor and nothing else is sealed", "[mail]") {
    CHECK(layer_of("Subject: x\r\n\r\n" + armor) == Layer::openpgp_inline);
    CHECK(layer_of("Content-Type: text/plain; charset=utf-8\r\n\r\n\r\n \r\n" + armor + "\r\n\r\n") ==
          Layer::openpgp_inline);
    CHECK(layer_of("\r\n" + to_crlf(mail_data("passphrase.asc"))) == Layer::openpgp_inline);
    CHECK(layer_of("Content-Transfer-Encoding: quoted-printable\r\n\r\n" + quoted_printable(armor)) ==
          Layer::openpgp_inline);
    CHECK(layer_of("Content-Transfer-Encoding: base64\r\n\r\n" + base64_encode(armor)) ==
          Layer::openpgp_inline);
    CHECK(layer_of("\n" + to_lf(armor)) == Layer::openpgp_inline);
}

TEST_CASE("a text that merely claims to be sealed is not", "[mail]") {
    const auto message = GENERATE(
        as<std::string>{}, "", "\r\n", "\r\n-----BEGIN PGP MESSAGE-----\r\n",
        "\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nAttack at dawn.\r\n-----END PGP MESSAGE-----\r\n",
        "\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nQXR0YWNrIGF0IGRhd24u\r\n-----END PGP MESSAGE-----\r\n",
        "\r\nHello\r\n" + armor, "\r\n" + armor + "Regards\r\n", "\r\n" + armor + armor, "\r\n> " + armor,
        "Content-Type: text/html\r\n\r\n" + armor, "Content-Type: text\r\n\r\n" + armor,
        "Content-Transfer-Encoding: x-unknown\r\n\r\n" + armor,
        "Content-Type: text/plain\r\nContent-Type: text/plain\r\n\r\n" + armor,
        "Content-Transfer-Encoding: base64\r\n\r\n" + armor, "\r\n" + to_crlf(mail_data("alice.asc")),
        "Content-Transfer-Encoding: 8bit\r\n\r\n" + packets, "\r\n" + to_crlf(mail_data("clear-signed.asc")),
        "\r\n" + to_crlf(mail_data("signed-only.asc")), "\r\n" + to_crlf(mail_data("literal-only.asc")),
        "\r\n" + to_crlf(mail_data("detached-signature.asc")));
    CAPTURE(message);
    CHECK(layer_of(message) == Layer::none);
}

TEST_CASE("S/MIME is judged by its CMS content type, whatever the label says", "[mail]") {
    const auto label = GENERATE(
        as<std::string>{}, "application/pkcs7-mime", "application/x-pkcs7-mime; name=smime.p7m",
        "application/pkcs7-mime; smime-type=signed-data", "application/pkcs7-mime; smime-type=enveloped-data",
        "application/octet-stream; name=\"SMIME.P7M\"");
    CAPTURE(label);
    CHECK(layer_of(smime("enveloped.der", label)) == Layer::smime_enveloped);
    CHECK(layer_of(smime("enveloped-streamed.ber", label)) == Layer::smime_enveloped);
    CHECK(layer_of(smime("auth-enveloped.der", label)) == Layer::smime_auth_enveloped);
    CHECK(layer_of(smime("signed.der", label)) == Layer::smime_signed);
    CHECK(layer_of(smime("signed-streamed.ber", label)) == Layer::smime_signed);
    CHECK(layer_of(smime("data.der", label)) == Layer::none);
    CHECK(layer_of(smime("two-certificates.gpg", label)) == Layer::none);
}

TEST_CASE("a file name in Content-Disposition names S/MIME too", "[mail]") {
    const auto body = base64_encode(mail_data("enveloped.der"));
    const std::string type =
        "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n";
    CHECK(layer_of(type + "Content-Disposition: attachment; filename=\"smime.p7m\"\r\n\r\n" + body) ==
          Layer::smime_enveloped);
    CHECK(layer_of(type + "Content-Disposition: attachment; filename=\"report.pdf\"\r\n\r\n" + body) ==
          Layer::none);
    CHECK(layer_of(type + "\r\n" + body) == Layer::none);
    for (const std::string other : {"application/pdf", "text/html", "text/plain", "image/png"}) {
        CHECK(layer_of(smime("enveloped.der", other + "; name=smime.p7m")) == Layer::none);
    }
}

TEST_CASE("CMS of a type that is not encrypted is not sealed, whatever its form", "[mail]") {
    const std::string enveloped = *hex_decode("2A864886F70D010703");
    // RFC 5652 §7: DigestedData, §8: EncryptedData, whose key nobody is sent; RFC 5652 §4: Data.
    const auto other =
        GENERATE(as<std::string>{}, "2A864886F70D010705", "2A864886F70D010706", "2A864886F70D010701");
    auto der = mail_data("enveloped.der");
    REQUIRE(der.find(enveloped) < 20);
    der.replace(der.find(enveloped), enveloped.size(), *hex_decode(other));
    CHECK(layer_of("Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n"
                   "Content-Transfer-Encoding: base64\r\n\r\n" +
                   base64_encode(der)) == Layer::none);
}

TEST_CASE("EnvelopedData with something beside it is not sealed", "[mail]") {
    const auto der = mail_data("enveloped.der");
    const auto ber = mail_data("enveloped-streamed.ber");
    const std::string header = "Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: ";
    CHECK(layer_of(header + "base64\r\n\r\n" + base64_encode(der) + "\r\nAttack at dawn!\r\n") ==
          Layer::none);
    CHECK(layer_of(header + "base64\r\n\r\n" + base64_encode(der + "Attack at dawn!")) == Layer::none);
    CHECK(layer_of(header + "base64\r\n\r\n" + base64_encode(ber + "Attack at dawn!")) == Layer::none);
    CHECK(layer_of(header + "base64\r\n\r\n" + base64_encode(der.substr(0, der.size() - 1))) == Layer::none);
    CHECK(layer_of(header + "base64\r\n\r\n" + base64_encode(ber.substr(0, ber.size() - 2))) == Layer::none);
    CHECK(layer_of(header + "binary\r\n\r\n" + der) == Layer::smime_enveloped);
    CHECK(layer_of(header + "binary\r\n\r\n" + der + "\r\n") == Layer::smime_enveloped);
    CHECK(layer_of(header + "binary\r\n\r\n" + der + "Attack at dawn!") == Layer::none);
    // SEQUENCE { OID envelopedData } and then text
    CHECK(layer_of(header + "base64\r\n\r\n" + base64_encode(*hex_decode("300B06092A864886F70D010703"))) ==
          Layer::none);
    CHECK(layer_of(header + "base64\r\n\r\n" +
                   base64_encode(*hex_decode("301306092A864886F70D010703A006") + "Attack")) == Layer::none);
    // … [0] SEQUENCE with a text in the place of its version
    CHECK(layer_of(header + "base64\r\n\r\n" +
                   base64_encode(*hex_decode("301706092A864886F70D010703A00A30080C06") + "Attack")) ==
          Layer::none);
    // what is signed is shown by a program that knows the encoding, and not by another
    CHECK(layer_of(header + "x-unknown\r\n\r\n" + mail_data("signed.der")) == Layer::none);
}

TEST_CASE("a multipart/signed is one by its two parts", "[mail]") {
    const auto signed_with = [](const std::string& signature_type, const std::string& more = {}) {
        return "Content-Type: multipart/signed; protocol=\"x\"; boundary=b\r\n\r\n--b\r\nContent-Type: "
               "text/plain\r\n\r\ntext\r\n"
               "--b\r\nContent-Type: " +
               signature_type + "\r\n\r\nsignature\r\n" + more + "--b--\r\n";
    };
    CHECK(layer_of(signed_with("application/pgp-signature; name=x")) == Layer::multipart_signed);
    CHECK(layer_of(signed_with("application/pkcs7-signature")) == Layer::multipart_signed);
    CHECK(layer_of(signed_with("application/x-pkcs7-signature")) == Layer::multipart_signed);
    CHECK(layer_of(signed_with("text/plain")) == Layer::none);
    CHECK(layer_of(signed_with("application/pgp-signature", "--b\r\n\r\nthird\r\n")) == Layer::none);
    const auto whole = signed_with("application/pgp-signature");
    CHECK(layer_of(whole.substr(0, whole.size() - 4)) == Layer::none);
    CHECK(layer_of(whole.substr(0, whole.size() - 7)) == Layer::none);
    CHECK(layer_of("Content-Transfer-Encoding: base64\r\n" + whole) == Layer::none);
    for (const std::string type : {"multipart/mixed", "multipart/alternative", "multipart/encrypted"}) {
        CHECK(layer_of("Content-Type: " + type + whole.substr(whole.find(';'))) == Layer::none);
    }
    CHECK(layer_of("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nContent-Type: "
                   "application/pgp-signature\r\n\r\nsignature\r\n--b--\r\n") == Layer::none);
}

TEST_CASE("the header section that a signature covers is found", "[mail]") {
    const auto name = GENERATE(as<std::string>{}, "signed.der", "signed-streamed.ber");
    const auto message = Message::parse(smime(name));
    CHECK(signed_part_header(message.header, message.body).first("Subject") == "The signed subject");
    const auto sealed = Message::parse(smime("enveloped.der"));
    CHECK(signed_part_header(sealed.header, sealed.body).fields().empty());
    const auto plain = Message::parse("Subject: x\r\n\r\ntext");
    CHECK(signed_part_header(plain.header, plain.body).fields().empty());
}

TEST_CASE("the content type of a CMS ContentInfo is read from its first octets", "[mail]") {
    // openssl asn1parse -inform DER
    CHECK(cms_content_type(mail_data("enveloped.der")) == "1.2.840.113549.1.7.3");
    CHECK(cms_content_type(mail_data("enveloped-streamed.ber").substr(0, 40)) == "1.2.840.113549.1.7.3");
    CHECK(cms_content_type(mail_data("auth-enveloped.der")) == "1.2.840.113549.1.9.16.1.23");
    CHECK(cms_content_type(mail_data("signed.der")) == "1.2.840.113549.1.7.2");
    CHECK(cms_content_type(mail_data("data.der")) == "1.2.840.113549.1.7.1");
    const auto hex = GENERATE(as<std::string>{}, "", "30", "3000", "300B0609", "310B06092A864886F70D010703",
                              "30020400", "300B060A2A864886F70D010703", "3003060180",
                              "300D060BFFFFFFFFFFFFFFFFFFFF7F", "3089FFFFFFFFFFFFFFFFFF06", "30808080");
    CAPTURE(hex);
    CHECK(cms_content_type(*hex_decode(hex)).empty());
}

TEST_CASE("every layer has a name of its own", "[mail]") {
    CHECK(describe(Layer::openpgp_mime) == "OpenPGP, PGP/MIME");
    CHECK(describe(Layer::openpgp_mixed_up) == "OpenPGP, PGP/MIME that a mail server mixed up");
    CHECK(describe(Layer::smime_enveloped) == "S/MIME, EnvelopedData");
    CHECK(describe(Layer::none) != describe(Layer::smime_signed));
}

TEST_CASE("judging ordinary mail does not read its body", "[mail]") {
    const std::string body(50'000'000, 'x');
    const auto plain = section({{"Content-Type", " text/plain"}});
    const auto mixed = section({{"Content-Type", " multipart/mixed; boundary=b"}});
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 1000; ++i) {
        CHECK(outermost_layer(plain, body) == Layer::none);
        CHECK(outermost_layer(mixed, body) == Layer::none);
    }
    CHECK(std::chrono::steady_clock::now() - start <
          std::chrono::seconds(5)); // 100 GB could not be read in that
}

TEST_CASE("a body made to be slow is judged in linear time", "[mail]") {
    const std::string unit = GENERATE(as<std::string>{}, "--", "--b\r\n", "\n--", "\n",
                                      "-----BEGIN PGP MESSAGE-----\r\n", "\x30\x80");
    std::string body;
    while (body.size() < 4'000'000) {
        body += unit;
    }
    const auto start = std::chrono::steady_clock::now();
    for (const auto& type : {std::string("multipart/encrypted; boundary=b"),
                             "multipart/signed; boundary=" + std::string(100'000, '-'),
                             std::string("application/pkcs7-mime"), std::string("text/plain")}) {
        static_cast<void>(outermost_layer(section({{"Content-Type", type}}), body));
    }
    CAPTURE(unit);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}
