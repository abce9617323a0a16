#include "base/error.hpp"
#include "crypto/openpgp_judge.hpp"
#include "crypto/openpgp_recipient.hpp"
#include "mail/openpgp_certificate.hpp"
#include "tests/support/data.hpp"

#include <sys/resource.h>

#include <csignal>

using namespace lockbox;
using namespace lockbox::crypto;
using lockbox::test::data;
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

/// tests/data/openpgp/odd/NAME: packets that no program writes.
std::string odd(const std::string& name) {
    return data("openpgp/odd/" + name + ".pgp");
}

Time at(std::int64_t seconds) {
    return Time(std::chrono::seconds(seconds));
}

std::vector<std::string> algorithms_of(const JudgedCertificate& judged) {
    std::vector<std::string> algorithms;
    for (const auto& key : judged.encryption_keys) {
        algorithms.push_back(key.algorithm);
    }
    return algorithms;
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

TEST_CASE("A weak subkey beside a good one is left out, and that is said", "[crypto]") {
    const auto judged = accepted(odd("weak-subkey-beside-good"));
    CHECK(algorithms_of(judged) == std::vector<std::string>{"cv25519"});
    REQUIRE(judged.warnings.size() == 1);
    CHECK(judged.warnings[0].find("is not used: rsa1024 is shorter than 2048 bit") != std::string::npos);
}

// What is right was computed from the packets as `gpg --list-packets` shows them: created 1735689600
// (2025-01-01).
TEST_CASE("Times are what the packets say, whatever GnuPG's clock and its 32 bits make of them", "[crypto]") {
    constexpr std::int64_t made = 1735689600;
    constexpr std::int64_t day = 86400;
    const auto far = accepted(odd("expires-after-2106")); // "key expires after 100y0d0h0m", on both keys
    CHECK(far.expires == at(made + 36500 * day));
    REQUIRE(far.encryption_keys.size() == 1);
    CHECK(far.encryption_keys[0].expires == at(made + 36500 * day));
    const auto parts = mail::certificate_parts(far.certificate.bytes); // the subkey is still on it
    CHECK(std::count_if(parts.begin(), parts.end(), [](const mail::CertificatePart& part) {
              return part.packet.tag == mail::packet_tag::public_subkey;
          }) == 1);
    const auto future = accepted(odd("future"));
    CHECK(future.created == at(made + 60 * 365 * day));
    REQUIRE(future.encryption_keys.size() == 1);
    CHECK(future.encryption_keys[0].created == at(made + 60 * 365 * day));
    const auto bound = accepted(odd("binding-expired")); // the signature ends, the key does not
    REQUIRE(bound.encryption_keys.size() == 1);
    CHECK(bound.encryption_keys[0].expires == at(made + 10 + day));
    CHECK_FALSE(accepted(odd("classic")).expires.has_value());
}

TEST_CASE("A User ID ends with the signature that binds it", "[crypto]") {
    const auto judged = accepted(odd("expired-user-id"));
    REQUIRE(judged.user_ids.size() == 2);
    for (const auto& user_id : judged.user_ids) {
        CAPTURE(user_id.text);
        const auto ends =
            user_id.address == "quin-old@example.org" ? std::optional(at(1735689610 + 86400)) : std::nullopt;
        CHECK(user_id.expires == ends);
    }
    CHECK(accepted(odd("user-id-ends-2090")).user_ids.at(0).expires == at(1735689610 + 65LL * 365 * 86400));
}

TEST_CASE("An expired certificate keeps its subkeys: a renewal may come without them", "[crypto]") {
    const auto judged = accepted(openpgp("expired"));
    REQUIRE(judged.encryption_keys.size() == 1);
    const auto parts = mail::certificate_parts(judged.certificate.bytes);
    CHECK(std::any_of(parts.begin(), parts.end(), [&](const mail::CertificatePart& part) {
        return part.packet.tag == mail::packet_tag::public_subkey &&
               openpgp_key_fingerprint(part.packet.body) == judged.encryption_keys[0].fingerprint;
    }));
}

TEST_CASE("A local part keeps its case", "[crypto]") {
    const auto armor = mail::dearmor(data("openpgp/odd/uppercase-local-part.asc"));
    REQUIRE(armor.has_value());
    CHECK(accepted(armor->bytes).user_ids.at(0).address == "Upper@example.org");
}

TEST_CASE("What cannot be imported again is an error, and no judgement without it", "[crypto]") {
    const auto alice = openpgp("alice");
    const auto damaged = openpgp("alice").substr(0, 30);
    CHECK_THROWS_AS(judge_openpgp(alice, damaged), Error);
}

// As with a full disk below $TMPDIR: what GnuPG and Lockbox write ends at some octet.
TEST_CASE("Without room for GnuPG to work in, a revocation is not lost but the judgement fails", "[crypto]") {
    const auto known = accepted(openpgp("revoked")).certificate.bytes;
    const auto older = openpgp("before-revocation");
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    auto* const handler = std::signal(SIGXFSZ, SIG_IGN); // GnuPG inherits it, and sees EFBIG
    std::size_t failed = 0;
    for (const rlim_t octets : {0U, 100U, 400U, 500U, 600U, 700U, 900U, 1200U, 1500U, 2000U, 3000U, 65000U}) {
        const rlimit full{octets, before.rlim_max};
        REQUIRE(setrlimit(RLIMIT_FSIZE, &full) == 0);
        std::optional<Judgement> judgement;
        std::optional<ErrorKind> kind;
        try {
            judgement = judge_openpgp(older, known);
        } catch (const Error& error) {
            kind = error.kind();
        }
        REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
        CAPTURE(octets);
        if (kind) {
            CHECK(kind == ErrorKind::io);
            ++failed;
            continue;
        }
        REQUIRE(std::holds_alternative<JudgedCertificate>(*judgement));
        CHECK(std::get<JudgedCertificate>(*judgement).revoked);
    }
    (void)std::signal(SIGXFSZ, handler);
    CHECK(failed > 3);
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
        Case{openpgp("sign-only"), "no encryption subkey"},
        Case{openpgp("weak"), "weak: rsa1024 is shorter than 2048 bit, and it is its primary key"},
        Case{odd("weak-primary"), "weak: rsa1024 is shorter than 2048 bit, and it is its primary key"},
        Case{odd("weak-subkey"), "weak: rsa1024 is shorter than 2048 bit"},
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

TEST_CASE("Judged together, certificates come out as each does alone", "[crypto]") {
    std::vector<std::string> offered;
    for (const auto* name : {"alice", "bob", "expired", "p256", "revoked", "sha1", "two-subkeys", "elgamal",
                             "renewal-after", "revoked-user-id", "subkey-expired", "misleading"}) {
        offered.push_back(openpgp(name));
    }
    std::vector<OpenPgpCandidate> candidates(offered.begin(), offered.end());
    const auto together = judge_openpgp_together(candidates);
    REQUIRE(together.size() == offered.size());
    for (std::size_t i = 0; i < offered.size(); ++i) {
        CAPTURE(i);
        const auto alone = accepted(offered[i]);
        REQUIRE(together[i].has_value());
        const auto& judged = std::get<JudgedCertificate>(*together[i]);
        CHECK(judged.certificate == alone.certificate);
        CHECK(judged.algorithm == alone.algorithm);
        CHECK(judged.created == alone.created);
        CHECK(judged.expires == alone.expires);
        CHECK(judged.revoked == alone.revoked);
        CHECK(judged.user_ids == alone.user_ids);
        CHECK(judged.encryption_keys == alone.encryption_keys);
        CHECK(judged.warnings == alone.warnings);
    }
}

TEST_CASE("What is not plain is left to be judged alone, and spoils nothing beside it", "[crypto]") {
    auto forged = openpgp("bob");
    forged[forged.find("bob@example.org")] = 'B'; // none of its User IDs is signed any more
    const auto alice = openpgp("alice");
    const auto p256 = openpgp("p256");
    const std::string garbage(300, '\x99');
    const auto judgements = judge_openpgp_together(std::vector<OpenPgpCandidate>{
        {forged, {}}, {garbage, {}}, {{}, {}}, {alice, {}}, {alice, {}}, {p256, {}}});
    REQUIRE(judgements.size() == 6);
    for (const std::size_t alone : {0U, 1U, 2U, 4U}) { // of two that are the same, one is enough
        CAPTURE(alone);
        CHECK_FALSE(judgements[alone].has_value());
    }
    const auto alone = accepted(p256).certificate;
    REQUIRE(judgements[5].has_value());
    CHECK(std::get<JudgedCertificate>(*judgements[5]).certificate == alone);
    // GnuPG breaks off at a packet that is not complete: what is behind it is not refused for that.
    const auto cut = openpgp("bob").substr(0, 900);
    const auto behind =
        judge_openpgp_together(std::vector<OpenPgpCandidate>{{alice, {}}, {cut, {}}, {p256, {}}})[2];
    CHECK((!behind || std::get<JudgedCertificate>(*behind).certificate == alone));
    CHECK(judge_openpgp_together({}).empty());
}

TEST_CASE("Judged together, a revocation that is known survives as well", "[crypto]") {
    const auto known = accepted(openpgp("revoked")).certificate.bytes;
    const auto older = openpgp("before-revocation");
    const auto alice = openpgp("alice");
    const auto judgements =
        judge_openpgp_together(std::vector<OpenPgpCandidate>{{alice, {}}, {older, known}});
    REQUIRE(judgements[1].has_value());
    CHECK(std::get<JudgedCertificate>(*judgements[1]).revoked);
    // What is known and cannot be read is no reason to judge without it.
    const auto damaged = known.substr(0, 30);
    CHECK_FALSE(
        judge_openpgp_together(std::vector<OpenPgpCandidate>{{alice, {}}, {older, damaged}})[1].has_value());
}
