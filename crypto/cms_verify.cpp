#include "crypto/cms_verify.hpp"

#include "base/error.hpp"
#include "crypto/cms_form.hpp"
#include "crypto/cms_signer.hpp"
#include "crypto/public_key_check.hpp"
#include "crypto/x509_addresses.hpp"
#include "crypto/x509_chain.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>

namespace lockbox::crypto {
namespace {

// --------------------------------------------------------------------------------------------- certificates

/// RFC 8550 §4.4.2 and §4.4.4.
bool may_sign_mail(X509* certificate) {
    const auto usage = X509_get_key_usage(certificate); // all bits where there is no such extension
    return (usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) != 0 && is_for_mail(certificate);
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
    const auto validity = validity_of(certificate);
    if (!validity) {
        return "the dates of its certificate cannot be read";
    }
    if (now < validity->begins) {
        return fmt::format("its certificate is not valid before {}", format_date(validity->begins));
    }
    if (validity->ends && *validity->ends < now) {
        return fmt::format("its certificate expired on {}", format_date(*validity->ends));
    }
    return {};
}

Judged judged_problem(const ChainProblem& problem) {
    switch (problem.fault) {
    case ChainFault::self_signed:
    case ChainFault::unknown_authority:
        return {ChainState::unknown_authority,
                "its certificate comes from an authority that is not among yours"};
    case ChainFault::not_an_authority:
    case ChainFault::not_for_mail:
        return {ChainState::wrong_use, fmt::format("but {}", problem.words)};
    case ChainFault::weak_signature:
    case ChainFault::weak_key:
    case ChainFault::wrong_signature:
    case ChainFault::constraint:
    case ChainFault::unknown_extension:
    case ChainFault::damaged:
    case ChainFault::other:
        break;
    }
    return {ChainState::broken, fmt::format("the chain of its certificate is broken: {}", problem.words)};
}

/// The chain is good, but for dates.
Judged judged_dates(const X509* signer, const X509Chain& chain, Time now) {
    if (auto words = validity_in_words(signer, now); !words.empty()) {
        return {ChainState::expired, std::move(words)};
    }
    if (const auto issuer = issuer_out_of_date(chain.issuers, now)) {
        return {ChainState::expired,
                fmt::format("the certificate of '{}', above its own, {} {}", issuer->subject,
                            issuer->expired ? "expired on" : "is not valid before",
                            format_date(issuer->when))};
    }
    return {ChainState::good, "its chain is good"};
}

Judged judge_chain(X509* signer, STACK_OF(X509) * others, const Authorities& authorities, Time now) {
    const auto chain = build_chain(signer, others, authorities.trusted, now);
    RevocationStatus revocation;
    // Whoever has stolen a key uses it for as long as he likes: this comes before dates and uses.
    if (!chain.problem && authorities.revocations != nullptr) {
        revocation = authorities.revocations->status(der_of(signer), chain.issuers);
        if (revocation.revoked) {
            return {ChainState::revoked,
                    fmt::format("but its certificate, or one above it, was revoked on {}",
                                format_date(*revocation.revoked))};
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
    auto judged = chain.problem ? judged_problem(*chain.problem) : judged_dates(signer, chain, now);
    if (!revocation.unknown.empty()) {
        judged.words += fmt::format("; but {}", revocation.unknown);
    }
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
    if (const auto why = why_key_is_bad(key)) {
        signature.summary = fmt::format("the signature proves nothing: {}", *why);
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
