#include "crypto/openpgp_judge.hpp"
#include "tests/support/data.hpp"

using namespace lockbox;
using namespace lockbox::crypto;
using lockbox::test::openpgp;

namespace {

JudgedCertificate accepted(std::string_view bytes, std::string_view known = {}) {
    auto judgement = judge_openpgp(bytes, known);
    if (const auto* refusal = std::get_if<Refusal>(&judgement)) {
        FAIL("refused: " << refusal->reason);
    }
    return std::get<JudgedCertificate>(std::move(judgement));
}

Refusal refused(std::string_view bytes) {
    auto judgement = judge_openpgp(bytes);
    REQUIRE(std::holds_alternative<Refusal>(judgement));
    return std::get<Refusal>(std::move(judgement));
}

/// A packet with a new-format header and a five-octet length (RFC 9580 §4.2.1).
std::string packet(unsigned tag, const std::string& body) {
    std::string bytes(1, static_cast<char>(0xc0U | tag));
    bytes += '\xff';
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
        bytes += static_cast<char>((body.size() >> shift) & 0xffU);
    }
    return bytes + body;
}

} // namespace

TEST_CASE("A certificate comes out with what GnuPG says of it", "[crypto]") {
    const auto judged = accepted(openpgp("alice"));
    CHECK(judged.certificate.fingerprint == openpgp_fingerprint(openpgp("alice")));
    CHECK(judged.algorithm == "ed25519");
    CHECK(judged.created == std::chrono::sys_days(std::chrono::year(2026) / 1 / 1));
    CHECK_FALSE(judged.expires.has_value());
    CHECK_FALSE(judged.revoked);
    REQUIRE(judged.user_ids.size() == 1);
    CHECK(judged.user_ids[0].text == "Alice Example <alice@example.org>");
    CHECK(judged.user_ids[0].address == "alice@example.org");
    REQUIRE(judged.encryption_keys.size() == 1);
    CHECK(judged.encryption_keys[0].algorithm == "cv25519");
    CHECK(judged.warnings.empty());
}

TEST_CASE("The canonical form is stable: judging it again changes nothing", "[crypto]") {
    const auto name = GENERATE(as<std::string>{}, "alice", "bob", "two-subkeys", "revoked-user-id");
    const auto once = accepted(openpgp(name));
    const auto twice = accepted(once.certificate.bytes, once.certificate.bytes);
    CHECK(twice.certificate.bytes == once.certificate.bytes);
}

TEST_CASE("Expiry and revocation are reported, not decided upon", "[crypto]") {
    const auto expired = accepted(openpgp("expired"));
    CHECK(expired.expires == std::chrono::sys_days(std::chrono::year(2021) / 1 / 1));
    CHECK(accepted(openpgp("revoked")).revoked);
    const auto subkey = accepted(openpgp("subkey-expired"));
    CHECK_FALSE(subkey.expires.has_value());
    REQUIRE(subkey.encryption_keys.size() == 1);
    CHECK(subkey.encryption_keys[0].expires == std::chrono::sys_days(std::chrono::year(2021) / 1 / 1));
}

TEST_CASE("A revocation survives an older copy of the same certificate", "[crypto]") {
    const auto revoked = accepted(openpgp("revoked"));
    CHECK(accepted(openpgp("before-revocation"), revoked.certificate.bytes).revoked);
}

TEST_CASE("A renewed certificate keeps the later expiry, whichever copy comes last", "[crypto]") {
    const auto later = std::chrono::sys_days(std::chrono::year(2091) / 1 / 1);
    const auto before = accepted(openpgp("renewal-before"));
    const auto after = accepted(openpgp("renewal-after"));
    CHECK(accepted(openpgp("renewal-after"), before.certificate.bytes).expires == later);
    CHECK(accepted(openpgp("renewal-before"), after.certificate.bytes).expires == later);
}

TEST_CASE("The mailbox of a User ID is the one in angle brackets, not one in the name", "[crypto]") {
    const auto judged = accepted(openpgp("misleading"));
    REQUIRE(judged.user_ids.size() == 1);
    CHECK(judged.user_ids[0].address == "evil@example.net");
}

TEST_CASE("A revoked User ID is marked", "[crypto]") {
    const auto judged = accepted(openpgp("revoked-user-id"));
    REQUIRE(judged.user_ids.size() == 2);
    for (const auto& user_id : judged.user_ids) {
        CHECK(user_id.revoked == (user_id.address == "gone@example.org"));
    }
}

TEST_CASE("SHA-1 self-signatures are a warning", "[crypto]") {
    const auto judged = accepted(openpgp("sha1"));
    REQUIRE(judged.warnings.size() == 1);
    CHECK(judged.warnings[0].find("SHA-1") != std::string::npos);
}

TEST_CASE("What is no certificate to seal to is refused with its reason", "[crypto]") {
    struct Case {
        std::string bytes;
        std::string reason;
    };
    const auto alice = openpgp("alice");
    std::string flood = alice;
    for (unsigned i = 0; i <= certificate_signatures_max; ++i) {
        flood += packet(mail::packet_tag::signature, "\x04\x10\x01\x08");
    }
    const auto c = GENERATE_COPY(
        Case{openpgp("sign-only"), "no encryption subkey"}, Case{openpgp("weak"), "weak: rsa1024"},
        Case{openpgp("alice.secret"), "secret key"},
        Case{alice + packet(mail::packet_tag::user_attribute, std::string(certificate_octets_max, 'x')),
             "oversized"},
        Case{flood, "flooded"},
        Case{packet(mail::packet_tag::public_key, std::string("\x06", 1) + std::string(50, 'k')),
             "unsupported version"},
        Case{packet(mail::packet_tag::public_key, std::string("\x03", 1) + std::string(50, 'k')),
             "unsupported version"},
        Case{"not a packet at all", "not an OpenPGP certificate"}, Case{"", "not an OpenPGP certificate"},
        Case{alice + openpgp("bob"), "not an OpenPGP certificate"});
    CAPTURE(c.reason);
    CHECK(refused(c.bytes).reason.find(c.reason) != std::string::npos);
}

TEST_CASE("A certificate whose self-signature was changed is refused, and says whose it claims to be",
          "[crypto]") {
    auto bytes = openpgp("alice");
    mail::PacketReader reader(bytes);
    std::size_t at = 0;
    while (const auto next = reader.next()) {
        at += next->whole.size();
        if (next->tag == mail::packet_tag::signature) {
            break;
        }
    }
    bytes[at - 1] ^= 1; // the last octet of the first signature
    const auto refusal = refused(bytes);
    CHECK(refusal.reason.find("GnuPG accepts none of its User IDs") != std::string::npos);
    CHECK(refusal.fingerprint == openpgp_fingerprint(openpgp("alice")));
    REQUIRE(refusal.user_ids.size() == 1);
    CHECK(refusal.user_ids[0] == "Alice Example <alice@example.org>");
}

TEST_CASE("A subkey that is not bound is dropped", "[crypto]") {
    // Alice's primary key and User ID with Bob's subkey behind them.
    const auto take = [](const std::string& bytes, bool subkeys) {
        std::string taken;
        bool in_subkey = false;
        mail::PacketReader reader(bytes);
        while (const auto next = reader.next()) {
            in_subkey = in_subkey || next->tag == mail::packet_tag::public_subkey;
            if (in_subkey == subkeys) {
                taken += next->whole;
            }
        }
        return taken;
    };
    const auto mixed = take(openpgp("alice"), false) + take(openpgp("bob"), true);
    CHECK(refused(mixed).reason.find("no encryption subkey") != std::string::npos);
}
