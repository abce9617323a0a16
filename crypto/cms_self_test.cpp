#include "base/error.hpp"
#include "crypto/cms_seal.hpp"
#include "crypto/openssl_handles.hpp"

#include <fmt/format.h>
#include <openssl/ec.h>

#include <array>
#include <string>

namespace lockbox::crypto {
namespace {

struct ThrowAwayKey {
    EvpKey key;
    X509Handle certificate;
};

ThrowAwayKey make_throw_away_key() {
    ThrowAwayKey made{EvpKey(EVP_EC_gen("P-256")), X509Handle(X509_new())};
    auto* const certificate = made.certificate.get();
    check_openssl(made.key != nullptr && certificate != nullptr, "making a key for the self-test");
    constexpr long an_hour = 3600;
    check_openssl(X509_set_version(certificate, X509_VERSION_3) == 1 &&
                      ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
                      X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != nullptr &&
                      X509_gmtime_adj(X509_getm_notAfter(certificate), an_hour) != nullptr &&
                      X509_set_pubkey(certificate, made.key.get()) == 1 &&
                      X509_sign(certificate, made.key.get(), EVP_sha256()) > 0,
                  "making a certificate for the self-test");
    return made;
}

[[noreturn]] void fail(std::string_view what) {
    throw Error(ErrorKind::engine,
                fmt::format("{} does not pass its self-test: {}", cms_engine_version(), what));
}

std::string decrypt(const ThrowAwayKey& key, const std::string& cms) {
    const auto input = bio_reading(cms);
    const CmsContent content(d2i_CMS_bio(input.get(), nullptr));
    const auto output = bio_collecting();
    if (!content || CMS_decrypt(content.get(), key.key.get(), key.certificate.get(), nullptr, output.get(),
                                CMS_BINARY) != 1) {
        fail(take_openssl_error());
    }
    return collected(output.get());
}

} // namespace

void self_test_cms() {
    const auto key = make_throw_away_key();
    Certificate certificate;
    certificate.protocol = Protocol::smime;
    certificate.bytes = der_of(key.certificate.get());
    certificate.fingerprint = x509_fingerprint(certificate.bytes);
    std::string text;
    for (unsigned i = 0; i < 10'000; ++i) {
        text += static_cast<char>(i * 37U);
    }
    CmsSealer sealer;
    for (const auto encryption : {ContentEncryption::aes256_cbc, ContentEncryption::aes256_gcm}) {
        certificate.content_encryption = encryption;
        const auto recipients = Recipients::from({certificate});
        const std::array<std::string_view, 1> pieces{text};
        std::string cms;
        sealer.encrypt(recipients.value(), pieces, [&](std::string_view bytes) { cms += bytes; });
        if (cms.find(text.substr(0, 64)) != std::string::npos) {
            fail("what it should have encrypted can be read");
        }
        if (decrypt(key, cms) != text) {
            fail("what it encrypted does not decrypt to the same bytes");
        }
    }
}

} // namespace lockbox::crypto
