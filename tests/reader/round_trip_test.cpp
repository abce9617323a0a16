// What crypto/seal.hpp seals, opened with GnuPG.
#include "crypto/seal.hpp"
#include "mail/openpgp_packet.hpp"
#include "reader/open.hpp"
#include "tests/support/data.hpp"
#include "tests/support/gnupg_home.hpp"
#include "tests/support/sealed_message.hpp"

#include <array>
#include <string>

using namespace lockbox;
using namespace lockbox::crypto;
using namespace lockbox::reader;
using lockbox::test::ordinary;
using lockbox::test::sealed;

namespace {

Opened opened_again(const mail::Message& original) {
    const auto message = sealed(original, "alice");
    const Authorities nobody;
    OwnKeys keys(nullptr, nobody, {});
    return open(message.header.to_string() + "\r\n" + message.body, keys);
}

} // namespace

TEST_CASE("Opening gives back the original: fields, structure and body", "[crypto]") {
    const test::GnupgHome home({"alice"});
    const auto original = mail::Message::parse(ordinary);
    const auto opened = opened_again(original);
    const auto message = mail::Message::parse(opened.message.expose());
    CHECK(message.body == original.body);
    CHECK(opened.header_was_protected);
    CHECK(opened.warnings.empty());
    for (const auto* name :
         {"From", "To", "Subject", "Date", "Message-ID", "Content-Type", "Content-Transfer-Encoding"}) {
        CAPTURE(name);
        CHECK(message.header.count(name) == 1);
        CHECK(message.header.first(name) == original.header.first(name));
    }
}

TEST_CASE("Every body survives, whatever its bytes", "[crypto]") {
    const test::GnupgHome home({"alice"});
    const auto body = GENERATE(std::string(), std::string("\r\n"), std::string("no line end"),
                               std::string("NUL \0 and \xff\xfe\r\n", 14),
                               std::string("--=_boundary\r\n.\r\n..\r\n"), std::string(200000, 'a'));
    CAPTURE(body.size());
    auto original = mail::Message::parse(ordinary);
    original.body = body;
    CHECK(mail::Message::parse(opened_again(original).message.expose()).body == body);
}

TEST_CASE("LF line ends become CRLF inside, as RFC 3156 section 4 wants it", "[crypto]") {
    const test::GnupgHome home({"alice"});
    auto original = mail::Message::parse(ordinary);
    original.body = "one\ntwo\n";
    CHECK(mail::Message::parse(opened_again(original).message.expose()).body == "one\r\ntwo\r\n");
}

TEST_CASE("The text of an inline message is described as what it is, not as the armor was", "[crypto]") {
    const test::GnupgHome home({"alice"});
    const std::string text = "Gr\xc3\xbc\xc3\x9f"
                             "e\r\n";
    Sealer sealer;
    std::string armored;
    mail::ArmorWriter armor(armored, "PGP MESSAGE");
    const std::array<std::string_view, 1> pieces{text};
    sealer.openpgp.encrypt(*Recipients::from({test::certificate("alice")}), pieces,
                           [&](std::string_view bytes) { armor.write(bytes); });
    armor.finish();
    auto message = mail::Message::parse("Subject: inline\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
                                        "charset=us-ascii; format=flowed\r\n"
                                        "Content-Transfer-Encoding: 7bit\r\n\r\n");
    message.body = armored;
    crypto::Authorities nobody;
    OwnKeys keys(nullptr, nobody, {});
    const auto opened = open(message.header.to_string() + "\r\n" + message.body, keys);
    const auto result = mail::Message::parse(opened.message.expose());
    CHECK(result.body == text);
    CHECK(result.header.first("Content-Type") == "text/plain; format=flowed; charset=utf-8");
    CHECK(result.header.first("Content-Transfer-Encoding") == "8bit");
    CHECK(result.header.count("Content-Transfer-Encoding") == 1);
}
