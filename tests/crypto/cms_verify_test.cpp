#include "base/error.hpp"
#include "crypto/cms_verify.hpp"
#include "mail/header.hpp"
#include "mail/layer.hpp"
#include "tests/support/data.hpp"
#include "tests/support/der.hpp"

#include <filesystem>
#include <fstream>

using namespace lockbox;
using namespace lockbox::crypto;
using lockbox::test::contains_text;
using lockbox::test::data;
using lockbox::test::Der;
using lockbox::test::test_now;
using lockbox::test::x509;

namespace {

/// What tests/data/smime/make.sh has signed.
constexpr std::string_view text = "Content-Type: text/plain\r\n\r\nSigned text.\r\n";

std::filesystem::path path_of(const std::string& name) {
    return std::filesystem::path(LOCKBOX_TEST_DATA) / "smime" / name;
}
Authorities authorities(const std::string& name = "root.pem") {
    return {TrustedAuthorities::load({path_of(name)}), nullptr};
}
constexpr Time in_year(int year) {
    return std::chrono::sys_days(std::chrono::year(year) / 6 / 1);
}

/// The SignedData of a message signed with application/pkcs7-mime, its text inside.
std::string opaque() {
    const auto message = mail::Message::parse(data("smime/signed-opaque.eml"));
    auto bytes = mail::signed_data_bytes(message.header, message.body);
    REQUIRE_FALSE(bytes.empty());
    return bytes;
}
struct Detached {
    std::string content;
    std::string signature;
};
Detached detached(const std::string& name) {
    const auto message = mail::Message::parse(data("smime/" + name));
    const auto entity = mail::signed_entity(message.header, message.body);
    REQUIRE(entity.has_value());
    return {std::string(entity->content), entity->signature};
}

CmsSignature only(const std::vector<CmsSignature>& signatures) {
    REQUIRE(signatures.size() == 1);
    return signatures.front();
}
CmsSignature verified(const std::string& signed_data, const Authorities& trusted, Time now = test_now) {
    const auto opened = verify_opaque(signed_data, trusted, now);
    REQUIRE(opened.has_value());
    return only(opened->signatures);
}

/// A SignedData in DER, taken apart.
struct SignedData {
    Der content_info;

    explicit SignedData(const std::string& cms) : content_info(Der::parse(cms)) {}
    std::vector<Der>& members() { return content_info.elements[1].elements[0].elements; }
    std::string& text() { return members()[2].elements[1].elements[0].octets; }
    std::vector<Der>& certificates() { return members()[3].elements; }
    std::vector<Der>& signers() { return members().back().elements; }
    [[nodiscard]] std::string encode() const { return content_info.encode(); }
};

} // namespace

TEST_CASE("A good signature tells who made it, for which address, and who vouches for that", "[crypto]") {
    const auto trusted = authorities();
    const auto opened = verify_opaque(opaque(), trusted, test_now);
    REQUIRE(opened.has_value());
    CHECK(opened->content == text);
    const auto signature = only(opened->signatures);
    CHECK(signature.good);
    CHECK(signature.chain == ChainState::good);
    CHECK(signature.chain == ChainState::good);
    CHECK(signature.fingerprint == x509_fingerprint(x509("alice")));
    CHECK(signature.subject == "CN=Alice M\xc3\xbcller,O=Example");
    CHECK(signature.signed_at.has_value());
    REQUIRE(signature.addresses.size() == 1);
    CHECK(signature.addresses.front().to_string() == "alice@example.org");
    CHECK(signature.summary == "good signature; its chain is good");

    const auto beside = detached("signed.eml");
    CHECK(beside.content == text);
    CHECK(only(verify_detached(beside.content, beside.signature, trusted, test_now)).chain ==
          ChainState::good);
}

TEST_CASE("Whom nobody vouches for has a good signature that proves no origin", "[crypto]") {
    struct Case {
        std::string authority; ///< empty: none
        Time now;
        ChainState state;
        std::string words;
    };
    const auto c =
        GENERATE(Case{"", test_now, ChainState::not_checked, "no authority was given"},
                 Case{"stranger.pem", test_now, ChainState::unknown_authority, "not among yours"},
                 Case{"root.pem", in_year(2089), ChainState::expired, "expired on 2088-01-01"},
                 Case{"root.pem", in_year(2025), ChainState::expired, "not valid before 2026-01-01"});
    const auto signature =
        verified(opaque(), c.authority.empty() ? Authorities() : authorities(c.authority), c.now);
    CHECK(signature.good);
    CHECK(signature.chain == c.state);
    CHECK_FALSE(signature.chain == ChainState::good);
    CHECK_THAT(signature.summary, contains_text(c.words));
    if (c.now == in_year(2089)) { // it was made when the certificate was valid, and only its maker says when
        CHECK_THAT(signature.summary, contains_text("its maker says that it was made on 20"));
    }
}

TEST_CASE("An authority may be an intermediate one, and the way to it may have to be there", "[crypto]") {
    CHECK(verified(opaque(), authorities("issuing.pem")).chain == ChainState::good);
    SignedData without(opaque());
    auto& certificates = without.certificates();
    std::erase_if(certificates, [](const Der& der) { return der.encode() == x509("issuing"); });
    REQUIRE(certificates.size() == 1);
    const auto signature = verified(without.encode(), authorities());
    CHECK(signature.good);
    CHECK(signature.chain == ChainState::unknown_authority);
}

TEST_CASE("Changed text has a bad signature, and is given as it is", "[crypto]") {
    const auto trusted = authorities();
    SignedData changed(opaque());
    changed.text().back() ^= 1;
    const auto opened = verify_opaque(changed.encode(), trusted, test_now);
    REQUIRE(opened.has_value());
    CHECK(opened->content == changed.text());
    const auto signature = only(opened->signatures);
    CHECK_FALSE(signature.good);
    CHECK_FALSE(signature.chain == ChainState::good);
    CHECK(signature.fingerprint == x509_fingerprint(x509("alice")));
    CHECK_THAT(signature.summary, contains_text("BAD signature"));

    const auto beside = detached("signed-changed.eml");
    CHECK_THAT(only(verify_detached(beside.content, beside.signature, trusted, test_now)).summary,
               contains_text("BAD signature"));
    SignedData attributes(opaque());
    auto& signed_attributes = attributes.signers()[0].elements[3];
    REQUIRE(signed_attributes.tag == 0xa0);
    signed_attributes.elements.pop_back(); // what it says beside the text is signed too
    CHECK_FALSE(verified(attributes.encode(), trusted).good);
}

TEST_CASE("A signature that brings a text of its own does not stand for the one beside it", "[crypto]") {
    const auto signature = only(verify_detached("Other text.\r\n", opaque(), authorities(), test_now));
    CHECK_FALSE(signature.good);
    CHECK_THAT(signature.summary, contains_text("brings another text"));
    // And a detached one has no text to show.
    CHECK_FALSE(verify_opaque(detached("signed.eml").signature, authorities(), test_now).has_value());
}

TEST_CASE("Several signers: one bad signature makes all bad", "[crypto]") {
    SignedData two(opaque());
    auto again = two.signers()[0];
    two.signers().push_back(again);
    const auto both = verify_opaque(two.encode(), authorities(), test_now);
    REQUIRE(both.has_value());
    REQUIRE(both->signatures.size() == 2);
    CHECK(both->signatures[0].good);
    CHECK(both->signatures[1].good);
    two.signers()[1].elements.back().octets.back() ^= 1;
    const auto one_bad = verify_opaque(two.encode(), authorities(), test_now);
    REQUIRE(one_bad.has_value());
    for (const auto& signature : one_bad->signatures) {
        CHECK_FALSE(signature.good);
    }
}

TEST_CASE("Without signer, certificate or form there is no good signature", "[crypto]") {
    const auto trusted = authorities();
    SignedData nobody(opaque());
    nobody.signers().clear();
    CHECK_THAT(verified(nobody.encode(), trusted).summary, contains_text("nobody's signature"));
    SignedData stranger(opaque());
    stranger.certificates() = {Der::parse(x509("p256"))};
    const auto signature = verified(stranger.encode(), trusted);
    CHECK_FALSE(signature.good);
    CHECK(signature.fingerprint.empty());
    CHECK_THAT(signature.summary, contains_text("certificate is not in the message"));

    const auto good = detached("signed.eml");
    for (const auto& damaged : {std::string(), good.signature.substr(0, good.signature.size() - 1),
                                good.signature + "x", data("smime/sealed-cbc.der")}) {
        CHECK_THAT(only(verify_detached(good.content, damaged, trusted, test_now)).summary,
                   contains_text("damaged"));
        CHECK_FALSE(verify_opaque(damaged, trusted, test_now).has_value());
    }
    // Transport adds line ends.
    CHECK(only(verify_detached(good.content, good.signature + "\r\n", trusted, test_now)).good);
}

TEST_CASE("Limits: more signers or certificates are not checked", "[crypto]") {
    const auto trusted = authorities();
    const auto refused = [&](SignedData& data) {
        const auto signature = verified(data.encode(), trusted);
        CHECK_FALSE(signature.good);
        CHECK_THAT(signature.summary, contains_text("too many"));
    };
    SignedData signers(opaque());
    const auto signer = signers.signers().front();
    signers.signers().assign(cms_signers_max + 1, signer);
    refused(signers);
    SignedData certificates(opaque());
    const auto certificate = certificates.certificates().front();
    certificates.certificates().assign(cms_certificates_max + 1, certificate);
    refused(certificates);
}
