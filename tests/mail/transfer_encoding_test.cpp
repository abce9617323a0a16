#include "mail/transfer_encoding.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox;
using namespace lockbox::mail;

TEST_CASE("transfer encodings are undone", "[mail]") {
    struct Case {
        std::string encoding, body, bytes;
    };
    const auto c = GENERATE(values<Case>({
        {"7bit", "a=3D\r\n", "a=3D\r\n"},
        {"", "a", "a"},
        {"x-unknown", "a=3D", "a=3D"},
        {" Base64 ", "Zm9v\r\nYmFy\r\n", "foobar"},
        {"base64", "Zm9v!YmFy", "foobar"},
        {"base64", "Zg==Zg==", "ff"},
        {"base64", "Zm9vYg", "foob"},
        {"base64", "Zm9vY", "foo"},
        {"base64", "====", ""},
        {"Quoted-Printable", "a=3Db=\r\nc \t\r\nd=e4=E4\r\n", "a=bc\r\nd\xe4\xe4\r\n"},
        {"quoted-printable", "a=\nb\nc", "ab\nc"},
        {"quoted-printable", "=", ""},
        {"quoted-printable", "=4", "=4"},
        {"quoted-printable", "=XY=41", "=XYA"},
        {"quoted-printable", "a= \r\nb", "ab"},
    }));
    CAPTURE(c.encoding, c.body);
    CHECK(transfer_decoded(c.body, transfer_encoding_named(c.encoding)) == c.bytes);
}
