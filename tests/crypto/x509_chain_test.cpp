// Each refusal on both ways that a chain is judged: of somebody whom mail is sealed to, and of one who signs.
#include "crypto/cms_verify.hpp"
#include "crypto/x509_chain.hpp"
#include "crypto/x509_judge.hpp"
#include "tests/support/data.hpp"

#include <openssl/pem.h>

using namespace lockbox;
using namespace lockbox::crypto;
using lockbox::test::data;
using lockbox::test::test_now;

namespace {

TrustedAuthorities root() {
    return TrustedAuthorities::load({std::string(LOCKBOX_TEST_DATA) + "/x509/root.pem"});
}

/// Bob's certificate and what is above it, in DER.
std::vector<std::string> certificates(const std::string& name) {
    const auto bio_text = data("x509/" + name + ".pem");
    const auto bio = bio_reading(bio_text);
    std::vector<std::string> found;
    while (const X509Handle certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
        found.push_back(der_of(certificate.get()));
    }
    REQUIRE_FALSE(found.empty());
    return found;
}

Judgement judged(const std::string& name, bool vouched = false) {
    const auto trusted = root();
    auto above = certificates(name);
    const auto bob = above.front();
    above.erase(above.begin());
    X509Options options{&trusted, std::move(above), {}, false};
    if (vouched) {
        options.vouched_for.push_back(x509_fingerprint(bob));
    }
    return judge_x509(bob, options, test_now);
}

CmsSignature verified(const std::string& name, Time now = test_now) {
    const auto signatures =
        verify_detached(data("x509/entity"), data("x509/" + name + ".p7s"), {root(), nullptr}, now);
    REQUIRE(signatures.size() == 1);
    return signatures.front();
}

X509Chain built(const std::string& name) {
    const auto found = certificates(name);
    const auto bob = x509_from_der(found.front());
    return build_chain(bob.get(), stack_of(found).get(), root(), test_now);
}

} // namespace

TEST_CASE("Chains with nothing against them are good for sealing and for signing", "[crypto]") {
    const auto name = GENERATE(as<std::string>{}, "good", "good-pss", "good-ec", "good-dsa", "good-brainpool",
                               "printable", "renewed");
    CAPTURE(name);
    CHECK(std::holds_alternative<JudgedCertificate>(judged(name)));
    const auto signature = verified(name);
    CAPTURE(signature.summary);
    CHECK(signature.good);
    CHECK(signature.chain == ChainState::good);
    CHECK_FALSE(built(name).problem);
    CHECK(built(name).issuers.size() == 2);
}

TEST_CASE("Each fault of a chain is refused for sealing and for signing, with the one to blame", "[crypto]") {
    struct Case {
        std::string name;
        ChainFault fault;
        std::string blamed;
        std::string words;
        ChainState state;
    };
    const auto c = GENERATE(
        Case{"unknown", ChainFault::unknown_authority, "CN=Other Root,O=Other", "neither trusted nor at hand",
             ChainState::unknown_authority},
        Case{"unknown-root", ChainFault::unknown_authority, "CN=Other Root,O=Other",
             "unknown CA: nothing says", ChainState::unknown_authority},
        Case{"missing-issuer", ChainFault::unknown_authority, "CN=Issuer good,O=Example",
             "neither trusted nor at hand", ChainState::unknown_authority},
        Case{"self-signed", ChainFault::self_signed, "CN=Bob", "self-signed", ChainState::unknown_authority},
        Case{"weak-signature", ChainFault::weak_signature, "CN=Bob", "weak: the signature on 'CN=Bob'",
             ChainState::broken},
        Case{"weak-signature-on-issuer", ChainFault::weak_signature,
             "CN=Issuer weak-signature-on-issuer,O=Example", "weak: the signature on 'CN=Issuer",
             ChainState::broken},
        Case{"weak-rsa-issuer", ChainFault::weak_key, "CN=Issuer weak-rsa-issuer,O=Example",
             "its RSA key has 1024 bit, fewer than 2048", ChainState::broken},
        Case{"weak-pss-issuer", ChainFault::weak_key, "CN=Issuer weak-pss-issuer,O=Example",
             "its RSA key has 1024 bit, fewer than 2048", ChainState::broken},
        Case{"weak-ec-issuer", ChainFault::weak_key, "CN=Issuer weak-ec-issuer,O=Example",
             "its key has a strength of 80 bit, fewer than 112", ChainState::broken},
        Case{"weak-dsa-issuer", ChainFault::weak_key, "CN=Issuer weak-dsa-issuer,O=Example",
             "its key has a strength of 80 bit, fewer than 112", ChainState::broken},
        Case{"no-authority", ChainFault::not_an_authority, "CN=Issuer no-authority,O=Example",
             "is no certification authority", ChainState::wrong_use},
        Case{"no-basic-constraints", ChainFault::not_an_authority, "CN=Issuer no-basic-constraints,O=Example",
             "is no certification authority", ChainState::wrong_use},
        Case{"no-cert-sign", ChainFault::not_an_authority, "CN=Issuer no-cert-sign,O=Example",
             "is no certification authority", ChainState::wrong_use},
        Case{"issuer-not-for-mail", ChainFault::not_for_mail, "CN=Issuer issuer-not-for-mail,O=Example",
             "does not issue certificates for mail, but for: TLS Web Server Authentication",
             ChainState::wrong_use},
        Case{"issuer-critical-extension", ChainFault::unknown_extension,
             "CN=Issuer issuer-critical-extension,O=Example",
             "has a critical extension that is not understood", ChainState::broken},
        Case{"wrong-signature", ChainFault::wrong_signature, "CN=Bob",
             "the signature of 'CN=Issuer good,O=Example' on 'CN=Bob' is wrong", ChainState::broken},
        Case{"path-length", ChainFault::constraint, "CN=Issuer short,O=Example",
             "may not have so many authorities below it", ChainState::broken},
        Case{"name-constraints", ChainFault::constraint, "CN=Bob", "may not issue for", ChainState::broken});
    CAPTURE(c.name);
    const auto chain = built(c.name);
    REQUIRE(chain.problem);
    CAPTURE(chain.problem->words);
    CHECK(chain.problem->fault == c.fault);
    CHECK(chain.problem->subject == c.blamed);
    CHECK_THAT(chain.problem->words, test::contains_text(c.words));
    CHECK(chain.issuers.empty());

    const auto judgement = judged(c.name);
    REQUIRE(std::holds_alternative<Refusal>(judgement));
    CHECK(std::get<Refusal>(judgement).reason == chain.problem->words);
    CHECK(std::holds_alternative<JudgedCertificate>(judged(c.name, true))); // nobody else vouches then

    const auto signature = verified(c.name);
    CAPTURE(signature.summary);
    CHECK(signature.good); // the key has signed: whose that is, nobody says
    CHECK(signature.chain == c.state);
}

TEST_CASE("Faults of the certificate itself are refused on both ways, whoever vouches", "[crypto]") {
    struct Case {
        std::string name;
        std::string reason;
        ChainState state;
    };
    const auto c = GENERATE(
        Case{"critical-extension", "it has a critical extension that is not understood", ChainState::broken},
        Case{"not-for-mail",
             "its extended key usage does not allow mail: it is for TLS Web Server Authentication",
             ChainState::wrong_use});
    CAPTURE(c.name);
    for (const bool vouched : {false, true}) {
        const auto judgement = judged(c.name, vouched);
        REQUIRE(std::holds_alternative<Refusal>(judgement));
        CHECK(std::get<Refusal>(judgement).reason == c.reason);
    }
    CHECK(verified(c.name).chain == c.state);
}

TEST_CASE("Out of date is the certificate that is out of date, and its name is said", "[crypto]") {
    constexpr Time end = std::chrono::sys_days(std::chrono::year(2025) / 7 / 1);
    constexpr Time begin = std::chrono::sys_days(std::chrono::year(2080) / 1 / 1);
    SECTION("an issuer that has expired") {
        const auto judgement = judged("expired-issuer");
        REQUIRE(std::holds_alternative<JudgedCertificate>(judgement));
        const auto& certificate = std::get<JudgedCertificate>(judgement);
        CHECK(certificate.expires == end);
        const auto issuer = issuer_out_of_date(certificate.chain, test_now);
        REQUIRE(issuer);
        CHECK(issuer->subject == "CN=Issuer expired-issuer,O=Example");
        CHECK(issuer->expired);
        CHECK(issuer->when == end);
        CHECK_FALSE(issuer_out_of_date(certificate.chain, end));
        const auto signature = verified("expired-issuer");
        CHECK(signature.chain == ChainState::expired);
        CHECK_THAT(signature.summary,
                   test::contains_text("'CN=Issuer expired-issuer,O=Example', above its own, expired on "
                                       "2025-07-01"));
    }
    SECTION("one that is not valid yet") {
        const auto certificate = std::get<JudgedCertificate>(judged("future-issuer"));
        CHECK(certificate.created == begin);
        const auto issuer = issuer_out_of_date(certificate.chain, test_now);
        REQUIRE(issuer);
        CHECK_FALSE(issuer->expired);
        CHECK(verified("future-issuer").chain == ChainState::expired);
    }
    SECTION("the certificate itself") {
        const auto certificate = std::get<JudgedCertificate>(judged("expired"));
        CHECK(certificate.expires == end);
        CHECK_FALSE(issuer_out_of_date(certificate.chain, test_now));
        CHECK_THAT(verified("expired").summary, test::contains_text("its certificate expired on 2025-07-01"));
    }
    SECTION("not the authority that is trusted: of it only the key counts (RFC 5280 section 6.1.1)") {
        constexpr Time later = std::chrono::sys_days(std::chrono::year(2089) / 12 / 31);
        const auto chain = built("good").issuers;
        CHECK_FALSE(issuer_out_of_date(chain, later));
        CHECK_FALSE(issuer_out_of_date({chain.back()}, later + std::chrono::hours(24 * 366)));
    }
}

TEST_CASE("A signature by a weak key proves nothing", "[crypto]") {
    const auto signatures =
        verify_detached(data("x509/entity"), data("x509/weak-signer.p7s"), {root(), nullptr}, test_now);
    REQUIRE(signatures.size() == 1);
    CHECK_FALSE(signatures.front().good);
    CHECK_THAT(signatures.front().summary,
               test::contains_text("weak: its key has a strength of 80 bit, fewer than 112"));
}
