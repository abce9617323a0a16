#include "base/error.hpp"
#include "crypto/judging_home.hpp"
#include "crypto/openpgp_arrangement.hpp"
#include "crypto/openpgp_certification.hpp"
#include "crypto/openpgp_judge.hpp"
#include "mail/openpgp_certificate.hpp"
#include "tests/support/data.hpp"

#include <algorithm>
#include <cstdlib>

using namespace lockbox;
using namespace lockbox::crypto;
using lockbox::test::data;

namespace {

std::string odd(const std::string& name) {
    return data("openpgp/odd/" + name + ".pgp");
}

JudgedCertificate accepted(std::string_view bytes, std::string_view known = {},
                           const std::vector<std::string>& revokers = {}) {
    auto judgement = judge_openpgp(bytes, known, revokers);
    if (const auto* refusal = std::get_if<Refusal>(&judgement)) {
        FAIL("refused: " << refusal->reason);
    }
    return std::get<JudgedCertificate>(std::move(judgement));
}

std::string why_refused(std::string_view bytes, std::string_view known = {}) {
    const auto judgement = judge_openpgp(bytes, known);
    REQUIRE(std::holds_alternative<Refusal>(judgement));
    return std::get<Refusal>(judgement).reason;
}

std::size_t usable_keys(const JudgedCertificate& judged) {
    return static_cast<std::size_t>(std::count_if(judged.encryption_keys.begin(),
                                                  judged.encryption_keys.end(),
                                                  [](const EncryptionKey& key) { return !key.revoked; }));
}

bool warns_of(const JudgedCertificate& judged, const std::string& words) {
    return std::any_of(judged.warnings.begin(), judged.warnings.end(),
                       [&](const std::string& warning) { return warning.find(words) != std::string::npos; });
}

std::string armored(const std::string& name) {
    const auto armor = mail::dearmor(data("openpgp/odd/" + name + ".asc"));
    REQUIRE(armor.has_value());
    return armor->bytes;
}

} // namespace

TEST_CASE("A subkey of an unknown kind is left out with its name, and spoils nothing", "[crypto]") {
    struct Case {
        std::string file;
        std::string name; // RFC 9580 §9.1, draft-ietf-openpgp-pqc, LibrePGP §9.1
    };
    const auto c = GENERATE(Case{"subkey-algo35", "ML-KEM-768+X25519"}, Case{"subkey-algorithm-25", "X25519"},
                            Case{"subkey-algorithm-100", "algorithm 100"}, Case{"subkey-kyber", "Kyber"},
                            Case{"subkey-v5", "v5 ECDH"}, Case{"subkey-v6", "v6 X25519"},
                            Case{"subkey-unknown-curve", "ECDH on an unknown curve"});
    CAPTURE(c.file);
    const auto judged = accepted(odd(c.file));
    REQUIRE(judged.encryption_keys.size() == 1);
    CHECK(judged.encryption_keys[0].algorithm == "cv25519");
    CHECK(warns_of(judged, c.name));
    const auto plain = accepted(odd("classic")).encryption_keys.at(0).algorithm;
    CHECK(plain == "cv25519");
    // With what is in the keyring already, good or spoiled by an earlier version of Lockbox.
    CHECK(usable_keys(accepted(odd(c.file), odd(c.file))) == 1);
}

TEST_CASE("A certificate with nothing but what is unknown is refused by name", "[crypto]") {
    CHECK(why_refused(odd("only-algorithm-35")).find("ML-KEM-768+X25519") != std::string::npos);
    CHECK(why_refused(odd("primary-algorithm-30")).find("ML-DSA-65+Ed25519") != std::string::npos);
    CHECK(why_refused(odd("only-algorithm-35")).find("undefined") == std::string::npos);
    CHECK(usable_keys(accepted(odd("signature-v9"))) == 1); // GnuPG would stop at it
}

TEST_CASE("A revocation counts wherever it stands", "[crypto]") {
    CHECK(accepted(odd("revoked-at-end")).revoked);
    CHECK(accepted(odd("revocation-behind-unknown-subkey")).revoked);
    const auto user_id = accepted(odd("uid-revocation-behind-other-uid"));
    REQUIRE(user_id.user_ids.size() == 2);
    for (const auto& each : user_id.user_ids) {
        CHECK(each.revoked == (each.address == "quin-v@example.org"));
    }
    const auto subkey = accepted(odd("subkey-revocation-behind-other-subkey"));
    CHECK(subkey.encryption_keys.size() == 2);
    CHECK(usable_keys(subkey) == 1);
    CHECK_FALSE(subkey.encryption_keys.at(1).revoked); // it stood behind this one
}

TEST_CASE("A revocation that stands alone is judged with the certificate that it is for", "[crypto]") {
    const auto key = armored("rev-key");
    const auto revocation = armored("rev-cert");
    const auto material = mail::split_keys(revocation);
    REQUIRE(material.has_value());
    REQUIRE(material->keys.size() == 1);
    CHECK(material->keys[0].bare_revocation);
    const auto issuer = openpgp_revocation_issuer(revocation);
    REQUIRE(issuer.has_value());
    CHECK(issuer->fingerprint == "8BA02B91A8E6B6D71C80EDD24E211549D230EB8C"); // gpg --list-packets
    CHECK(issuer->key_id == "4E211549D230EB8C");
    const auto known = accepted(key).certificate.bytes;
    CHECK_FALSE(accepted(key).revoked);
    CHECK(accepted(revocation, known).revoked);
    CHECK(why_refused(revocation).find("no such certificate is in the keyring") != std::string::npos);

    const auto two = accepted(odd("two-encryption-subkeys")).certificate.bytes;
    const auto subkey = accepted(odd("subkey-revocation-alone"), two);
    CHECK_FALSE(subkey.revoked);
    CHECK(usable_keys(subkey) == 1);
    const auto names = accepted(odd("two-user-ids")).certificate.bytes;
    const auto user_id = accepted(odd("user-id-revocation-alone"), names);
    CHECK(std::count_if(user_id.user_ids.begin(), user_id.user_ids.end(), [](const UserId& each) {
              return each.revoked && each.address == "quin-v@example.org";
          }) == 1);
}

TEST_CASE("A revocation that is not the owner's revokes nothing, and that is said", "[crypto]") {
    const auto known = accepted(odd("classic")).certificate.bytes;
    CHECK(why_refused(odd("forged-revocation"), known).find("revokes nothing") != std::string::npos);
    CHECK(why_refused(armored("rev-cert"), known).find("revokes nothing") != std::string::npos);
    CHECK_FALSE(accepted(odd("revoked-by-stranger")).revoked);
}

TEST_CASE("A designated revoker is believed where the certificate of that one is at hand", "[crypto]") {
    const auto bytes = odd("revoked-by-revoker");
    const auto revoker = accepted(odd("revoker"));
    CHECK(openpgp_revokers_on(bytes) == std::vector{revoker.certificate.fingerprint});
    CHECK(openpgp_revokers_on(odd("classic")).empty());
    CHECK(openpgp_revokers_on(odd("revoked-by-stranger")).empty()); // nobody has named that one
    const auto without = accepted(bytes);
    CHECK_FALSE(without.revoked);
    CHECK(warns_of(without, revoker.certificate.fingerprint));
    CHECK(accepted(bytes, {}, {revoker.certificate.bytes}).revoked);
    CHECK(
        accepted(without.certificate.bytes, {}, {revoker.certificate.bytes}).revoked); // it is kept for that
}

TEST_CASE("RSA with numbers that nobody makes is left out as a subkey and refused as a primary key",
          "[crypto]") {
    const auto judged = accepted(odd("exponent-1-beside-good"));
    REQUIRE(judged.encryption_keys.size() == 1);
    CHECK(judged.encryption_keys[0].algorithm == "cv25519");
    CHECK(warns_of(judged, "exponent"));
    CHECK(why_refused(odd("exponent-1-primary")).find("exponent") != std::string::npos);
}

TEST_CASE("Too many names are refused before GnuPG sees them", "[crypto]") {
    CHECK(why_refused(odd("many-user-ids")).find("251 User IDs") != std::string::npos);
}

TEST_CASE("An additional decryption subkey is warned of and not sealed to", "[crypto]") {
    const auto judged = accepted(odd("additional-decryption-subkey"));
    CHECK(judged.encryption_keys.size() == 1);
    CHECK(warns_of(judged, "archive cannot open the mail"));
    CHECK(judged.warnings.size() == 1);
}

TEST_CASE("Putting in order changes nothing of what is in order", "[crypto]") {
    const auto name = GENERATE(as<std::string>{}, "alice", "bob", "two-subkeys", "revoked", "elgamal", "sha1",
                               "p256", "brainpool");
    const auto bytes = test::openpgp(name);
    CHECK((arrange_openpgp(bytes).bytes == bytes));
    CHECK(arrange_openpgp("no packet").bytes.empty());
    CHECK(arrange_openpgp({}).bytes.empty());
}

TEST_CASE("A certificate is certified by whoever has signed its User ID, and by nobody else", "[crypto]") {
    const auto certifier = accepted(odd("classic")); // not the one that certifies
    const auto quin = accepted(odd("two-encryption-subkeys")).certificate.bytes;
    const auto now = Time(std::chrono::seconds(1735689600 + 30 * 86400));
    const auto later = Time(std::chrono::seconds(1735689600 + 400LL * 86400));
    const std::string address = "renewed@example.org";
    CHECK(openpgp_certified_by(odd("certified"), quin, address, now));
    CHECK(openpgp_certified_by(odd("certified-for-a-year"), quin, address, now));
    CHECK_FALSE(openpgp_certified_by(odd("certified-for-a-year"), quin, address, later));
    CHECK_FALSE(openpgp_certified_by(odd("certified"), quin, "other@example.org", now));
    CHECK_FALSE(openpgp_certified_by(odd("certified"), certifier.certificate.bytes, address, now));
    for (const auto* name :
         {"certified-by-other", "certified-wrongly", "certification-revoked", "certified-other-user-id"}) {
        CAPTURE(name);
        CHECK_FALSE(openpgp_certified_by(odd(name), quin, address, now));
    }
    CHECK(openpgp_certified_by(odd("certified-other-user-id"), quin, "other@example.org", now));
    CHECK_FALSE(openpgp_certified_by(quin, quin, "quin@example.org", now));
    CHECK_FALSE(openpgp_certified_by("no certificate", quin, address, now));
}

TEST_CASE("keyboxd is found in a common.conf", "[crypto]") {
    CHECK(asks_for_keyboxd("# nothing\nuse-keyboxd\n"));
    CHECK(asks_for_keyboxd("  use-keyboxd"));
    CHECK_FALSE(asks_for_keyboxd("#use-keyboxd\nno-autostart\n"));
    CHECK_FALSE(asks_for_keyboxd(""));
}
