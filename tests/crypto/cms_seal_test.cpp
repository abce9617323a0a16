#include "base/error.hpp"
#include "crypto/cms_seal.hpp"
#include "mail/layer.hpp"
#include "tests/support/smime_keys.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

using namespace lockbox;
using namespace lockbox::crypto;
using lockbox::test::SmimeKeys;

namespace {

constexpr auto cbc = ContentEncryption::aes256_cbc;
constexpr auto gcm = ContentEncryption::aes256_gcm;

std::string encrypt(CmsSealer& sealer, std::vector<Certificate> certificates, std::string_view text) {
    const auto recipients = Recipients::from(std::move(certificates));
    REQUIRE(recipients.has_value());
    const std::array<std::string_view, 3> pieces{text.substr(0, text.size() / 3), "",
                                                 text.substr(text.size() / 3)};
    std::string cms;
    sealer.encrypt(*recipients, pieces, [&](std::string_view bytes) { cms += bytes; });
    return cms;
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("The OpenSSL that is installed passes the self-test", "[crypto]") {
    CHECK_NOTHROW(self_test_cms());
}

TEST_CASE("openssl opens what is encrypted, byte for byte, with every kind of key", "[crypto]") {
    SmimeKeys keys;
    keys.make("rsa2048", "rsa:2048");
    keys.make("rsa4096", "rsa:4096");
    keys.make("p256", "ec", "P-256");
    keys.make("p384", "ec", "P-384");
    keys.make("p521", "ec", "P-521");
    // RFC 5639: what German authorities use.
    keys.make("bp256", "ec", "brainpoolP256r1");
    keys.make("bp384", "ec", "brainpoolP384r1");
    keys.make("bp512", "ec", "brainpoolP512r1");
    CmsSealer sealer;
    for (const auto encryption : {cbc, gcm}) {
        for (const auto* name : {"rsa2048", "rsa4096", "p256", "p384", "p521", "bp256", "bp384", "bp512"}) {
            CAPTURE(name, to_string(encryption));
            for (const auto& text :
                 {std::string("short"), std::string("NUL \0 and\nLF\r\n", 14), std::string(300000, 'x')}) {
                CAPTURE(text.size());
                CHECK(keys.decrypt(encrypt(sealer, {keys.certificate(name, encryption)}, text), name) ==
                      text);
            }
        }
    }
}

TEST_CASE("One message is for all its recipients, and for nobody else", "[crypto]") {
    SmimeKeys keys;
    keys.make("rsa", "rsa:2048");
    keys.make("ec", "ec", "P-256");
    keys.make("other", "ec", "P-256");
    CmsSealer sealer;
    const auto encryption = GENERATE(cbc, gcm);
    const auto cms =
        encrypt(sealer, {keys.certificate("rsa", encryption), keys.certificate("ec", encryption)}, "for two");
    CHECK(keys.decrypt(cms, "rsa") == "for two");
    CHECK(keys.decrypt(cms, "ec") == "for two");
    CHECK(keys.decrypt(cms, "other") != "for two");
}

TEST_CASE("The algorithms are those that readers have", "[crypto]") {
    SmimeKeys keys;
    keys.make("rsa", "rsa:2048");
    keys.make("ec", "ec", "P-256");
    CmsSealer sealer;
    const auto plain =
        keys.print(encrypt(sealer, {keys.certificate("rsa", cbc), keys.certificate("ec", cbc)}, "x"));
    CHECK(contains(plain, "pkcs7-envelopedData"));
    CHECK(contains(plain, "aes-256-cbc"));
    CHECK(contains(plain, "rsaEncryption"));
    CHECK(contains(plain, "dhSinglePass-stdDH-sha256kdf-scheme"));
    CHECK(contains(plain, "id-aes256-wrap"));
    CHECK_FALSE(contains(plain, "sha1kdf"));
    const auto strong = keys.print(encrypt(sealer, {keys.certificate("ec", gcm)}, "x"));
    CHECK(contains(strong, "id-smime-ct-authEnvelopedData"));
    CHECK(contains(strong, "aes-256-gcm"));
    CHECK(contains(strong, "id-aes256-wrap"));
}

TEST_CASE("What is written is DER, whatever lengths it takes", "[crypto]") {
    // X.690 §10: openssl, which reads the structure and writes it again, has only one way to do so.
    SmimeKeys keys;
    keys.make("rsa", "rsa:2048");
    keys.make("one", "ec", "P-256");
    keys.make("two", "ec", "P-384");
    CmsSealer sealer;
    for (const auto encryption : {cbc, gcm}) {
        // CBC pads 111 octets to 112 and 112 to 128, which is the first length of two octets.
        for (const std::size_t octets : {1U, 15U, 16U, 111U, 112U, 127U, 128U, 255U, 256U, 65535U, 65536U}) {
            CAPTURE(to_string(encryption), octets);
            const auto cms =
                encrypt(sealer,
                        {keys.certificate("rsa", encryption), keys.certificate("one", encryption),
                         keys.certificate("two", encryption)},
                        std::string(octets, 'x'));
            CHECK(keys.in_der(cms) == cms);
            CHECK(keys.decrypt(cms, "two") == std::string(octets, 'x'));
        }
    }
}

TEST_CASE("An EnvelopedData has the version that its recipients ask for", "[crypto]") {
    // RFC 5652 §6.1, RFC 5083 §2.1.
    SmimeKeys keys;
    keys.make("rsa", "rsa:2048");
    keys.make("ec", "ec", "P-256");
    CmsSealer sealer;
    const auto version_of = [&](std::vector<Certificate> certificates) {
        const auto words = keys.print(encrypt(sealer, std::move(certificates), "x"));
        const auto at = words.find("version: ");
        return words.substr(at, words.find('\n', at) - at);
    };
    CHECK(version_of({keys.certificate("rsa", cbc)}) == "version: 0");
    CHECK(version_of({keys.certificate("ec", cbc)}) == "version: 2");
    CHECK(version_of({keys.certificate("rsa", cbc), keys.certificate("ec", cbc)}) == "version: 2");
    CHECK(version_of({keys.certificate("ec", gcm)}) == "version: 0");
}

TEST_CASE("The ephemeral key is uncompressed, whatever the certificate has", "[crypto]") {
    // RFC 5480 §2.2: uncompressed is what every implementation supports.
    SmimeKeys keys;
    keys.make_compressed("short");
    CmsSealer sealer;
    const auto certificate = keys.certificate("short", cbc);
    constexpr auto bit_string_of_point = std::string_view("\x03\x42\x00\x04", 4);
    CHECK_FALSE(contains(certificate.bytes, bit_string_of_point));
    const auto cms = encrypt(sealer, {certificate}, "x");
    CHECK(contains(cms, bit_string_of_point));
    CHECK(keys.decrypt(cms, "short") == "x");
}

TEST_CASE("Each message has a content key of its own", "[crypto]") {
    SmimeKeys keys;
    keys.make("ec", "ec", "P-256");
    CmsSealer sealer;
    const auto first = encrypt(sealer, {keys.certificate("ec", gcm)}, std::string(1000, 'x'));
    CHECK(first.substr(first.size() - 500) !=
          encrypt(sealer, {keys.certificate("ec", gcm)}, std::string(1000, 'x')).substr(first.size() - 500));
}

TEST_CASE("A certificate that OpenSSL cannot encrypt to is named, and those after it work", "[crypto]") {
    SmimeKeys keys;
    keys.make("ed", "ed25519");
    keys.make("ec", "ec", "P-256");
    CmsSealer sealer;
    const auto refused = keys.certificate("ed", cbc);
    auto broken = refused;
    broken.bytes = "no certificate";
    for (const auto& certificate : {refused, broken}) {
        try {
            (void)encrypt(sealer, {certificate}, "x");
            FAIL("nothing was thrown");
        } catch (const Error& error) {
            CHECK(error.kind() == ErrorKind::malformed); // it says no to the certificate, and did not fail
            CHECK(contains(error.what(), refused.fingerprint));
        }
    }
    CHECK(keys.decrypt(encrypt(sealer, {keys.certificate("ec", cbc)}, "fine"), "ec") == "fine");
}

TEST_CASE("What the output throws comes through, and the next message is whole", "[crypto]") {
    SmimeKeys keys;
    keys.make("ec", "ec", "P-256");
    CmsSealer sealer;
    const auto recipients = Recipients::from({keys.certificate("ec", gcm)});
    const std::string text(100000, 'x');
    const std::array<std::string_view, 1> pieces{text};
    CHECK_THROWS_AS(
        sealer.encrypt(*recipients, pieces, [](std::string_view) { throw std::length_error("full"); }),
        std::length_error);
    CHECK(keys.decrypt(encrypt(sealer, {keys.certificate("ec", gcm)}, text), "ec") == text);
}

TEST_CASE("A certificate that is used again is used again", "[crypto]") {
    SmimeKeys keys;
    keys.make("ec", "ec", "P-256");
    CmsSealer sealer;
    const auto certificate = keys.certificate("ec", cbc);
    CHECK(keys.decrypt(encrypt(sealer, {certificate}, "once"), "ec") == "once");
    CHECK(keys.decrypt(encrypt(sealer, {certificate}, "again"), "ec") == "again");
}

TEST_CASE("Recipients of different strength are not recipients of one message", "[crypto]") {
    SmimeKeys keys;
    keys.make("one", "ec", "P-256");
    keys.make("two", "ec", "P-256");
    CHECK_FALSE(Recipients::from({keys.certificate("one", cbc), keys.certificate("two", gcm)}).has_value());
    CHECK(Recipients::from({keys.certificate("one", gcm), keys.certificate("two", gcm)}).has_value());
}

TEST_CASE("What comes out comes in small pieces, however long the message is", "[crypto]") {
    // So nothing is held but a buffer.
    constexpr std::size_t piece_octets_max = 64U << 10U;
    const std::string text(25U << 20U, 'x');
    SmimeKeys keys;
    keys.make("p256", "ec", "P-256");
    CmsSealer sealer;
    for (const auto encryption : {cbc, gcm}) {
        const auto recipients = Recipients::from({keys.certificate("p256", encryption)});
        const std::array<std::string_view, 1> pieces{text};
        std::size_t octets = 0;
        std::size_t largest = 0;
        sealer.encrypt(*recipients, pieces, [&](std::string_view bytes) {
            octets += bytes.size();
            largest = std::max(largest, bytes.size());
        });
        CHECK(octets > text.size());
        CHECK(largest <= piece_octets_max);
    }
}
