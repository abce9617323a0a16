#include "crypto/cms_verify.hpp"

#include "base/error.hpp"
#include "crypto/cms_form.hpp"
#include "crypto/cms_signer.hpp"
#include "crypto/judgement.hpp"
#include "crypto/x509_addresses.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

namespace lockbox::crypto {
namespace {

using StoreContext = Handle<X509_STORE_CTX, X509_STORE_CTX_free>;

// --------------------------------------------------------------------------------------------- certificates

/// RFC 8550 §4.4.2 and §4.4.4.
bool may_sign_mail(X509* certificate) {
    const auto usage = X509_get_key_usage(certificate); // all bits where there is no such extension
    const auto extended = X509_get_extended_key_usage(certificate);
    return (usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) != 0 &&
           (extended & (XKU_SMIME | XKU_ANYEKU)) != 0;
}

/// Others can be made to have it, too (RFC 8551 Appendix B.2).
bool is_broken_digest(int nid) {
    return nid == NID_md2 || nid == NID_md4 || nid == NID_md5 || nid == NID_sha1;
}

struct Judged {
    ChainState state = ChainState::not_checked;
    std::string words;
};

std::string validity_in_words(const X509* certificate, Time now) {
    const auto from = time_of(X509_get0_notBefore(certificate));
    const auto until = time_of(X509_get0_notAfter(certificate));
    if (from && now < *from) {
        return fmt::format("its certificate is not valid before {}", format_date(*from));
    }
    if (until && now > *until) {
        return fmt::format("its certificate expired on {}", format_date(*until));
    }
    return {};
}

Judged judged_failure(int error) {
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return {ChainState::expired, "a certificate above its own is not valid now"};
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
        return {ChainState::unknown_authority,
                "its certificate comes from an authority that is not among yours"};
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_INVALID_PURPOSE:
        return {ChainState::wrong_use, "a certificate above its own is none of an authority for mail"};
    default:
        return {ChainState::broken, fmt::format("the chain of its certificate is broken: {}",
                                                X509_verify_cert_error_string(error))};
    }
}

/// The chain of a signer, to be verified.
StoreContext chain_of(X509* signer, STACK_OF(X509) * others, const Authorities& authorities) {
    StoreContext context(X509_STORE_CTX_new());
    check_openssl(context != nullptr &&
                      X509_STORE_CTX_init(context.get(), authorities.trusted.store(), signer, others) == 1,
                  "checking a chain");
    auto* parameters = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_depth(parameters, chain_length_max);
    // What somebody names is trusted, be it a root or not.
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
    return context;
}

/// A chain that leads to an authority, and one of whose certificates was revoked, be they valid now or not:
/// who has stolen a key may use it for as long as he likes.
std::optional<Time> revoked_since(X509* signer, STACK_OF(X509) * others, const Authorities& authorities) {
    if (authorities.revocations == nullptr) {
        return std::nullopt;
    }
    const auto context = chain_of(signer, others, authorities);
    X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(context.get()), X509_V_FLAG_NO_CHECK_TIME);
    if (X509_verify_cert(context.get()) != 1) {
        ERR_clear_error();
        return std::nullopt;
    }
    const auto* chain = X509_STORE_CTX_get0_chain(context.get());
    std::vector<std::string> above;
    for (int i = 1; i < sk_X509_num(chain); ++i) {
        above.push_back(der_of(sk_X509_value(chain, i)));
    }
    return authorities.revocations->revoked_since(der_of(sk_X509_value(chain, 0)), above);
}

Judged judge_chain(X509* signer, STACK_OF(X509) * others, const Authorities& authorities, Time now) {
    if (!authorities.trusted.empty()) {
        if (const auto revoked = revoked_since(signer, others, authorities)) {
            return {ChainState::revoked,
                    fmt::format("but its certificate, or one above it, was revoked on {}",
                                format_date(*revoked))};
        }
    }
    if (auto words = validity_in_words(signer, now); !words.empty()) {
        return {ChainState::expired, std::move(words)};
    }
    if (!may_sign_mail(signer)) {
        return {ChainState::wrong_use, "its certificate is not for signing mail"};
    }
    if (authorities.trusted.empty()) {
        return {ChainState::not_checked,
                "the chain of its certificate is not checked, for no authority was given"};
    }
    const auto context = chain_of(signer, others, authorities);
    X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context.get()),
                               static_cast<std::time_t>(now.time_since_epoch().count()));
    if (X509_verify_cert(context.get()) == 1) {
        return {ChainState::good, "its chain is good"};
    }
    auto judged = judged_failure(X509_STORE_CTX_get_error(context.get()));
    ERR_clear_error();
    return judged;
}

// ----------------------------------------------------------------------------------------------- signatures

CmsContent parse_signed(std::string_view bytes) {
    if (bytes.size() > cms_octets_max) {
        return {};
    }
    const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
    const auto* const end = at + bytes.size();
    CmsContent content(d2i_CMS_ContentInfo(nullptr, &at, static_cast<long>(bytes.size())));
    ERR_clear_error();
    // White space behind it is the transport's.
    const bool whole = content != nullptr && std::all_of(at, end, [](unsigned char octet) {
                           return octet == '\r' || octet == '\n';
                       });
    return whole && OBJ_obj2nid(CMS_get0_type(content.get())) == NID_pkcs7_signed ? std::move(content)
                                                                                  : CmsContent();
}

CmsSignature not_good(std::string_view summary) {
    CmsSignature signature;
    signature.summary = summary;
    return signature;
}

CmsSignature judge(CMS_SignerInfo* info, bool verified, STACK_OF(X509) * others,
                   const Authorities& authorities, Time now) {
    EVP_PKEY* key = nullptr;
    X509* certificate = nullptr;
    X509_ALGOR* digest = nullptr;
    CMS_SignerInfo_get0_algs(info, &key, &certificate, &digest, nullptr);
    if (certificate == nullptr) {
        return not_good("the signer's certificate is not in the message, so the signature is not checked");
    }
    CmsSignature signature;
    signature.fingerprint = x509_fingerprint(der_of(certificate));
    signature.subject = name_of(X509_get_subject_name(certificate));
    signature.addresses = addresses_of(certificate);
    signature.signed_at = signing_time(info);
    const ASN1_OBJECT* digest_type = nullptr;
    X509_ALGOR_get0(&digest_type, nullptr, nullptr, digest);
    if (!verified) {
        signature.summary = "BAD signature: these are not the bytes that were signed";
        return signature;
    }
    if (is_broken_digest(OBJ_obj2nid(digest_type))) {
        signature.summary = "the signature is made with a digest that is broken, and proves nothing";
        return signature;
    }
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
        EVP_PKEY_get_bits(key) < static_cast<int>(rsa_bits_min)) {
        signature.summary = fmt::format(
            "the signature is made with an RSA key of {} bits, and proves nothing", EVP_PKEY_get_bits(key));
        return signature;
    }
    signature.good = true;
    auto [state, words] = judge_chain(certificate, others, authorities, now);
    signature.chain = state;
    signature.summary = fmt::format("good signature; {}", words);
    const auto from = time_of(X509_get0_notBefore(certificate));
    const auto until = time_of(X509_get0_notAfter(certificate));
    if (state == ChainState::expired && signature.signed_at && from && until &&
        *from <= *signature.signed_at && *signature.signed_at <= *until) {
        signature.summary += fmt::format(" (its maker says that it was made on {}, when it was valid)",
                                         format_date(*signature.signed_at));
    }
    return signature;
}

std::vector<CmsSignature> verify(CMS_ContentInfo* content, BIO* detached, BIO* out,
                                 const Authorities& authorities, Time now) {
    auto* signers = CMS_get0_SignerInfos(content);
    const X509Stack certificates(CMS_get1_certs(content));
    ERR_clear_error();
    const auto count = sk_CMS_SignerInfo_num(signers);
    if (count < 1) {
        return {not_good("nobody's signature is in it")};
    }
    if (count > static_cast<int>(cms_signers_max) ||
        (certificates && sk_X509_num(certificates.get()) > static_cast<int>(cms_certificates_max))) {
        return {not_good("there are too many signers or certificates to check")};
    }
    // Chains are judged below, in words; this is about the bytes.
    const bool verified =
        CMS_verify(content, nullptr, nullptr, detached, out, CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) == 1;
    ERR_clear_error();
    (void)CMS_set1_signers_certs(content, nullptr, 0); // where CMS_verify() gave up before
    std::vector<CmsSignature> signatures;
    for (int i = 0; i < count; ++i) {
        signatures.push_back(
            judge(sk_CMS_SignerInfo_value(signers, i), verified, certificates.get(), authorities, now));
    }
    ERR_clear_error();
    return signatures;
}

} // namespace

std::vector<CmsSignature> verify_detached(std::string_view content, std::string_view signed_data,
                                          const Authorities& authorities, Time now) {
    const auto parsed = parse_signed(signed_data);
    if (!parsed) {
        return {not_good("the signature is damaged")};
    }
    // Content of its own beside the detached one would be verified instead of it.
    if (CMS_is_detached(parsed.get()) != 1) {
        return {not_good("the signature brings another text than the one it stands beside")};
    }
    const auto in = bio_reading(content);
    return verify(parsed.get(), in.get(), nullptr, authorities, now);
}

std::optional<OpaqueSigned> verify_opaque(std::string_view signed_data, const Authorities& authorities,
                                          Time now) {
    const auto parsed = parse_signed(signed_data);
    if (!parsed || OBJ_obj2nid(CMS_get0_eContentType(parsed.get())) != NID_pkcs7_data) {
        return std::nullopt;
    }
    auto* const* content = CMS_get0_content(parsed.get());
    if (content == nullptr || *content == nullptr) {
        ERR_clear_error();
        return std::nullopt;
    }
    OpaqueSigned result;
    result.content = text_of(*content);
    result.signatures = verify(parsed.get(), nullptr, nullptr, authorities, now);
    return result;
}

} // namespace lockbox::crypto
