#include "base/encoding.hpp"
#include "base/error.hpp"
#include "mail/received.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace std::string_literals;
using namespace lockbox;
using namespace lockbox::mail;

namespace {

std::string nested(unsigned depth) {
    std::string message;
    for (unsigned i = 0; i < depth; ++i) {
        const auto boundary = "b" + std::to_string(i);
        message += "Content-Type: multipart/mixed; boundary=" + boundary + "\r\n\r\n--" + boundary + "\r\n";
    }
    return message + "Content-Type: text/plain\r\n\r\ntext\r\n";
}

} // namespace

TEST_CASE("the leaves of a message are found in order with their bytes decoded", "[mail]") {
    const auto parts =
        received_parts("From: alice@example.org\r\n"
                       "MIME-Version: 1.0\r\n"
                       "Content-Type: multipart/mixed; boundary=b\r\n"
                       "\r\n"
                       "--b\r\n"
                       "Content-Type: text/plain; charset=iso-8859-1\r\n"
                       "Content-Transfer-Encoding: quoted-printable\r\n"
                       "\r\n"
                       "=FCber\r\n"
                       "--b\r\n"
                       "Content-Type: APPLICATION/PGP-Keys; name=\"=?utf-8?q?schl=C3=BCssel=2Easc?=\"\r\n"
                       "Content-Transfer-Encoding: base64\r\n"
                       "\r\n" +
                       base64_encode("key\0bytes"s) +
                       "\r\n"
                       "--b\r\n"
                       "Content-Type: message/rfc822\r\n"
                       "\r\n"
                       "Subject: forwarded\r\n"
                       "Content-Type: text/html\r\n"
                       "\r\n"
                       "<p>\r\n"
                       "--b--\r\n");
    REQUIRE(parts.size() == 3);
    CHECK(parts[0].media_type == "text/plain");
    CHECK(parts[0].bytes == "\xfc"
                            "ber");
    CHECK(parts[1].media_type == "application/pgp-keys");
    CHECK(parts[1].file_name == "schl\xc3\xbcssel.asc");
    CHECK(parts[1].bytes == "key\0bytes"s);
    CHECK(parts[2].media_type == "text/html");
    CHECK(parts[2].bytes == "<p>");
    CHECK(parts[2].file_name.empty());
}

TEST_CASE("a message without MIME is one leaf of text", "[mail]") {
    const auto parts = received_parts("Subject: x\r\n\r\nbody\r\n");
    REQUIRE(parts.size() == 1);
    CHECK(parts[0].media_type == "text/plain");
    CHECK(parts[0].bytes == "body\r\n");
}

TEST_CASE("odd input is no error", "[mail]") {
    const auto message = GENERATE(
        as<std::string>{}, "", "\r\n", "no header", "Content-Type: multipart/mixed\r\n\r\nx",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b", "Content-Type: message/rfc822\r\n\r\n",
        "\0\0\0"s, "Content-Type: \xff\r\n\r\nx", "Content-Transfer-Encoding: base64\r\n\r\n!!!!");
    CAPTURE(message);
    CHECK_NOTHROW(received_parts(message));
}

TEST_CASE("deeper nesting and more parts than any mail has are refused", "[mail]") {
    CHECK(received_parts(nested(received_depth_max - 1)).size() == 1);
    const auto too_large = [](const std::string& message) {
        try {
            static_cast<void>(received_parts(message));
        } catch (const Error& error) {
            return error.kind() == ErrorKind::too_large;
        }
        return false;
    };
    CHECK(too_large(nested(received_depth_max + 1)));
    CHECK(too_large(nested(20'000)));

    std::string many = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for (std::size_t i = 0; i <= received_parts_max; ++i) {
        many += "--b\r\n\r\nx\r\n";
    }
    CHECK(too_large(many + "--b--\r\n"));
}
