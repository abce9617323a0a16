#include "crypto/x509_bundle.hpp"

#include "base/error.hpp"
#include "crypto/cms_signer.hpp"
#include "crypto/openssl_handles.hpp"
#include "crypto/x509_addresses.hpp"
#include "crypto/x509_judge.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <limits>

namespace lockbox::crypto {
namespace {

constexpr unsigned nested_contents_max = 4; // of PKCS#12, which allows for contents in contents

void free_pkcs7s(STACK_OF(PKCS7) * contents) noexcept {
    sk_PKCS7_pop_free(contents, PKCS7_free);
}
void free_bags(STACK_OF(PKCS12_SAFEBAG) * bags) noexcept {
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
}
using Pkcs12Handle = Handle<PKCS12, PKCS12_free>;
using Pkcs7Stack = Handle<STACK_OF(PKCS7), free_pkcs7s>;
using BagStack = Handle<STACK_OF(PKCS12_SAFEBAG), free_bags>;
using Pbes2 = Handle<PBE2PARAM, PBE2PARAM_free>;
using Pbkdf2 = Handle<PBKDF2PARAM, PBKDF2PARAM_free>;
using Pbe = Handle<PBEPARAM, PBEPARAM_free>;
using IssuerAndSerial = Handle<PKCS7_ISSUER_AND_SERIAL, PKCS7_ISSUER_AND_SERIAL_free>;

CmsContent signed_data_from(std::string_view bytes) {
    if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
        return {};
    }
    const auto bio = bio_reading(bytes);
    CmsContent content(d2i_CMS_bio(bio.get(), nullptr));
    const bool is_signed = content && OBJ_obj2nid(CMS_get0_type(content.get())) == NID_pkcs7_signed;
    ERR_clear_error();
    return is_signed ? std::move(content) : CmsContent();
}

void add(X509Certificates& certificates, X509* certificate) {
    if (certificates.size() == bundle_certificates_max) {
        throw Error(ErrorKind::too_large,
                    fmt::format("there are more than {} certificates in it", bundle_certificates_max),
                    "import them in several files");
    }
    certificates.push_back(der_of(certificate));
}

X509Certificates certificates_of(CMS_ContentInfo* content) {
    const X509Stack stack(CMS_get1_certs(content));
    X509Certificates certificates;
    const int count = stack ? sk_X509_num(stack.get()) : 0;
    for (int i = 0; i < count; ++i) {
        add(certificates, sk_X509_value(stack.get(), i));
    }
    ERR_clear_error();
    return certificates;
}

template <typename Value>
Value* parameter(const X509_ALGOR* algorithm, const ASN1_ITEM* item) {
    return algorithm != nullptr ? static_cast<Value*>(ASN1_TYPE_unpack_sequence(item, algorithm->parameter))
                                : nullptr;
}

/// How often a passphrase is to be hashed; nullopt: that cannot be read.
std::optional<long> rounds_of(const X509_ALGOR* algorithm) {
    const ASN1_INTEGER* rounds = nullptr;
    Pbkdf2 pbkdf2;
    Pbe pbe;
    if (OBJ_obj2nid(algorithm->algorithm) == NID_pbes2) {
        const Pbes2 pbes2(parameter<PBE2PARAM>(algorithm, ASN1_ITEM_rptr(PBE2PARAM)));
        if (pbes2 && OBJ_obj2nid(pbes2->keyfunc->algorithm) == NID_id_pbkdf2) {
            pbkdf2.reset(parameter<PBKDF2PARAM>(pbes2->keyfunc, ASN1_ITEM_rptr(PBKDF2PARAM)));
            rounds = pbkdf2 ? pbkdf2->iter : nullptr;
        }
    } else {
        pbe.reset(parameter<PBEPARAM>(algorithm, ASN1_ITEM_rptr(PBEPARAM)));
        rounds = pbe ? pbe->iter : nullptr;
    }
    ERR_clear_error();
    return rounds != nullptr ? std::optional(ASN1_INTEGER_get(rounds)) : std::nullopt;
}

/// OpenSSL with the ciphers that only old files are encrypted with. They are in a context of their own:
/// nothing else may be encrypted with them because of a PKCS#12 file.
class OldCiphers {
public:
    OldCiphers()
        : context_(OSSL_LIB_CTX_new()), standard_(OSSL_PROVIDER_load(context_.get(), "default")),
          legacy_(OSSL_PROVIDER_load(context_.get(), "legacy")) {
        check_openssl(context_ != nullptr && standard_ != nullptr, "preparing to read PKCS#12");
        ERR_clear_error(); // without the legacy provider, newer files can still be read
    }
    [[nodiscard]] OSSL_LIB_CTX* context() const noexcept { return context_.get(); }

private:
    Handle<OSSL_LIB_CTX, OSSL_LIB_CTX_free> context_;
    Handle<OSSL_PROVIDER, OSSL_PROVIDER_unload> standard_;
    Handle<OSSL_PROVIDER, OSSL_PROVIDER_unload> legacy_;
};

/// OpenSSL has no such cipher or digest: nothing is known of the passphrase.
bool is_missing_algorithm(unsigned long error) {
    return ERR_GET_REASON(error) == ERR_R_UNSUPPORTED ||
           (ERR_GET_LIB(error) == ERR_LIB_EVP && (ERR_GET_REASON(error) == EVP_R_UNSUPPORTED_ALGORITHM ||
                                                  ERR_GET_REASON(error) == EVP_R_UNSUPPORTED_CIPHER ||
                                                  ERR_GET_REASON(error) == EVP_R_UNKNOWN_CIPHER ||
                                                  ERR_GET_REASON(error) == EVP_R_UNKNOWN_PBE_ALGORITHM));
}

/// The bags of an encrypted content whose passphrase is empty: some write none for that, some one of no
/// characters.
BagStack unlocked(const PKCS7* content) {
    const auto* sealed = content->d.encrypted;
    if (sealed == nullptr || sealed->enc_data == nullptr || sealed->enc_data->algorithm == nullptr ||
        sealed->enc_data->enc_data == nullptr) {
        return {};
    }
    const auto rounds = rounds_of(sealed->enc_data->algorithm);
    if (!rounds || *rounds < 1 || *rounds > passphrase_rounds_max) {
        return {};
    }
    static const OldCiphers ciphers;
    for (const char* passphrase : {static_cast<const char*>(nullptr), ""}) {
        constexpr int wipe = 1;
        if (BagStack bags{static_cast<STACK_OF(PKCS12_SAFEBAG)*>(PKCS12_item_decrypt_d2i_ex(
                sealed->enc_data->algorithm, ASN1_ITEM_rptr(PKCS12_SAFEBAGS), passphrase, 0,
                sealed->enc_data->enc_data, wipe, ciphers.context(), nullptr))}) {
            return bags;
        }
        check_openssl(!is_missing_algorithm(ERR_peek_error()) && !is_missing_algorithm(ERR_peek_last_error()),
                      "opening a PKCS#12 file that is encrypted with an old cipher");
        ERR_clear_error();
    }
    return {};
}

void take_certificates(const STACK_OF(PKCS12_SAFEBAG) * bags, Pkcs12Contents& contents, unsigned depth) {
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); ++i) {
        const auto* bag = sk_PKCS12_SAFEBAG_value(bags, i);
        const int kind = PKCS12_SAFEBAG_get_nid(bag);
        if (kind == NID_certBag) {
            if (const X509Handle certificate{PKCS12_SAFEBAG_get1_cert(bag)}) {
                add(contents.certificates, certificate.get());
            }
        } else if (kind == NID_safeContentsBag && depth < nested_contents_max) {
            take_certificates(PKCS12_SAFEBAG_get0_safes(bag), contents, depth + 1);
        }
    }
}

bool is_issuer_and_serial_of(const X509* certificate, const PKCS7_ISSUER_AND_SERIAL* wanted) {
    return X509_NAME_cmp(X509_get_issuer_name(certificate), wanted->issuer) == 0 &&
           ASN1_INTEGER_cmp(X509_get0_serialNumber(certificate), wanted->serial) == 0;
}

/// It is of the same subject, and for an address that `signer` is for, too.
bool is_of_the_same_person(const X509* certificate, const X509* signer) {
    const auto signers = addresses_of(signer);
    const auto addresses = addresses_of(certificate);
    return X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_subject_name(signer)) == 0 &&
           std::find_first_of(addresses.begin(), addresses.end(), signers.begin(), signers.end()) !=
               addresses.end();
}

/// The certificate to encrypt to that travels beside the one that signed. nullopt: there is none.
std::optional<std::string> beside(const X509* signer, const X509Certificates& among) {
    std::optional<std::string> found;
    std::optional<Time> found_begins;
    for (const auto& der : among) {
        const auto certificate = x509_from_der(der);
        if (!certificate || !is_of_the_same_person(certificate.get(), signer) ||
            is_authority(certificate.get()) || !may_be_encrypted_to(certificate.get())) {
            continue;
        }
        const auto begins = time_of(X509_get0_notBefore(certificate.get()));
        if (!found || found_begins < begins) {
            found = der;
            found_begins = begins;
        }
    }
    return found;
}

/// The octets of a signed attribute's only value.
std::optional<std::string> attribute_of(const CMS_SignerInfo* signer, int nid) {
    const int at = CMS_signed_get_attr_by_NID(signer, nid, -1);
    auto* attribute = at >= 0 ? CMS_signed_get_attr(signer, at) : nullptr;
    const auto* value = attribute != nullptr && X509_ATTRIBUTE_count(attribute) == 1
                            ? X509_ATTRIBUTE_get0_type(attribute, 0)
                            : nullptr;
    if (value == nullptr || (value->type != V_ASN1_SEQUENCE && value->type != V_ASN1_OTHER)) {
        return std::nullopt;
    }
    const auto* octets = value->value.asn1_string;
    return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(octets)),
                       static_cast<std::size_t>(ASN1_STRING_length(octets)));
}

/// The certificate that the signer names for encryption. nullopt: none.
std::optional<std::string> preferred(const CMS_SignerInfo* signer, const X509Certificates& among) {
    auto value = attribute_of(signer, NID_id_smime_aa_encrypKeyPref);
    constexpr char issuer_and_serial = '\xa0'; // [0] IMPLICIT IssuerAndSerialNumber
    if (!value || value->empty() || value->front() != issuer_and_serial) {
        return std::nullopt;
    }
    value->front() = V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED;
    const auto* at = reinterpret_cast<const unsigned char*>(value->data());
    const IssuerAndSerial wanted(d2i_PKCS7_ISSUER_AND_SERIAL(nullptr, &at, static_cast<long>(value->size())));
    ERR_clear_error();
    for (const auto& der : among) {
        const auto certificate = x509_from_der(der);
        if (wanted && certificate && is_issuer_and_serial_of(certificate.get(), wanted.get())) {
            return der;
        }
    }
    return std::nullopt;
}

std::string to_encrypt_to(const CMS_SignerInfo* info, X509* signer, const X509Certificates& among) {
    if (auto named = preferred(info, among)) {
        return *std::move(named);
    }
    if (!may_be_encrypted_to(signer)) {
        if (auto other = beside(signer, among)) {
            return *std::move(other);
        }
    }
    return der_of(signer);
}

void free_algorithms(X509_ALGORS* algorithms) noexcept {
    sk_X509_ALGOR_pop_free(algorithms, X509_ALGOR_free);
}

std::optional<ContentEncryption> content_encryption_of(const CMS_SignerInfo* signer) {
    const auto value = attribute_of(signer, NID_SMIMECapabilities);
    if (!value) {
        return std::nullopt;
    }
    const auto* at = reinterpret_cast<const unsigned char*>(value->data());
    const Handle<X509_ALGORS, free_algorithms> listed(
        d2i_X509_ALGORS(nullptr, &at, static_cast<long>(value->size())));
    ERR_clear_error();
    if (!listed) {
        return std::nullopt;
    }
    for (int i = 0; i < sk_X509_ALGOR_num(listed.get()); ++i) {
        if (OBJ_obj2nid(sk_X509_ALGOR_value(listed.get(), i)->algorithm) == NID_aes_256_gcm) {
            return ContentEncryption::aes256_gcm;
        }
    }
    return ContentEncryption::aes256_cbc;
}

} // namespace

std::optional<X509Certificates> certificates_in_pkcs7(std::string_view bytes) {
    const auto content = signed_data_from(bytes);
    return content ? std::optional(certificates_of(content.get())) : std::nullopt;
}

bool has_signers(std::string_view bytes) {
    const auto content = signed_data_from(bytes);
    return content && sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(content.get())) > 0;
}

std::optional<Pkcs12Contents> certificates_in_pkcs12(std::string_view bytes) {
    const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
    const Pkcs12Handle file(d2i_PKCS12(nullptr, &at, static_cast<long>(bytes.size())));
    const Pkcs7Stack safes(file ? PKCS12_unpack_authsafes(file.get()) : nullptr);
    ERR_clear_error();
    if (!safes) {
        return std::nullopt;
    }
    Pkcs12Contents contents;
    for (int i = 0; i < sk_PKCS7_num(safes.get()); ++i) {
        auto* safe = sk_PKCS7_value(safes.get(), i);
        const int kind = OBJ_obj2nid(safe->type);
        BagStack bags;
        if (kind == NID_pkcs7_data) {
            bags.reset(PKCS12_unpack_p7data(safe));
        } else if (kind == NID_pkcs7_encrypted) {
            bags = unlocked(safe);
            contents.locked = contents.locked || !bags;
        }
        if (bags) {
            take_certificates(bags.get(), contents, 0);
        }
    }
    ERR_clear_error();
    return contents;
}

std::optional<std::string> trusted_certificate(std::string_view bytes) {
    const auto* at = octets_of(bytes);
    const auto* const end = at + bytes.size();
    const X509Handle certificate(d2i_X509_AUX(nullptr, &at, static_cast<long>(bytes.size())));
    ERR_clear_error();
    return certificate && at == end ? std::optional(der_of(certificate.get())) : std::nullopt;
}

Signers verify_signers(std::string_view signed_data, std::optional<std::string_view> detached) {
    const auto content = signed_data_from(signed_data);
    if (!content) {
        throw Error(ErrorKind::malformed, "the S/MIME signature cannot be read");
    }
    const auto what = detached ? bio_reading(*detached) : BioHandle();
    const auto sink = BioHandle(BIO_new(BIO_s_null()));
    constexpr unsigned how = CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY;
    if (CMS_verify(content.get(), nullptr, nullptr, what.get(), sink.get(), how) != 1) {
        throw Error(ErrorKind::malformed,
                    fmt::format("the S/MIME signature is wrong, or the message was changed: {}",
                                take_openssl_error()));
    }
    Signers signers;
    const auto all = certificates_of(content.get());
    auto* infos = CMS_get0_SignerInfos(content.get());
    for (int i = 0; i < sk_CMS_SignerInfo_num(infos); ++i) {
        auto* info = sk_CMS_SignerInfo_value(infos, i);
        X509* signer = nullptr;
        CMS_SignerInfo_get0_algs(info, nullptr, &signer, nullptr, nullptr);
        if (signer == nullptr) {
            continue;
        }
        auto& certificate = signers.certificates.emplace_back();
        certificate.bytes = to_encrypt_to(info, signer, all);
        if (const auto reads = content_encryption_of(info)) {
            certificate.capabilities = SignerCapabilities{*reads, der_of(signer), signing_time(info)};
        }
    }
    ERR_clear_error();
    if (signers.certificates.empty()) {
        throw Error(ErrorKind::malformed,
                    "the S/MIME signature does not have its signer's certificate with it");
    }
    std::copy_if(all.begin(), all.end(), std::back_inserter(signers.others), [&](const std::string& der) {
        return std::none_of(signers.certificates.begin(), signers.certificates.end(),
                            [&](const SignerCertificate& certificate) { return certificate.bytes == der; });
    });
    return signers;
}

} // namespace lockbox::crypto
