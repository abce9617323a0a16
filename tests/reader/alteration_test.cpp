#include "mail/entity.hpp"
#include "reader/alteration.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace lockbox;
using namespace lockbox::reader;

namespace {

bool is_suspicious(const std::string& bytes) {
    return alteration_in(mail::parse_entity(bytes)).has_value();
}

/// 16 octets as CBC leaves them behind: no control characters, and no UTF-8.
constexpr auto garbage = "\x93\xc3Q~\xfe\xa0:\xe4R\xd1\x8b|\xf7k\xb0\x85";

std::string leaf(const std::string& fields, const std::string& body) {
    return fields + "\r\n" + body + "\r\n";
}

} // namespace

TEST_CASE("ordinary mail in old charsets has no traces of a change", "[reader]") {
    const auto bytes = GENERATE(
        as<std::string>{},
        leaf("Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n",
             "\x93quoted\x94 \x80 5"),
        leaf("Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 8bit\r\n", "Gr\xfc\xdf"
                                                                                                  "e"),
        leaf("Content-Type: text/plain; charset=koi8-r\r\n", "\xf0\xd2\xc9\xd7\xc5\xd4"),
        leaf("Content-Type: text/plain; charset=iso-2022-jp\r\n", "\x1b$B$3\x1b(B"),
        leaf("Content-Type: text/html; charset=shift_jis\r\n", "\x93\xfa\x96{\x8c\xea"),
        leaf("Content-Type: text/html; charset=windows-1251\r\nContent-Transfer-Encoding: 8bit\r\n",
             "\xcf\xf0"),
        leaf("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n",
             "aGVsbG8gd29ybGQK\r\n\r\n____\r\nlist mailing list - unsubscribe"),
        leaf("Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: x-uuencode\r\n",
             "begin 644 a\r\n#:&D*\r\n`\r\nend"),
        leaf("Content-Type: application/pdf\r\nContent-Transfer-Encoding: binary\r\n", "%PDF\x00\xff"));
    CAPTURE(bytes);
    CHECK_FALSE(is_suspicious(bytes));
}

TEST_CASE("random octets are seen wherever a gadget could send something away", "[reader]") {
    const std::string octets = garbage;
    const auto bytes = GENERATE_COPY(
        as<std::string>{}, leaf("Content-Type: text/html; charset=utf-8\r\n", "<img " + octets),
        leaf("Content-Type: text/html; charset=iso-8859-1\r\n", "<img " + octets),
        leaf("Content-Type: text/html\r\n", "<img " + octets),
        leaf("Content-Type: text/plain\r\n", octets), // 8-bit octets that nobody announced
        leaf("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", octets),
        leaf("Content-Type: text/enriched\r\n", "<x " + octets),
        leaf("Content-Type: text/html; charset=shift_jis\r\n", "<img " + octets),
        leaf("Content-Type: text/html; charset=iso-8859-2\r\nContent-Transfer-Encoding: 8bit\r\n",
             "<img " + octets),
        leaf("Content-Type: text/plain\r\nX-A: " + octets + "\r\n", "x"),
        leaf("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n",
             "aGVsbG8g" + octets),
        leaf("Content-Type: text/html; charset=koi8-r\r\nContent-Transfer-Encoding: quoted-printable\r\n",
             octets),
        leaf("Content-Type: application/octet-stream\r\n", octets),
        leaf("Content-Type: text/plain; charset=koi8-r\r\n", octets + std::string(1, '\0')),
        leaf("Content-Type: multipart/mixed; boundary=b\r\n",
             "--b\r\n\r\nx\r\n--b\r\nX: " + octets + "\r\nContent-Type: text/html\r\n\r\n<img>\r\n--b--"),
        leaf("Content-Type: multipart/mixed; boundary=b\r\n", octets + "\r\n--b\r\n\r\nx\r\n--b--"));
    CAPTURE(bytes);
    CHECK(is_suspicious(bytes));
}
