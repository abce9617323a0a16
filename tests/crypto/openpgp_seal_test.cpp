#include "base/error.hpp"
#include "crypto/openpgp_open.hpp"
#include "crypto/openpgp_seal.hpp"
#include "tests/support/data.hpp"
#include "tests/support/gnupg_home.hpp"

#include <array>
#include <stdexcept>

using namespace lockbox;
using namespace lockbox::crypto;
using lockbox::test::certificate;
using lockbox::test::GnupgHome;

namespace {

std::string encrypt(OpenPgpSealer& sealer, std::vector<Certificate> certificates, std::string_view text) {
    const auto recipients = Recipients::from(std::move(certificates));
    REQUIRE(recipients.has_value());
    const std::array<std::string_view, 3> pieces{text.substr(0, text.size() / 3), "",
                                                 text.substr(text.size() / 3)};
    std::string packets;
    sealer.encrypt(*recipients, pieces, [&](std::string_view bytes) { packets += bytes; });
    return packets;
}

} // namespace

TEST_CASE("What is installed for OpenPGP passes the self-test", "[crypto]") {
    CHECK_NOTHROW(self_test_openpgp());
}

TEST_CASE("gpg opens what is encrypted, byte for byte", "[crypto]") {
    const GnupgHome home({"alice", "bob"});
    OpenPgpSealer sealer;
    const auto text = GENERATE(std::string(), std::string("short"), std::string("NUL \0 inside", 12),
                               std::string(300000, 'x'));
    CAPTURE(text.size());
    CHECK(home.decrypt(encrypt(sealer, {certificate("alice")}, text)) == text);
    CHECK(home.decrypt(encrypt(sealer, {certificate("bob")}, text)) == text);
}

TEST_CASE("Every algorithm that GnuPG makes is encrypted to", "[crypto]") {
    OpenPgpSealer sealer;
    const auto name =
        GENERATE(as<std::string>{}, "alice", "bob", "p256", "p521", "brainpool", "elgamal", "sha1");
    CAPTURE(name);
    const auto to = certificate(name);
    const auto form = mail::read_encrypted_message(encrypt(sealer, {to}, "text"));
    REQUIRE(form.has_value());
    REQUIRE(form->recipient_key_ids.size() == 1);
    CHECK(to.encryption_key.ends_with(form->recipient_key_ids[0]));
    CHECK(form->container == mail::packet_tag::seipd);
}

TEST_CASE("One message to several recipients has a PKESK for each and one container", "[crypto]") {
    OpenPgpSealer sealer;
    const auto form = mail::read_encrypted_message(
        encrypt(sealer, {certificate("alice"), certificate("bob"), certificate("p256")}, "text"));
    REQUIRE(form.has_value());
    CHECK(form->recipient_key_ids.size() == 3);
}

TEST_CASE("The key that was chosen is the one encrypted to", "[crypto]") {
    OpenPgpSealer sealer;
    const auto judged = std::get<JudgedCertificate>(judge_openpgp(test::openpgp("two-subkeys")));
    REQUIRE(judged.encryption_keys.size() == 2);
    for (const auto& key :
         judged.encryption_keys) { // the same certificate, so the second time it is in the cache
        auto to = judged.certificate;
        to.encryption_key = key.fingerprint;
        const auto form = mail::read_encrypted_message(encrypt(sealer, {to}, "text"));
        REQUIRE(form.has_value());
        CHECK(key.fingerprint.ends_with(form->recipient_key_ids.at(0)));
    }
}

TEST_CASE("Nothing is remembered of a certificate that changed", "[crypto]") {
    OpenPgpSealer sealer;
    auto to = certificate(GENERATE(as<std::string>{}, "alice", "elgamal"));
    CHECK_FALSE(encrypt(sealer, {to}, "text").empty());
    to.bytes = "no certificate any more";
    CHECK_THROWS_AS(encrypt(sealer, {to}, "text"), Error);
}

TEST_CASE("What must not be encrypted to is an error that names the certificate", "[crypto]") {
    OpenPgpSealer sealer;
    auto wrong_key = certificate("alice");
    wrong_key.encryption_key = certificate("bob").encryption_key;
    auto garbage = certificate("alice");
    garbage.bytes = std::string(200, '\x99');
    for (const auto& to : {wrong_key, garbage}) {
        try {
            (void)encrypt(sealer, {to}, "text");
            FAIL("encrypted");
        } catch (const Error& error) {
            CHECK(error.kind() == ErrorKind::malformed); // it says no to the certificate, and did not fail
            CHECK(std::string(error.what()).find(to.fingerprint) != std::string::npos);
        }
    }
}

TEST_CASE("What the output throws comes through unharmed, through librnp too", "[crypto]") {
    OpenPgpSealer sealer;
    const auto recipients = Recipients::from({certificate(GENERATE(as<std::string>{}, "alice", "elgamal"))});
    const std::array<std::string_view, 1> pieces{"text"};
    CHECK_THROWS_AS(sealer.encrypt(*recipients, pieces, [](std::string_view) { throw std::bad_alloc(); }),
                    std::bad_alloc);
    CHECK_FALSE(encrypt(sealer, {certificate("alice")}, "text").empty()); // and the sealer still works
}

TEST_CASE("A message of no length that a packet can have is refused before anything is output", "[crypto]") {
    OpenPgpSealer sealer;
    const auto recipients = Recipients::from({certificate("alice")});
    const std::string mebibyte(1U << 20U, 'x');
    const std::vector<std::string_view> pieces(4096, mebibyte);
    std::size_t octets = 0;
    try {
        sealer.encrypt(*recipients, pieces, [&](std::string_view bytes) { octets += bytes.size(); });
        FAIL("encrypted");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::too_large);
    }
    CHECK(octets == 0);
}

TEST_CASE("Recipients of whom one needs librnp get one message, which librnp writes", "[crypto]") {
    OpenPgpSealer sealer;
    const GnupgHome home({"alice"});
    const auto alice = certificate("alice");
    const auto packets = encrypt(sealer, {alice, certificate("elgamal")}, "text");
    const auto form = mail::read_encrypted_message(packets);
    REQUIRE(form.has_value());
    CHECK(form->recipient_key_ids.size() == 2);
    CHECK(home.decrypt(packets) == "text");
}

TEST_CASE("A session key of zeros is noticed, a random one is not", "[crypto]") {
    OpenPgpSealer sealer;
    const auto to = certificate(GENERATE(as<std::string>{}, "alice", "elgamal")); // elgamal: librnp's
    unsigned suspicious = 0;
    for (unsigned i = 0; i < 50; ++i) {
        suspicious += looks_like_zero_session_key(encrypt(sealer, {to}, "text")) ? 1U : 0U;
    }
    CHECK(suspicious <= 1); // one in 65,536 by chance
    // Made with `openssl enc -aes-256-cfb` under a zero key: tests/data/openpgp/make_messages.py.
    CHECK(looks_like_zero_session_key(test::data("openpgp/zero-session-key.bin")));
}

TEST_CASE("Recipients are at least one, each once, and of one protocol", "[crypto]") {
    CHECK_FALSE(Recipients::from({}).has_value());
    const auto alice = certificate("alice");
    auto smime = alice;
    smime.protocol = Protocol::smime;
    smime.fingerprint = "0000";
    CHECK_FALSE(Recipients::from({alice, smime}).has_value());
    CHECK(Recipients::from({alice, alice})->all().size() == 1);
}
