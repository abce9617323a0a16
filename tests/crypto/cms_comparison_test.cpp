// What Lockbox writes beside what OpenSSL's CMS_encrypt() writes: the same, octet by octet, but for what is
// random.
#include "base/encoding.hpp"
#include "crypto/cms_seal.hpp"
#include "crypto/openssl_handles.hpp"
#include "tests/support/cms_parts.hpp"
#include "tests/support/smime_keys.hpp"

#include <openssl/core_names.h>

#include <array>
#include <string>
#include <vector>

using namespace lockbox;
using namespace lockbox::crypto;
using lockbox::test::SmimeKeys;
using lockbox::test::without_random;

namespace {

constexpr std::array ciphers{ContentEncryption::aes256_cbc, ContentEncryption::aes256_gcm};

/// The keys of all tests here: those of RSA take a while to make.
class Keys {
public:
    struct Kind {
        const char* name;
        const char* algorithm;
        const char* curve;
    };
    static constexpr std::array<Kind, 9> kinds{{
        {"rsa2048", "rsa:2048", ""},
        {"rsa3072", "rsa:3072", ""},
        {"rsa4096", "rsa:4096", ""},
        {"p256", "ec", "P-256"},
        {"p384", "ec", "P-384"},
        {"p521", "ec", "P-521"},
        {"bp256", "ec", "brainpoolP256r1"},
        {"bp384", "ec", "brainpoolP384r1"},
        {"bp512", "ec", "brainpoolP512r1"},
    }};

    static const SmimeKeys& all() {
        static const Keys made;
        return made.keys_;
    }

private:
    Keys() {
        for (const auto& kind : kinds) {
            keys_.make(kind.name, kind.algorithm, kind.curve);
        }
    }
    SmimeKeys keys_;
};

Recipients recipients(const SmimeKeys& keys, const std::vector<std::string>& names,
                      ContentEncryption encryption) {
    std::vector<Certificate> certificates;
    for (const auto& name : names) {
        certificates.push_back(keys.certificate(name, encryption));
    }
    return Recipients::from(std::move(certificates)).value();
}

std::string by_lockbox(const Recipients& to, std::string_view text) {
    CmsSealer sealer;
    const std::array<std::string_view, 2> pieces{text.substr(0, text.size() / 2),
                                                 text.substr(text.size() / 2)};
    std::string cms;
    sealer.encrypt(to, pieces, [&](std::string_view bytes) { cms += bytes; });
    return cms;
}

/// CMS_encrypt() with the choices of docs/formats.md that are not OpenSSL's own: the SHA-256 KDF for elliptic
/// curves. i2d_CMS_ContentInfo() writes DER where nothing was streamed.
std::string by_openssl(const Recipients& to, std::string_view text) {
    const auto* const cipher =
        to.content_encryption() == ContentEncryption::aes256_gcm ? EVP_aes_256_gcm() : EVP_aes_256_cbc();
    const CmsContent cms(CMS_encrypt(nullptr, nullptr, cipher, CMS_PARTIAL | CMS_BINARY));
    REQUIRE(cms);
    for (const auto& certificate : to.all()) {
        const auto x509 = x509_from_der(certificate.bytes);
        REQUIRE(x509);
        auto* const info = CMS_add1_recipient_cert(cms.get(), x509.get(), CMS_KEY_PARAM);
        REQUIRE(info != nullptr);
        if (CMS_RecipientInfo_type(info) == CMS_RECIPINFO_AGREE) {
            auto* const context = CMS_RecipientInfo_get0_pkey_ctx(info);
            REQUIRE(EVP_PKEY_CTX_set_ecdh_kdf_md(context, EVP_sha256()) == 1);
        }
    }
    const auto input = bio_reading(text);
    REQUIRE(CMS_final(cms.get(), input.get(), nullptr, CMS_BINARY) == 1);
    return written_by(i2d_CMS_ContentInfo, cms.get());
}

void check_the_same(const Recipients& to, const std::string& text) {
    CAPTURE(to_string(to.content_encryption()), text.size());
    const auto ours = by_lockbox(to, text);
    const auto theirs = by_openssl(to, text);
    CHECK(ours != theirs);
    CHECK(hex_encode(without_random(ours)) == hex_encode(without_random(theirs)));
}

} // namespace

TEST_CASE("CMS_encrypt() writes the same to one recipient, for every kind of key, cipher and length",
          "[crypto]") {
    const auto& keys = Keys::all();
    for (const auto encryption : ciphers) {
        for (const auto& kind : Keys::kinds) {
            CAPTURE(kind.name);
            const auto to = recipients(keys, {kind.name}, encryption);
            for (const std::size_t octets : {1U, 14U, 15U, 16U, 17U, 111U, 112U, 126U, 127U, 128U, 129U, 239U,
                                             240U, 254U, 255U, 256U, 65534U, 65535U, 65536U}) {
                check_the_same(to, std::string(octets, 'x'));
            }
        }
    }
}

TEST_CASE("CMS_encrypt() writes the same to several recipients", "[crypto]") {
    const auto& keys = Keys::all();
    for (const auto encryption : ciphers) {
        for (const auto& names : std::vector<std::vector<std::string>>{
                 {"rsa2048", "rsa4096"},
                 {"p256", "p384"},
                 {"p521", "bp512"},
                 {"rsa2048", "p256"},
                 {"bp256", "rsa3072"},
                 {"rsa2048", "rsa3072", "rsa4096", "p256", "p384", "p521"},
                 {"rsa2048", "p256", "p521", "bp256", "bp384", "bp512"},
             }) {
            CAPTURE(names);
            for (const std::size_t octets : {15U, 16U, 127U, 128U, 255U, 65535U}) {
                check_the_same(recipients(keys, names, encryption), std::string(octets, 'x'));
            }
        }
    }
}

TEST_CASE("CMS_encrypt() writes the same whether RSA or an elliptic curve is first", "[crypto]") {
    // Recipients are ordered by fingerprint, so each order needs certificates of its own. The version of an
    // EnvelopedData is 2 with either (RFC 5652 §6.1).
    SmimeKeys keys;
    keys.make("rsa", "rsa:2048");
    const auto rsa = keys.certificate("rsa", ContentEncryption::aes256_cbc);
    std::string before;
    std::string after;
    for (int i = 0; i < 100 && (before.empty() || after.empty()); ++i) {
        const auto name = "ec" + std::to_string(i);
        keys.make(name, "ec", "P-256");
        const auto ec = keys.certificate(name, ContentEncryption::aes256_cbc);
        (ec.fingerprint < rsa.fingerprint ? before : after) = name;
    }
    REQUIRE_FALSE(before.empty());
    REQUIRE_FALSE(after.empty());
    for (const auto encryption : ciphers) {
        for (const auto& ec : {before, after}) {
            const auto to = recipients(keys, {"rsa", ec}, encryption);
            CHECK((to.all().front().bytes == rsa.bytes) == (ec == after));
            check_the_same(to, "text");
        }
    }
}
