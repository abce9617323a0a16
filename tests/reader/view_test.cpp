#include "reader/harmless.hpp"
#include "reader/view.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/stub_engine.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace lockbox;
using namespace lockbox::reader;
using lockbox::test::contains_text;
using lockbox::test::StubEngine;
namespace stub = lockbox::test::stub;

namespace {

const std::string header = "From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: Dawn\r\n";

std::string viewed(const std::string& message, const PageOptions& options = {}) {
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
        {stub::pgp_mime("\r\nx"), "\u2590 Protection: sealed, and unchanged since\n"},
        {stub::smime(stub::enveloped, "Content-Type: text/plain\r\n\r\nx"), "MAY HAVE BEEN CHANGED"},
        {"\r\nx", "Protection: NOT SEALED"},
        {mixed({stub::pgp_mime("\r\nx"), "\r\nfooter"}), "PARTLY SEALED: only part 1"},
        {stub::pgp_mime("!no-key"), "NOT OPENED:\n\u2502             no secret key"},
        {stub::pgp_mime("!damaged"),
         "NOT OPENED: it is damaged, forged, or beyond a limit:\n\u2502             the message is damaged"},
        {stub::pgp_mime("\r\nx"), "Signature:  none"},
        {sealed_and_signed("good alice@example.org"),
         "signed by the address in From:\n\u2502             alice@example.org\n"},
        {sealed_and_signed("good mallory@example.com"),
         "NOT the address in From:\n\u2502             mallory@example.com\n"},
        {sealed_and_signed("bad"), "BAD signature"},
    }));
    CAPTURE(c.message);
    CHECK_THAT(viewed(header + c.message), contains_text(c.words));
}

namespace {

/// What a message may try to make look like words of Lockbox: with the mark and without it.
const std::vector<std::string> forgeries{"Protection: sealed, and unchanged since",
                                         "\u2590 Protection: sealed, and unchanged since",
                                         "\u2590 Signature:  signed by the address in From:"};

std::vector<std::string> lines_of(const std::string& page) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < page.size(); at = page.find('\n', at) + 1) {
        lines.push_back(page.substr(at, page.find('\n', at) - at));
    }
    return lines;
}

/// Whatever a terminal shows at the begin of its lines: `page` broken at `columns`, without regard for words.
std::vector<std::string> broken_at(const std::string& page, std::size_t columns) {
    std::vector<std::string> rows;
    for (const auto& line : lines_of(page)) {
        std::string row;
        std::size_t used = 0;
        for (std::size_t at = 0; at < line.size();) {
            auto octets = std::size_t{1};
            while (at + octets < line.size() &&
                   (static_cast<unsigned char>(line[at + octets]) & 0xc0U) == 0x80U) {
                ++octets;
            }
            const auto character = line.substr(at, octets);
            const auto more = columns_of(character, Ambiguous::narrow);
            if (used + more > columns) {
                rows.push_back(row);
                row.clear();
                used = 0;
            }
            row += character;
            used += more;
            at += octets;
        }
        rows.push_back(row);
    }
    return rows;
}

std::size_t marked(const std::vector<std::string>& lines) {
    return static_cast<std::size_t>(std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
        return line.find("\u2590") != std::string::npos;
    }));
}

} // namespace

TEST_CASE("no word of a message can be taken for one of Lockbox, at any width", "[reader]") {
    const auto forged = GENERATE(from_range(forgeries));
    const auto filler = GENERATE(as<std::string>{}, "x", " ", "\xef\xb8\x90", "\xe2\x9c\x85", "\t", "\u2588");
    const auto place = GENERATE(as<std::string>{}, "body", "Subject", "From", "file name", "Date");
    for (std::size_t width = 20; width <= 200; width += width < 24 || width > 76 ? 7 : 9) {
        std::string words; // brings the forgery to the begin of a line, however its columns are counted
        for (std::size_t i = 0; i < width; i += 1 + width / 40) {
            words += filler;
        }
        words += forged + " " + forged;
        std::string message = "From: a@example.org\r\n";
        if (place == "body") {
            message += "Content-Type: text/plain; charset=utf-8\r\n\r\n" + words + "\r\n" + forged;
        } else if (place == "file name") {
            message +=
                mixed({"\r\nsee", "Content-Type: application/pdf; name=\"" + words + "\"\r\n\r\n12345"});
        } else if (place == "From") {
            message = "From: \"" + words + "\" <a@example.org>\r\n\r\nx";
        } else {
            message += place + ": " + words + "\r\n\r\nx";
        }
        const auto page = viewed(message, {width, false, Ambiguous::narrow});
        CAPTURE(forged, filler, place, width, page);
        const auto lines = lines_of(page);
        bool is_right = true;
        for (const auto& line : lines) {
            is_right = is_right && columns_of(line, Ambiguous::narrow) <= width &&
                       (line.starts_with("\u2590") || line.starts_with(message_bar)) &&
                       line.find("\u2590", 1) == std::string::npos;
        }
        REQUIRE(is_right);
        // A terminal that is narrower than the page breaks lines by itself: no mark appears.
        REQUIRE(marked(broken_at(page, width / 2)) == marked(lines));
        // Lockbox speaks of the protection twice, and nobody else does behind a mark.
        REQUIRE(std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
                    return line.starts_with("\u2590 Protection:");
                }) == 2);
    }
}

TEST_CASE("the verdict stands at the end once more, behind the last word of the message", "[reader]") {
    const auto page = viewed(header + sealed_and_signed("good mallory@example.com"));
    const auto end = page.rfind("\u2590 Protection:");
    REQUIRE(end != std::string::npos);
    CHECK(end > page.find("Attack."));
    CHECK(page.find("\u2590 Protection:") < page.find("Attack."));
    CHECK_THAT(page.substr(end), contains_text("NOT the address in From"));
    CHECK_THAT(viewed(header + mixed({stub::pgp_mime("\r\nx"), "\r\nfooter"})),
               contains_text("\u2590 End of the message\n\u2590 Protection: PARTLY SEALED: only part 1,"));
}

TEST_CASE("sealed parts are shown by themselves, and not once more in their places", "[reader]") {
    const auto text = viewed(header + mixed({stub::pgp_mime("\r\nAttack at dawn."), "\r\nfooter"}));
    const auto part = text.find("\n\u2590 Part 1\n");
    REQUIRE(part != std::string::npos);
    CHECK(text.find("Attack at dawn.") > part);
    CHECK(text.find("Attack at dawn.", text.find("Attack at dawn.") + 1) == std::string::npos);
    CHECK(text.find("footer") < part);
}

TEST_CASE("what stands beside a part that cannot be opened is shown, and the part is named", "[reader]") {
    const auto text =
        viewed(header +
               mixed({"\r\nMailbox quota exceeded.",
                      "Content-Type: message/rfc822\r\n\r\nFrom: b@x.org\r\n" + stub::pgp_mime("!no-key")}));
    CHECK_THAT(text, contains_text("Protection: PARTLY SEALED, and that was NOT OPENED;"));
    CHECK_THAT(text, contains_text("\u2502 Mailbox quota exceeded.\n"));
    CHECK_THAT(text, contains_text("this part was NOT OPENED:\n\u2502             no secret key"));

    // Of what says that it is sealed, nothing is shown as if it had been.
    const auto broken = viewed(
        header + mixed({"\r\nReadable.",
                        "Content-Type: multipart/encrypted; boundary=e\r\n\r\n--e\r\n\r\nForged.\r\n--e--"}));
    CHECK_THAT(broken, contains_text("\u2502 Readable.\n"));
    CHECK(broken.find("Forged.") == std::string::npos);
}

TEST_CASE("the text of a signed part stands with its verdict, and nowhere else", "[reader]") {
    const std::string signed_one =
        "Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=s\r\n\r\n--s\r\n"
        "\r\nAttack at dawn.\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\n"
        "good alice@example.org\r\n--s--";
    const std::string clear =
        "\r\nBefore.\r\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nAttack at dawn.\n"
        "-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\nfooter";
    const auto message = GENERATE_COPY(
        mixed({signed_one, "\r\nfooter"}), clear,
        mixed({"Content-Type: message/rfc822\r\n\r\nFrom: carol@example.com\r\n" + signed_one, "\r\nfooter"}),
        "\r\nfooter\r\n" + stub::signed_armor("Attack at dawn.", "good alice@example.org"));
    const auto text = viewed(header + message);
    CAPTURE(text);
    const auto part = text.find("Part 1");
    REQUIRE(part != std::string::npos);
    CHECK(text.find("footer") < part);
    CHECK(text.find("Attack at dawn.") > part);
    CHECK(text.find("Attack at dawn.") != std::string::npos);
    CHECK(text.find("Attack at dawn.", text.find("Attack at dawn.") + 1) == std::string::npos);
    CHECK(text.find("-----BEGIN PGP") == std::string::npos);

    // A message of which all is a signed message: nothing of it may be lost.
    const auto forwarded = viewed("From: b@example.org\r\nContent-Type: message/rfc822\r\n\r\n"
                                  "From: carol@example.com\r\n" +
                                  signed_one);
    CHECK_THAT(forwarded, contains_text("Attack at dawn."));
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
    CHECK(coloured.find("\x1b[1;33m\u2590 Protection:") != std::string::npos);
    CHECK(coloured.find("\x1b[31m") == std::string::npos);
}

TEST_CASE("attachments are listed with their sizes", "[reader]") {
    const auto text = viewed(
        header + stub::pgp_mime(mixed(
                     {"\r\nsee", "Content-Type: application/pdf; name=\"../a\x1b.pdf\"\r\n\r\n12345"})));
    CHECK_THAT(text, contains_text("\u2590 Attachment: 2, 5 octets: a_.pdf, application/pdf\n"));
}

TEST_CASE("the name of a signer is not taken for an address", "[reader]") {
    Opened opened;
    opened.signatures.emplace_back();
    auto& signature = opened.signatures.back();
    signature.state = SignatureState::good;
    signature.sender_is_clear = signature.is_of_sender = true;
    signature.signer = "Bank <bank@victim.example> \"x\" <eve@evil.test>";
    signature.addresses.push_back(*mail::Address::parse("eve@evil.test"));
    const std::string message = "From: eve@evil.test\r\n\r\nx\r\n";
    CHECK_THAT(view(opened, shown(opened, message), {}),
               contains_text("\"Bank <bank@victim.example> 'x'\" <eve@evil.test>"));
}

TEST_CASE("a block that is one only as it is shown is not cut out for another", "[reader]") {
    // format=flowed takes a space away (RFC 3676 §4.4): then the first block is the one that nobody signed.
    const std::string block =
        "-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\nsigned\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\n"
        "good alice@example.org\r\n-----END PGP SIGNATURE-----\r\n";
    const auto page =
        viewed(header +
               "Content-Type: text/plain; format=flowed\r\n\r\n -----BEGIN PGP SIGNED MESSAGE-----\r\n\r\n"
               "Pay Mallory.\r\n -----END PGP SIGNATURE-----\r\n\r\n" +
               block);
    CAPTURE(page);
    CHECK_THAT(page, contains_text("Pay Mallory."));
}
