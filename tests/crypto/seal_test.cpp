#include "base/error.hpp"
#include "crypto/payload_digest.hpp"
#include "crypto/seal.hpp"
#include "mail/header_edits.hpp"
#include "mail/layer.hpp"
#include "mail/openpgp_packet.hpp"
#include "tests/support/data.hpp"
#include "tests/support/gnupg_home.hpp"
#include "tests/support/sealed_message.hpp"
#include "tests/support/smime_keys.hpp"

#include <algorithm>
#include <array>
#include <string>

using namespace lockbox;
using namespace lockbox::crypto;
using lockbox::test::ordinary;
using lockbox::test::sealed;

TEST_CASE("A sealed message is PGP/MIME with one MIME-Version, one Content-Type and an obscured Subject",
          "[crypto]") {
    const auto original = mail::Message::parse(ordinary);
    const auto message = sealed(original, "alice");
    CHECK(message.header.count("MIME-Version") == 1);
    CHECK(message.header.count("Content-Type") == 1);
    CHECK(message.header.count("Content-Transfer-Encoding") == 0);
    CHECK(message.header.first("Subject") == "[...]");
    CHECK(message.header.first("From") == original.header.first("From"));
    CHECK(mail::outermost_layer(message.header, message.body) == mail::Layer::openpgp_mime);
    CHECK(message.body.find("secret plan") == std::string::npos);
    CHECK(message.body.find("Version: Gnu") == std::string::npos);
    CHECK(message.body.find("Comment:") == std::string::npos);
    for (std::size_t at = message.body.find('\n'); at != std::string::npos;
         at = message.body.find('\n', at + 1)) {
        REQUIRE(message.body[at - 1] == '\r');
    }
}

TEST_CASE("Two seals of one message have nothing in common but their recipient", "[crypto]") {
    const auto original = mail::Message::parse(ordinary);
    const auto first = sealed(original, "alice");
    const auto second = sealed(original, "alice");
    CHECK(first.body != second.body);
    CHECK(first.header.first("Content-Type") != second.header.first("Content-Type")); // the boundary
}

namespace {

std::string decoded(const mail::Message& message) {
    return mail::sealed_bytes(message.header, message.body);
}

mail::Message sealed_smime(const mail::Message& original, const test::SmimeKeys& keys,
                           ContentEncryption encryption, mail::OuterSubject outer_subject) {
    Sealer sealer;
    const auto recipients = Recipients::from({keys.certificate("bob", encryption)});
    auto result = seal(original.header, original.body, *recipients, outer_subject, sealer, {});
    return {mail::apply(result.header, original.header), std::move(result.body)};
}

} // namespace

TEST_CASE("A message sealed with S/MIME has the form of RFC 8551, and the same payload as with OpenPGP",
          "[crypto]") {
    test::SmimeKeys keys;
    keys.make("bob", "ec", "P-256");
    const auto original = mail::Message::parse(ordinary);
    struct Case {
        ContentEncryption encryption;
        mail::Layer layer;
        const char* type;
    };
    const auto [encryption, layer, type] = GENERATE(values<Case>({
        {ContentEncryption::aes256_cbc, mail::Layer::smime_enveloped,
         "application/pkcs7-mime; smime-type=enveloped-data; name=\"smime.p7m\""},
        {ContentEncryption::aes256_gcm, mail::Layer::smime_auth_enveloped,
         "application/pkcs7-mime; smime-type=authEnveloped-data; name=\"smime.p7m\""},
    }));
    const auto message = sealed_smime(original, keys, encryption, mail::OuterSubject::obscured);
    CHECK(message.header.count("MIME-Version") == 1);
    CHECK(message.header.first("Content-Type") == std::string(type));
    CHECK(message.header.all("Content-Transfer-Encoding") == std::vector<std::string_view>{" base64"});
    CHECK(message.header.all("Content-Disposition") ==
          std::vector<std::string_view>{" attachment; filename=\"smime.p7m\""});
    CHECK(message.header.first("Subject") == "[...]");
    CHECK(mail::outermost_layer(message.header, message.body) == layer);
    for (std::size_t at = 0; at < message.body.size();) {
        const auto end = message.body.find("\r\n", at);
        REQUIRE(end != std::string::npos);
        REQUIRE(end - at <= 64);
        at = end + 2;
    }
    const auto payload = keys.decrypt(decoded(message), "bob");
    REQUIRE(payload.has_value());
    const test::GnupgHome home({"alice"});
    const auto openpgp = sealed(original, "alice");
    const auto digested = check_payload_digest(*payload);
    CHECK(digested.payload == home.decrypt(decoded(openpgp)));
    CHECK(digested.digest ==
          (encryption == ContentEncryption::aes256_cbc ? PayloadDigest::right : PayloadDigest::absent));
}

TEST_CASE("A Subject that is kept stands outside and inside, and HP-Outer says so", "[crypto]") {
    test::SmimeKeys keys;
    keys.make("bob", "ec", "P-256");
    const auto original = mail::Message::parse(ordinary);
    const auto message =
        sealed_smime(original, keys, ContentEncryption::aes256_cbc, mail::OuterSubject::kept);
    CHECK(message.header.all("Subject") == original.header.all("Subject"));
    const auto payload = mail::Message::parse(keys.decrypt(decoded(message), "bob").value());
    CHECK(payload.header.first("Subject") == "The secret plan");
    const auto outside = payload.header.all("HP-Outer");
    CHECK(std::count(outside.begin(), outside.end(), " Subject: The secret plan") == 1);
    CHECK(payload.body == original.body);
}
