// The self-test of S/MIME: what is written is trusted, and checked.
#include "base/error.hpp"
#include "crypto/cms_seal.hpp"
#include "crypto/openssl_handles.hpp"
#include "crypto/self_test_key.hpp"
#include "mail/ber.hpp"

#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace lockbox::crypto {
namespace {

namespace ber = mail::ber;

struct Reader {
    EvpKey key;
    X509Handle x509;
    Certificate certificate;
};

Reader make_reader(EvpKey key, long serial_number) {
    Reader made{std::move(key), X509Handle(X509_new()), {}};
    auto* const certificate = made.x509.get();
    check_openssl(made.key != nullptr && certificate != nullptr, "making a key for the self-test");
    constexpr long an_hour = 3600;
    check_openssl(X509_set_version(certificate, X509_VERSION_3) == 1 &&
                      ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial_number) == 1 &&
                      X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != nullptr &&
                      X509_gmtime_adj(X509_getm_notAfter(certificate), an_hour) != nullptr &&
                      X509_set_pubkey(certificate, made.key.get()) == 1 &&
                      X509_sign(certificate, made.key.get(), EVP_sha256()) > 0,
                  "making a certificate for the self-test");
    made.certificate.protocol = Protocol::smime;
    made.certificate.bytes = der_of(certificate);
    made.certificate.fingerprint = x509_fingerprint(made.certificate.bytes);
    return made;
}

[[noreturn]] void fail(std::string_view what) {
    throw Error(ErrorKind::engine,
                fmt::format("{} does not pass its self-test: {}", cms_engine_version(), what));
}

std::string encrypt(CmsSealer& sealer, const Recipients& recipients, std::string_view text) {
    const std::array<std::string_view, 2> pieces{text.substr(0, text.size() / 3),
                                                 text.substr(text.size() / 3)};
    std::string cms;
    sealer.encrypt(recipients, pieces, [&](std::string_view bytes) { cms += bytes; });
    return cms;
}

std::string decrypt(const Reader& reader, const std::string& cms) {
    const auto input = bio_reading(cms);
    const CmsContent content(d2i_CMS_bio(input.get(), nullptr));
    const auto output = bio_collecting();
    if (!content || CMS_decrypt(content.get(), reader.key.get(), reader.x509.get(), nullptr, output.get(),
                                CMS_BINARY) != 1) {
        fail(take_openssl_error());
    }
    return collected(output.get());
}

/// What is to be another in each message.
struct Fresh {
    std::string key; ///< empty: nobody with an RSA key reads the message
    std::string iv;
    std::string ciphertext;
};

std::string_view needed(std::optional<std::string_view> element) {
    if (!element) {
        fail("it does not write the structure of RFC 5652");
    }
    return *element;
}

std::string content_key(EVP_PKEY* rsa_key, std::string_view encrypted) {
    const EvpKeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, rsa_key, nullptr));
    std::string key(static_cast<std::size_t>(EVP_PKEY_get_size(rsa_key)), '\0');
    std::size_t octets = key.size();
    if (!context || EVP_PKEY_decrypt_init(context.get()) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_decrypt(context.get(), octets_of(key), &octets, octets_of(encrypted), encrypted.size()) !=
            1) {
        fail(take_openssl_error());
    }
    key.resize(octets);
    return key;
}

/// RFC 5652 §3, §6.1, §6.2.1 and RFC 5083 §2.1.
Fresh fresh_parts(std::string_view cms, EVP_PKEY* rsa_key) {
    constexpr unsigned content_tag = 0x80; // encryptedContent [0] IMPLICIT
    Fresh fresh;
    ber::Reader outer(cms);
    ber::Reader content_info(needed(outer.take(ber::sequence)));
    (void)needed(content_info.take(ber::object_identifier));
    ber::Reader content(needed(content_info.take(ber::content)));
    ber::Reader enveloped(needed(content.take(ber::sequence)));
    (void)needed(enveloped.take(ber::integer));
    for (ber::Reader infos(needed(enveloped.take(ber::set))); infos.at(ber::sequence);) {
        ber::Reader transport(needed(infos.take(ber::sequence)));
        (void)needed(transport.take(ber::integer));
        (void)needed(transport.take(ber::sequence));
        (void)needed(transport.take(ber::sequence));
        fresh.key = content_key(rsa_key, needed(transport.take(ber::octet_string)));
    }
    ber::Reader encrypted(needed(enveloped.take(ber::sequence)));
    (void)needed(encrypted.take(ber::object_identifier));
    ber::Reader algorithm(needed(encrypted.take(ber::sequence)));
    (void)needed(algorithm.take(ber::object_identifier));
    // RFC 5084 §3.2: GCM's nonce is in a SEQUENCE with the length of the tag.
    ber::Reader parameters(algorithm.at(ber::sequence) ? needed(algorithm.take(ber::sequence))
                                                       : algorithm.rest());
    fresh.iv = needed(parameters.take(ber::octet_string));
    fresh.ciphertext = needed(encrypted.take(content_tag));
    return fresh;
}

void test(std::span<const Reader* const> readers, EVP_PKEY* rsa_key, ContentEncryption encryption,
          std::string_view text) {
    std::vector<Certificate> certificates;
    for (const auto* reader : readers) {
        certificates.push_back(reader->certificate);
        certificates.back().content_encryption = encryption;
    }
    const auto recipients = Recipients::from(std::move(certificates));
    CmsSealer sealer;
    const std::array<std::string, 2> messages{encrypt(sealer, recipients.value(), text),
                                              encrypt(sealer, recipients.value(), text)};
    for (const auto& cms : messages) {
        if (cms.find(text.substr(0, 64)) != std::string::npos) {
            fail("what it should have encrypted can be read");
        }
        for (const auto* reader : readers) {
            if (decrypt(*reader, cms) != text) {
                fail("what it encrypted does not decrypt to the same bytes");
            }
        }
    }
    const auto first = fresh_parts(messages[0], rsa_key);
    const auto second = fresh_parts(messages[1], rsa_key);
    if (!first.key.empty() && first.key == second.key) {
        fail("two messages have the same key");
    }
    if (first.iv == second.iv) {
        fail("two messages have the same initialization vector");
    }
    if (first.ciphertext == second.ciphertext) {
        fail("two messages have the same ciphertext");
    }
}

} // namespace

void self_test_cms() {
    const auto rsa = make_reader(self_test_rsa_key(), 1);
    const auto ec = make_reader(EvpKey(EVP_EC_gen("P-256")), 2);
    std::string text;
    for (unsigned i = 0; i < 10'000; ++i) {
        text += static_cast<char>(i * 37U);
    }
    for (const auto encryption : {ContentEncryption::aes256_cbc, ContentEncryption::aes256_gcm}) {
        test(std::array{&rsa}, rsa.key.get(), encryption, text);
        test(std::array{&ec}, rsa.key.get(), encryption, text);
        test(std::array{&rsa, &ec}, rsa.key.get(), encryption, text);
    }
}

} // namespace lockbox::crypto
