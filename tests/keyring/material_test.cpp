#include "base/encoding.hpp"
#include "base/error.hpp"
#include "crypto/openssl_handles.hpp"
#include "keyring/material.hpp"
#include "tests/support/data.hpp"

#include <openssl/x509v3.h>

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
        CHECK(found[0].from_mail);
        CHECK(found[0].speaks_for == mail::Address::parse("a@example.org"));
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
        CHECK(found[0].from_mail);
        CHECK(found[0].speaks_for == mail::Address::parse("alice@example.org"));
    }
    SECTION("what is in a file of its own speaks for what it names") {
        const auto found = find_material(armored("alice") + test::data("smime/alice.pem"), "file");
        REQUIRE(found.size() == 2);
        for (const auto& material : found) {
            CHECK_FALSE(material.from_mail);
            CHECK_FALSE(material.speaks_for.has_value());
        }
    }
}

TEST_CASE("An Autocrypt field speaks for its addr, whatever its User IDs say", "[keyring]") {
    // By hand, with throw-away keys: tests/data/README.md says what is in them.
    const auto name =
        GENERATE(as<std::string>{}, "autocrypt-uid-of-somebody-else.eml", "autocrypt-decorative-uid.eml");
    CAPTURE(name);
    const auto found = find_material(test::data("certificates/" + name), name);
    REQUIRE(found.size() == 1);
    CHECK(found[0].damage.empty());
    CHECK(found[0].speaks_for == mail::Address::parse("mallory@example.net"));
}

TEST_CASE("Of several Autocrypt fields one valid field counts, and several valid ones cancel each other",
          "[keyring]") {
    // Autocrypt 1.1: "If there is more than one valid header, they should all be treated as invalid".
    const auto alice = test::openpgp("alice");
    const auto valid = "addr=alice@example.org; keydata=" + base64_encode(alice);
    const auto invalid = GENERATE_COPY(
        as<std::string>{}, "addr=bob@example.org; keydata=" + base64_encode(test::openpgp("bob")),
        "addr=alice@example.org; critical=1; keydata=" + base64_encode(test::openpgp("bob")),
        "addr=alice@example.org; keydata=%%%",
        "addr=alice@example.org; keydata=" + base64_encode("no certificate"), "nothing");
    CAPTURE(invalid);
    for (const auto& fields : {valid + "\nAutocrypt: " + invalid, invalid + "\nAutocrypt: " + valid}) {
        const auto found = find_material(autocrypt_message("alice@example.org", fields), "mail");
        REQUIRE(found.size() == 1);
        CHECK(found[0].damage.empty());
        CHECK(found[0].bytes == alice);
    }
    const auto both = "addr=alice@example.org; keydata=" + base64_encode(test::openpgp("bob"));
    const auto found =
        find_material(autocrypt_message("alice@example.org", valid + "\nAutocrypt: " + both), "mail");
    REQUIRE(found.size() == 1);
    CHECK(found[0].bytes.empty());
    CHECK(found[0].damage == "there is more than one that is valid, so none counts");
}

TEST_CASE("What a message brings speaks for the one address in From", "[keyring]") {
    SECTION("a certificate in its text, of somebody else") {
        const auto found = find_material("From: Mallory <mallory@example.net>\n\n" + armored("bob"), "mail");
        REQUIRE(found.size() == 1);
        CHECK(found[0].from_mail);
        CHECK(found[0].speaks_for == mail::Address::parse("mallory@example.net"));
    }
    SECTION("the certificate that signed it, and what came along") {
        for (const auto& material : find_material(test::data("smime/signed.eml"), "mail")) {
            CHECK(material.from_mail);
            CHECK(material.speaks_for == mail::Address::parse("alice@example.org"));
        }
    }
    SECTION("without exactly one, nobody knows whom it is for") {
        const auto from = GENERATE(as<std::string>{}, "", "From: a@example.org, b@example.org\n",
                                   "From: a@example.org\nFrom: b@example.org\n", "From: nobody at all\n");
        const auto found = find_material(from + "Content-Type: text/plain\n\n" + armored("alice"), "mail");
        REQUIRE(found.size() == 1);
        CHECK(found[0].bytes.empty());
        CHECK(found[0].damage.starts_with("the message does not have exactly one address in From"));
        CHECK_FALSE(found[0].hint.empty());
    }
}

TEST_CASE("A signer's capabilities come with its own certificate and the time of signing", "[keyring]") {
    const auto found = find_material(test::data("smime/signed.eml"), "mail");
    REQUIRE(found.size() == 2);
    CHECK(found[0].bytes == test::x509("alice"));
    REQUIRE(found[0].capabilities.has_value());
    CHECK(found[0].capabilities->signer == test::x509("alice"));
    CHECK(found[0].capabilities->signed_at.has_value());
    // `openssl cms -sign` names AES-256-CBC first and no GCM.
    CHECK(found[0].capabilities->content_encryption == crypto::ContentEncryption::aes256_cbc);
    CHECK(found[1].companion);
    CHECK_FALSE(found[1].capabilities.has_value());
}

TEST_CASE("The certificate to encrypt to that travels beside one that signs is the one that is taken",
          "[keyring]") {
    // RFC 8551 §2.5.3.1, without the attribute SMIMEEncryptionKeyPreference.
    const auto found =
        find_material(test::data("certificates/signed-with-separate-encryption-cert.eml"), "mail");
    REQUIRE(found.size() == 2);
    CHECK_FALSE(found[0].companion);
    CHECK(found[1].companion);
    const auto encrypts = crypto::x509_from_der(found[0].bytes);
    const auto signs = crypto::x509_from_der(found[1].bytes);
    REQUIRE(encrypts);
    REQUIRE(signs);
    CHECK((X509_get_key_usage(encrypts.get()) & KU_KEY_ENCIPHERMENT) != 0);
    CHECK((X509_get_key_usage(signs.get()) & KU_KEY_ENCIPHERMENT) == 0);
    CHECK(X509_NAME_cmp(X509_get_subject_name(encrypts.get()), X509_get_subject_name(signs.get())) == 0);
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

TEST_CASE("X.509 certificates are found in every wrapping that authorities and programs write", "[keyring]") {
    const auto alice = test::x509("alice");
    const auto base64 = base64_encode(alice);
    const auto bundle = base64_encode(test::data("smime/bundle.p7b"));
    const auto pem = [](const std::string& label, const std::string& text) {
        return "-----BEGIN " + label + "-----\n" + text + "\n-----END " + label + "-----\n";
    };
    struct Case {
        std::string kind;
        std::string bytes;
        std::size_t count;
    };
    const auto c = GENERATE_COPY(
        Case{"DER with a line feed behind it", alice + "\n", 1},
        Case{"DER with CR LF behind it", alice + "\r\n", 1},
        Case{"PKCS#7 with a line feed behind it", test::data("smime/bundle.p7b") + "\n", 3},
        Case{"bare base64", base64, 1},
        Case{"bare base64 in lines", base64.substr(0, 64) + "\r\n" + base64.substr(64) + "\r\n", 1},
        Case{"bare base64 of PKCS#7", bundle, 3},
        Case{"PKCS#7 as CERTIFICATE", pem("CERTIFICATE", bundle), 3},
        Case{"RFC 7468 has no such label", pem("PKCS #7 SIGNED DATA", bundle), 3},
        Case{"nor this one", pem("PKCS7 SIGNED DATA", bundle), 3});
    CAPTURE(c.kind);
    const auto found = find_material(c.bytes, "file");
    REQUIRE(found.size() == c.count);
    CHECK(found[0].bytes == alice);
}

TEST_CASE(
    "A certificate under a label of something else, or with something behind it, is read by OpenSSL's rules",
    "[keyring]") {
    const auto only_certificate = [](const std::string& name) {
        const auto found = find_material(test::data("certificates/" + name), name);
        REQUIRE_FALSE(found.empty());
        CAPTURE(found[0].damage);
        CHECK(found[0].damage.empty());
        const auto certificate = crypto::x509_from_der(found[0].bytes);
        REQUIRE(certificate);
        return crypto::x509_fingerprint(found[0].bytes);
    };
    // `openssl pkcs7 -print_certs`, `openssl x509 -fingerprint -sha256` and `openssl pkcs12 -legacy -nokeys`.
    CHECK(only_certificate("pkcs7-labelled-certificate.p7b") ==
          "1B119B300A8582B1467213D4FC7F35790283FF755C2308F06712524D0C5B98F0");
    CHECK(only_certificate("trusted-certificate.pem") ==
          "1B119B300A8582B1467213D4FC7F35790283FF755C2308F06712524D0C5B98F0");
    CHECK(only_certificate("rc2-empty-passphrase.p12") ==
          "1B119B300A8582B1467213D4FC7F35790283FF755C2308F06712524D0C5B98F0");
}

TEST_CASE("What stands behind a certificate and is no line end makes it a damaged one", "[keyring]") {
    const auto alice = test::x509("alice");
    const auto found = find_material(alice + "x\n", "file");
    REQUIRE(found.size() == 1);
    CHECK(found[0].bytes == alice + "x\n");
    CHECK_FALSE(crypto::x509_from_der(found[0].bytes));
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
