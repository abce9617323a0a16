#include "base/encoding.hpp"
#include "base/error.hpp"
#include "keyring/material.hpp"
#include "tests/support/data.hpp"

using namespace lockbox;
using namespace lockbox::keyring;

namespace {

std::string armored(const std::string& name) {
    return test::data("openpgp/" + name + ".asc");
}

std::string autocrypt_message(const std::string& from, const std::string& attributes) {
    return "From: " + from + "\nAutocrypt: " + attributes + "\n\nhello\n";
}

} // namespace

TEST_CASE("Certificates are found in whatever people have", "[keyring]") {
    const auto alice = test::openpgp("alice");
    SECTION("binary") {
        const auto found = find_material(alice, "file");
        REQUIRE(found.size() == 1);
        CHECK(found[0].bytes == alice);
    }
    SECTION("armored, with text around and between") {
        const auto found = find_material(
            "Here is mine:\n" + armored("alice") + "\nand hers:\r\n" + armored("bob") + "bye\n", "file");
        REQUIRE(found.size() == 2);
        CHECK(found[0].bytes == alice);
        CHECK(found[1].bytes == test::openpgp("bob"));
    }
    SECTION("a damaged block does not hide the next one") {
        auto damaged = armored("alice");
        damaged.resize(damaged.size() / 2);
        const auto found = find_material(damaged + "\n" + armored("bob"), "file");
        REQUIRE(found.size() == 2);
        CHECK_FALSE(found[0].damage.empty());
        CHECK(found[1].bytes == test::openpgp("bob"));
    }
    SECTION("a block with nothing in it is a damaged one") {
        for (const std::string label : {"CERTIFICATE", "PKCS7", "PKCS12", "PGP PUBLIC KEY BLOCK"}) {
            CAPTURE(label);
            const auto found = find_material("-----BEGIN " + label + "-----\n\n-----END " + label +
                                                 "-----\n" + test::data("smime/alice.pem"),
                                             "file");
            REQUIRE(found.size() == 2);
            CHECK_FALSE(found[0].damage.empty());
            CHECK(found[1].bytes == test::x509("alice"));
        }
    }
    SECTION("attached to a message, in base64") {
        const auto message = "From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; "
                             "boundary=b\n\n--b\n\ntext\n"
                             "--b\nContent-Type: application/pgp-keys; "
                             "name=\"alice.asc\"\nContent-Transfer-Encoding: base64\n\n" +
                             base64_encode(armored("alice")) + "\n--b--\n";
        const auto found = find_material(message, "mail");
        REQUIRE(found.size() == 1);
        CHECK(found[0].bytes == alice);
        CHECK(found[0].where == "attachment alice.asc");
    }
    SECTION("in the text of a message") {
        const auto found = find_material("From: a@example.org\nSubject: key\n\n" + armored("alice"), "mail");
        REQUIRE(found.size() == 1);
        CHECK(found[0].bytes == alice);
    }
    SECTION("in an Autocrypt header field that names the sender") {
        const auto found =
            find_material(autocrypt_message("Alice <alice@example.org>",
                                            "addr=alice@example.org; prefer-encrypt=mutual; keydata=\n " +
                                                base64_encode(alice)),
                          "mail");
        REQUIRE(found.size() == 1);
        CHECK(found[0].bytes == alice);
        CHECK(found[0].source == "mail (Autocrypt)");
    }
}

TEST_CASE("Autocrypt header fields that Autocrypt 1.1 does not believe are reported and not taken",
          "[keyring]") {
    const auto keydata = "keydata=" + base64_encode(test::openpgp("alice"));
    const auto message = GENERATE_COPY(
        autocrypt_message("mallory@example.org", "addr=alice@example.org; " + keydata),
        autocrypt_message("alice@example.org, bob@example.org", "addr=alice@example.org; " + keydata),
        autocrypt_message("alice@example.org", "addr=alice@example.org; critical=1; " + keydata),
        autocrypt_message("alice@example.org", "addr=alice@example.org; keydata=%%%"),
        autocrypt_message("alice@example.org", keydata),
        autocrypt_message("alice@example.org", "addr=alice@example.org; " + keydata +
                                                   "\nAutocrypt: addr=alice@example.org; " + keydata));
    CAPTURE(message.substr(0, 100));
    const auto found = find_material(message, "mail");
    REQUIRE(found.size() == 1);
    CHECK(found[0].bytes.empty());
    CHECK_FALSE(found[0].damage.empty());
}

TEST_CASE("A file without any key material is an error that names it", "[keyring]") {
    const auto text = GENERATE(as<std::string>{}, "", "hello", "From: a@example.org\n\nhello\n",
                               "-----BEGIN PGP MESSAGE-----\n\nwV4D\n-----END PGP MESSAGE-----\n");
    try {
        (void)find_material(text, "some.file");
        FAIL("something was found");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::malformed);
        CHECK(std::string(error.what()).find("some.file") != std::string::npos);
    }
}
