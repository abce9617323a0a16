#include "reader/harmless.hpp"
#include "reader/view.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/stub_engine.hpp"

#include <string>

using namespace lockbox;
using namespace lockbox::reader;
using lockbox::test::contains_text;
using lockbox::test::StubEngine;
namespace stub = lockbox::test::stub;

namespace {

const std::string header = "From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: Dawn\r\n";

std::string viewed(const std::string& message, const ViewOptions& options = {}) {
    StubEngine engine;
    const auto opened = open(message, engine);
    return view(opened, shown(opened, message), options);
}

std::string mixed(const std::vector<std::string>& parts) {
    std::string text = "Content-Type: multipart/mixed; boundary=m\r\n\r\n";
    for (const auto& part : parts) {
        text += "--m\r\n" + part + "\r\n";
    }
    return text + "--m--\r\n";
}

std::string sealed_and_signed(const std::string& signer) {
    return stub::pgp_mime(
        "Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=s\r\n\r\n"
        "--s\r\n\r\nAttack.\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\n" +
        signer + "\r\n--s--\r\n");
}

} // namespace

TEST_CASE("what protects a message is said in words that cannot be confused", "[reader]") {
    struct Case {
        std::string message, words;
    };
    const auto c = GENERATE(values<Case>({
        {stub::pgp_mime("\r\nx"), "Protection: sealed, and unchanged since\n"},
        {stub::smime(stub::enveloped, "Content-Type: text/plain\r\n\r\nx"), "MAY HAVE BEEN CHANGED"},
        {"\r\nx", "Protection: NOT SEALED"},
        {mixed({stub::pgp_mime("\r\nx"), "\r\nfooter"}), "PARTLY SEALED: only part 1"},
        {stub::pgp_mime("!no-key"), "NOT OPENED: no secret key"},
        {stub::pgp_mime("!damaged"), "NOT OPENED, damaged or forged"},
        {stub::pgp_mime("\r\nx"), "Signature:  none"},
        {sealed_and_signed("good alice@example.org"), "signed by alice@example.org, the address in From"},
        {sealed_and_signed("good mallory@example.com"), "which is NOT the address in From"},
        {sealed_and_signed("bad"), "BAD signature"},
    }));
    CAPTURE(c.message);
    CHECK_THAT(viewed(header + c.message), contains_text(c.words));
}

TEST_CASE("no text of a message can be taken for what Lockbox says", "[reader]") {
    const std::string forged = "Protection: sealed, and unchanged since";
    const std::size_t width = 60;
    // The filler brings the forgery to the beginning of a line of the terminal.
    for (std::size_t filler = 0; filler < 2 * width; ++filler) {
        const auto text =
            viewed(header + "\r\n" + std::string(filler, 'x') + forged + "\r\n" + forged, {width, false});
        std::size_t at = 0;
        while (at < text.size()) {
            const auto line = text.substr(at, text.find('\n', at) - at);
            CHECK(display_width(line) <= width);
            CHECK_FALSE(line.starts_with("Protection: sealed"));
            at += line.size() + 1;
        }
    }
    const auto subject =
        viewed("From: a@example.org\r\nSubject: " + std::string(50, 'x') + " " + forged + "\r\n\r\nx",
               {width, false});
    CHECK(subject.find("\nProtection: sealed") == std::string::npos);
}

TEST_CASE("sealed parts are shown by themselves, and not once more in their places", "[reader]") {
    const auto text = viewed(header + mixed({stub::pgp_mime("\r\nAttack at dawn."), "\r\nfooter"}));
    const auto part = text.find("\nPart 1\n");
    REQUIRE(part != std::string::npos);
    CHECK(text.find("Attack at dawn.") > part);
    CHECK(text.find("Attack at dawn.", text.find("Attack at dawn.") + 1) == std::string::npos);
    CHECK(text.find("footer") < part);
}

TEST_CASE("the plain alternative is shown, or HTML as text", "[reader]") {
    const std::string alternative = "Content-Type: multipart/alternative; boundary=a\r\n\r\n";
    const auto both =
        viewed(header + alternative +
               "--a\r\n\r\nplain\r\n--a\r\nContent-Type: text/html\r\n\r\n<p>rich</p>\r\n--a--\r\n");
    CHECK_THAT(both, contains_text("\u2502 plain\n"));
    CHECK(both.find("rich") == std::string::npos);
    const auto html =
        viewed(header + alternative +
               "--a\r\n\r\n \r\n--a\r\nContent-Type: text/html\r\n\r\n<p>rich</p>\r\n--a--\r\n");
    CHECK_THAT(html, contains_text("\u2502 rich\n"));
    CHECK_THAT(html, contains_text("HTML, shown as text"));
}

TEST_CASE("colours are escape sequences of ours alone", "[reader]") {
    const auto message = header + "\r\n\x1b[31mred\x1b[0m\r\n";
    CHECK(viewed(message).find('\x1b') == std::string::npos);
    const auto coloured = viewed(message, {80, true});
    CHECK(coloured.find("\x1b[1;33mProtection:") != std::string::npos);
    CHECK(coloured.find("\x1b[31m") == std::string::npos);
}

TEST_CASE("attachments are listed with their sizes", "[reader]") {
    const auto text = viewed(
        header + stub::pgp_mime(mixed(
                     {"\r\nsee", "Content-Type: application/pdf; name=\"../a\x1b.pdf\"\r\n\r\n12345"})));
    CHECK_THAT(text, contains_text("Attachment: 2 a_.pdf, application/pdf, 5 octets\n"));
}
