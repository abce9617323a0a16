#include "crypto/cms_recipient.hpp"

#include "base/error.hpp"
#include "crypto/der.hpp"
#include "crypto/public_key.hpp"
#include "mail/ber.hpp"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/objects.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include <optional>
#include <utility>

namespace lockbox::crypto {
namespace {

namespace ber = mail::ber;
using namespace std::string_view_literals;

/// CMSVersion of a RecipientInfo: RFC 5652 §6.2.1 and §6.2.2.
constexpr auto transport_version = "\0"sv;
constexpr auto agree_version = "\3"sv;

constexpr unsigned key_agreement = ber::content | 1U;        // RecipientInfo: kari [1]
constexpr unsigned originator = ber::content;                // originator [0] EXPLICIT
constexpr unsigned originator_key = ber::content | 1U;       // OriginatorIdentifierOrKey: originatorKey [1]
constexpr unsigned supplied_public_info = ber::content | 2U; // ECC-CMS-SharedInfo: suppPubInfo [2] EXPLICIT
constexpr unsigned bit_string = 0x03;
constexpr unsigned null = 0x05;

/// An element whose contents are several.
template <typename... Parts>
std::string joined(unsigned tag, const Parts&... parts) {
    std::string contents;
    (contents.append(parts), ...);
    return der::element(tag, contents);
}

std::string issuer_and_serial_number(const X509* certificate) {
    return joined(ber::sequence, written_by(i2d_X509_NAME, X509_get_issuer_name(certificate)),
                  written_by(i2d_ASN1_INTEGER, X509_get0_serialNumber(certificate)));
}

/// Encryption with a public key of RSA, which can be done again and again.
EvpKeyContext rsa_encryption(EVP_PKEY* key, std::string_view doing) {
    EvpKeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    check_openssl(context != nullptr && EVP_PKEY_encrypt_init(context.get()) == 1 &&
                      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1,
                  doing);
    return context;
}

/// Generation of keys on the curve of `key`.
EvpKeyContext generation_beside(EVP_PKEY* key, std::string_view doing) {
    EvpKeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    check_openssl(context != nullptr && EVP_PKEY_keygen_init(context.get()) == 1, doing);
    return context;
}

/// A certificate as far as it is needed.
struct ReadCertificate {
    EvpKey key;
    std::string identifier; ///< IssuerAndSerialNumber
};

/// The next element whole, of whatever tag.
std::optional<std::string_view> whole_element(ber::Reader& reader, unsigned tag) {
    const auto octets = reader.at(tag) ? ber::extent(reader.rest()) : std::nullopt;
    const auto whole = reader.rest().substr(0, octets.value_or(0));
    return octets && reader.skip(tag) ? std::optional(whole) : std::nullopt;
}

/// RSAPublicKey (RFC 8017 §A.1.1). Null: it is none.
EvpKey read_rsa_key(std::string_view der, std::string_view doing) {
    ber::Reader outer(der);
    const auto contents = outer.take(ber::sequence);
    ber::Reader numbers(contents.value_or(""));
    const auto modulus = numbers.take(ber::integer);
    const auto exponent = numbers.take(ber::integer);
    const auto is_positive = [](std::string_view number) {
        return !number.empty() && (static_cast<unsigned char>(number.front()) & 0x80U) == 0;
    };
    const bool read = modulus && exponent && outer.rest().empty() && numbers.rest().empty() &&
                      is_positive(*modulus) && is_positive(*exponent);
    return read ? rsa_public_key(*modulus, *exponent, doing) : EvpKey();
}

/// SubjectPublicKeyInfo (RFC 5280 §4.1.2.7, RFC 3279 §2.3.1, RFC 5480 §2). Null: it is none, or of another
/// algorithm or curve.
EvpKey read_key(ber::Reader& certified, std::string_view doing) {
    ber::Reader info(certified.take(ber::sequence).value_or(""));
    ber::Reader algorithm(info.take(ber::sequence).value_or(""));
    const auto identifier = algorithm.take(ber::object_identifier).value_or("");
    const auto bits = info.take(bit_string).value_or("");
    constexpr char no_unused_bits = 0;
    if (bits.empty() || bits.front() != no_unused_bits || !info.rest().empty()) {
        return {};
    }
    constexpr auto rsa_encryption = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"sv;
    constexpr auto ec_public_key_identifier = "\x2a\x86\x48\xce\x3d\x02\x01"sv;
    if (identifier == rsa_encryption) {
        return read_rsa_key(bits.substr(1), doing);
    }
    const auto* const curve = identifier == ec_public_key_identifier
                                  ? named_curve(algorithm.take(ber::object_identifier).value_or(""))
                                  : nullptr;
    return curve != nullptr && algorithm.rest().empty() ? ec_public_key(*curve, bits.substr(1), doing)
                                                        : EvpKey();
}

/// What is common, in a tenth of the time that OpenSSL takes to read a whole certificate (RFC 5280 §4.1),
/// which judged it when it was imported. nullopt: it is not common, or it is none.
std::optional<ReadCertificate> read_certificate(std::string_view der, std::string_view doing) {
    ber::Reader outer(der);
    if (ber::extent(der) != der.size() || !outer.enter(ber::sequence)) {
        return std::nullopt;
    }
    ber::Reader certified(outer.take(ber::sequence).value_or(""));
    const bool has_version = certified.skip(ber::content);
    const auto serial = whole_element(certified, ber::integer);
    const bool has_algorithm = certified.skip(ber::sequence);
    const auto issuer = whole_element(certified, ber::sequence);
    const bool has_validity_and_subject = certified.skip(ber::sequence) && certified.skip(ber::sequence);
    if (!has_version || !serial || !has_algorithm || !issuer || !has_validity_and_subject) {
        return std::nullopt;
    }
    auto key = read_key(certified, doing);
    return key ? std::optional(ReadCertificate{std::move(key), joined(ber::sequence, *issuer, *serial)})
               : std::nullopt;
}

ReadCertificate read_by_openssl(const Certificate& certificate, std::string_view doing) {
    const auto loaded = x509_from_der(certificate.bytes);
    if (!loaded) {
        throw Error(ErrorKind::malformed,
                    fmt::format("OpenSSL cannot read certificate {}", certificate.fingerprint));
    }
    EvpKey key(X509_get_pubkey(loaded.get()));
    check_openssl(key != nullptr, doing);
    if (EVP_PKEY_is_a(key.get(), "EC") == 1) {
        // Whether it is a point on its curve, which each message would be asked for otherwise, at the cost of
        // the agreement itself (SP 800-56A §5.6.2.3.3). Keys are written as the one that they are made
        // beside: uncompressed is what every reader takes (RFC 5480 §2.2), however the certificate has it.
        const EvpKeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
        check_openssl(
            context != nullptr && EVP_PKEY_public_check(context.get()) == 1 &&
                EVP_PKEY_set_utf8_string_param(key.get(), OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                               OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED) == 1,
            doing);
    }
    return {std::move(key), issuer_and_serial_number(loaded.get())};
}

/// SubjectPublicKey's octets: a point, as SEC 1 §2.3.3 writes it.
std::string public_point(EVP_PKEY* key, std::string_view doing) {
    unsigned char* bytes = nullptr;
    const auto octets = EVP_PKEY_get1_encoded_public_key(key, &bytes);
    check_openssl(octets > 0, doing);
    std::string point(reinterpret_cast<const char*>(bytes), octets);
    OPENSSL_free(bytes);
    return point;
}

/// What both sides know of the key that they agree upon: ECC-CMS-SharedInfo (RFC 5753 §7.2), without
/// entityUInfo.
std::string shared_info(const std::string& wrap_algorithm) {
    constexpr auto key_bits = "\0\0\1\0"sv; // 256, in four octets
    return joined(ber::sequence, wrap_algorithm,
                  der::element(supplied_public_info, der::element(ber::octet_string, key_bits)));
}

/// The key that `ephemeral` and `recipient` have in common (SEC 1 §3.6.1, ANSI X9.63 KDF with SHA-256).
void derive(EVP_PKEY* ephemeral, EVP_PKEY* recipient, std::string info, Aes256Key& key,
            std::string_view doing) {
    std::string kdf = OSSL_KDF_NAME_X963KDF;
    std::string digest = SN_sha256;
    std::size_t octets = key.octets.size();
    const std::array<OSSL_PARAM, 5> parameters{
        OSSL_PARAM_construct_utf8_string(OSSL_EXCHANGE_PARAM_KDF_TYPE, kdf.data(), 0),
        OSSL_PARAM_construct_utf8_string(OSSL_EXCHANGE_PARAM_KDF_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_size_t(OSSL_EXCHANGE_PARAM_KDF_OUTLEN, &octets),
        OSSL_PARAM_construct_octet_string(OSSL_EXCHANGE_PARAM_KDF_UKM, info.data(), info.size()),
        OSSL_PARAM_construct_end()};
    const EvpKeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, ephemeral, nullptr));
    std::size_t derived = key.octets.size();
    check_use_of_key(context != nullptr && EVP_PKEY_derive_init_ex(context.get(), parameters.data()) == 1 &&
                         EVP_PKEY_derive_set_peer_ex(context.get(), recipient, /*validate_peer=*/0) == 1 &&
                         EVP_PKEY_derive(context.get(), key.octets.data(), &derived) == 1 &&
                         derived == key.octets.size(),
                     doing);
}

} // namespace

CmsRecipient::CmsRecipient(const Certificate& certificate)
    : doing_(fmt::format("encrypting to certificate {}", certificate.fingerprint)) {
    auto read = read_certificate(certificate.bytes, doing_);
    if (!read) {
        read = read_by_openssl(certificate, doing_);
    }
    key_ = std::move(read->key);
    identifier_ = std::move(read->identifier);
    if (EVP_PKEY_is_a(key_.get(), "RSA") == 1) {
        context_ = rsa_encryption(key_.get(), doing_);
    } else if (EVP_PKEY_is_a(key_.get(), "EC") == 1) {
        context_ = generation_beside(key_.get(), doing_);
        agrees_ = true;
    } else {
        throw Error(ErrorKind::malformed, fmt::format("{}: its key is for neither RSA nor ECDH", doing_));
    }
}

std::string CmsRecipient::recipient_info(const Aes256Key& content_key) const {
    return agrees_ ? agree(content_key) : transport(content_key);
}

std::string CmsRecipient::transport(const Aes256Key& content_key) const {
    static const auto algorithm =
        joined(ber::sequence, der::object_identifier(NID_rsaEncryption), der::element(null, {}));
    std::string encrypted(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())), '\0');
    std::size_t octets = encrypted.size();
    check_use_of_key(EVP_PKEY_encrypt(context_.get(), reinterpret_cast<unsigned char*>(encrypted.data()),
                                      &octets, content_key.octets.data(), content_key.octets.size()) == 1,
                     doing_);
    encrypted.resize(octets);
    return joined(ber::sequence, der::element(ber::integer, transport_version), identifier_, algorithm,
                  der::element(ber::octet_string, encrypted));
}

std::string CmsRecipient::agree(const Aes256Key& content_key) const {
    // RFC 5753 §7.1.5: the parameters of AES key wrap are absent; §3.1.1: those of id-ecPublicKey may be.
    static const auto wrap_algorithm = joined(ber::sequence, der::object_identifier(NID_id_aes256_wrap));
    static const auto algorithm = joined(
        ber::sequence, der::object_identifier(NID_dhSinglePass_stdDH_sha256kdf_scheme), wrap_algorithm);
    static const auto originator_algorithm =
        joined(ber::sequence, der::object_identifier(NID_X9_62_id_ecPublicKey));

    EVP_PKEY* made = nullptr;
    const bool generated = EVP_PKEY_keygen(context_.get(), &made) == 1;
    const EvpKey ephemeral(made);
    check_openssl(generated, doing_);
    Aes256Key wrapping_key;
    derive(ephemeral.get(), key_.get(), shared_info(wrap_algorithm), wrapping_key, doing_);

    constexpr auto no_unused_bits = "\0"sv;
    const auto public_key = joined(originator_key, originator_algorithm,
                                   joined(bit_string, no_unused_bits, public_point(ephemeral.get(), doing_)));
    const auto encrypted_key = joined(
        ber::sequence, identifier_,
        der::element(ber::octet_string, aes_key_wrap(content_key.octets, wrapping_key.octets, doing_)));
    return joined(key_agreement, der::element(ber::integer, agree_version),
                  der::element(originator, public_key), algorithm,
                  der::element(ber::sequence, encrypted_key));
}

} // namespace lockbox::crypto
