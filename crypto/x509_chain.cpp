#include "crypto/x509_chain.hpp"

#include "crypto/public_key_check.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

namespace lockbox::crypto {
namespace {

/// 112 bit, as NIST SP 800-131A asks.
constexpr int security_level = 2;

using StoreContext = Handle<X509_STORE_CTX, X509_STORE_CTX_free>;

/// RFC 5280 §4.1.2.5: 99991231235959Z says that there is no end.
constexpr Time no_end =
    std::chrono::sys_days(std::chrono::year(9999) / 12 / 31) + std::chrono::seconds(86399);

/// Dates are the caller's business: here they only decide which issuer is preferred.
int pass_over_dates(int verified, X509_STORE_CTX* context) {
    const int error = X509_STORE_CTX_get_error(context);
    const bool date = error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID;
    return date ? 1 : verified;
}

/// One of `others` has signed the certificate. Null: none.
X509* signer_among(X509* certificate, const STACK_OF(X509) * others) {
    for (int i = 0; i < sk_X509_num(others); ++i) {
        auto* other = sk_X509_value(others, i);
        if (X509_NAME_cmp(X509_get_subject_name(other), X509_get_issuer_name(certificate)) == 0 &&
            X509_get0_pubkey(other) != nullptr && X509_verify(certificate, X509_get0_pubkey(other)) == 1) {
            return other;
        }
    }
    ERR_clear_error();
    return nullptr;
}

ChainProblem not_an_authority(const X509* certificate) {
    auto subject = name_of(X509_get_subject_name(certificate));
    auto words = fmt::format("'{}' in its chain is no certification authority", subject);
    return {ChainFault::not_an_authority, std::move(words), std::move(subject)};
}

ChainProblem weak_key(const X509* certificate) {
    auto subject = name_of(X509_get_subject_name(certificate));
    const auto why = why_key_is_weak(X509_get0_pubkey(certificate));
    auto words = fmt::format("weak: the key of '{}': {}", subject, why.value_or("it is too short"));
    return {ChainFault::weak_key, std::move(words), std::move(subject)};
}

/// An issuer has not been found: OpenSSL passes over certificates that may not issue.
ChainProblem missing_issuer(X509* at, const STACK_OF(X509) * others) {
    if (const auto* signer = signer_among(at, others)) {
        return not_an_authority(signer);
    }
    auto issuer = name_of(X509_get_issuer_name(at));
    auto words = fmt::format("unknown CA or intermediate missing: '{}' has issued '{}', and its certificate "
                             "is neither trusted nor at hand",
                             issuer, name_of(X509_get_subject_name(at)));
    return {ChainFault::unknown_authority, std::move(words), std::move(issuer)};
}

/// What OpenSSL refuses.
ChainProblem problem_of(X509_STORE_CTX* context, X509* certificate, const STACK_OF(X509) * others) {
    const int error = X509_STORE_CTX_get_error(context);
    auto* current = X509_STORE_CTX_get_current_cert(context);
    auto* at = current != nullptr ? current : certificate;
    const auto subject = name_of(X509_get_subject_name(at));
    const auto problem = [&](ChainFault fault, std::string words) {
        return ChainProblem{fault, std::move(words), subject};
    };
    switch (error) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return problem(ChainFault::self_signed, "it is self-signed: nobody but itself says whose it is");
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return problem(ChainFault::unknown_authority,
                       fmt::format("unknown CA: nothing says that the authority '{}' is trusted", subject));
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return missing_issuer(at, others);
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return problem(
            ChainFault::weak_signature,
            fmt::format("weak: the signature on '{}' is made with a hash that is not secure any more",
                        subject));
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_EE_KEY_TOO_SMALL:
        return weak_key(at);
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return problem(ChainFault::wrong_signature, fmt::format("the signature of '{}' on '{}' is wrong",
                                                                name_of(X509_get_issuer_name(at)), subject));
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_INVALID_NON_CA:
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
        return not_an_authority(at);
    case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
        return problem(ChainFault::unknown_extension,
                       fmt::format("'{}' has a critical extension that is not understood", subject));
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
        return problem(ChainFault::constraint,
                       fmt::format("'{}' may not have so many authorities below it", subject));
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION:
    case X509_V_ERR_SUBTREE_MINMAX:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
    case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
        return problem(ChainFault::constraint,
                       fmt::format("'{}' has names that an authority above it may not issue for ({})",
                                   subject, X509_verify_cert_error_string(error)));
    default:
        return problem(ChainFault::other, fmt::format("its chain is not accepted at '{}': {}", subject,
                                                      X509_verify_cert_error_string(error)));
    }
}

/// What OpenSSL does not ask of issuers: that they say so by their basic constraints, may issue for mail, and
/// have keys that are strong by more than their length.
std::optional<ChainProblem> why_issuer_is_none(X509* issuer) {
    auto subject = name_of(X509_get_subject_name(issuer));
    constexpr int by_basic_constraints = 1;
    if (X509_check_ca(issuer) != by_basic_constraints) {
        return not_an_authority(issuer);
    }
    if (!is_for_mail(issuer)) {
        auto words = fmt::format("'{}' in its chain does not issue certificates for mail, but for: {}",
                                 subject, extended_usage_text(issuer));
        return ChainProblem{ChainFault::not_for_mail, std::move(words), std::move(subject)};
    }
    if (!validity_of(issuer)) {
        auto words = fmt::format("the dates of '{}' in its chain cannot be read", subject);
        return ChainProblem{ChainFault::damaged, std::move(words), std::move(subject)};
    }
    return std::nullopt;
}

std::optional<ChainProblem> problem_of_issuers(const STACK_OF(X509) * found) {
    const int count = sk_X509_num(found);
    for (int i = 1; i < count; ++i) {
        auto* issuer = sk_X509_value(found, i);
        if (why_key_is_weak(X509_get0_pubkey(issuer))) {
            return weak_key(issuer);
        }
        const bool trusted = i + 1 == count; // only its key counts: RFC 5280 §6.1.1
        if (auto problem = trusted ? std::nullopt : why_issuer_is_none(issuer)) {
            return problem;
        }
    }
    return std::nullopt;
}

} // namespace

std::optional<Validity> validity_of(const X509* certificate) {
    const auto begins = time_of(X509_get0_notBefore(certificate));
    const auto ends = time_of(X509_get0_notAfter(certificate));
    if (!begins || !ends) {
        return std::nullopt;
    }
    return Validity{*begins, *ends == no_end ? std::nullopt : ends};
}

Validity both(const Validity& left, const Validity& right) {
    const auto ends = !left.ends    ? right.ends
                      : !right.ends ? left.ends
                                    : std::optional(std::min(*left.ends, *right.ends));
    return {std::max(left.begins, right.begins), ends};
}

X509Chain build_chain(X509* certificate, STACK_OF(X509) * others, const TrustedAuthorities& trusted,
                      Time now) {
    const X509StoreHandle empty(trusted.empty() ? X509_STORE_new() : nullptr);
    const StoreContext context(X509_STORE_CTX_new());
    auto* store = trusted.empty() ? empty.get() : trusted.store();
    check_openssl(store != nullptr && context != nullptr &&
                      X509_STORE_CTX_init(context.get(), store, certificate, others) == 1,
                  "preparing to verify a chain");
    auto* parameters = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_auth_level(parameters, security_level);
    X509_VERIFY_PARAM_set_depth(parameters, chain_length_max);
    X509_VERIFY_PARAM_set_time(parameters, std::chrono::system_clock::to_time_t(now));
    // An authority that is trusted need not be a root: some trust only their own company's branch. OpenSSL's
    // purposes for mail want keyEncipherment of every key: what issuers are for is asked below.
    check_openssl(X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_ANY) == 1 &&
                      X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN) == 1,
                  "preparing to verify a chain");
    X509_STORE_CTX_set_verify_cb(context.get(), pass_over_dates);

    X509Chain chain;
    const bool verified = X509_verify_cert(context.get()) == 1;
    check_openssl(verified || X509_STORE_CTX_get_error(context.get()) != X509_V_ERR_OUT_OF_MEM,
                  "verifying a chain");
    const auto* found = X509_STORE_CTX_get0_chain(context.get());
    chain.problem = verified ? problem_of_issuers(found) : problem_of(context.get(), certificate, others);
    ERR_clear_error();
    if (chain.problem) {
        return chain;
    }
    const int count = sk_X509_num(found);
    for (int i = 1; i < count; ++i) {
        const auto* issuer = sk_X509_value(found, i);
        chain.issuers.push_back(der_of(issuer));
        if (const auto validity = i + 1 < count ? validity_of(issuer) : std::nullopt) {
            chain.validity = chain.validity ? both(*chain.validity, *validity) : *validity;
        }
    }
    return chain;
}

std::optional<OutOfDate> issuer_out_of_date(const std::vector<std::string>& chain, Time now) {
    for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
        const auto issuer = x509_from_der(chain[i]);
        const auto validity = issuer ? validity_of(issuer.get()) : std::nullopt;
        if (!validity) {
            continue;
        }
        if (now < validity->begins) {
            return OutOfDate{name_of(X509_get_subject_name(issuer.get())), false, validity->begins};
        }
        if (validity->ends && *validity->ends < now) {
            return OutOfDate{name_of(X509_get_subject_name(issuer.get())), true, *validity->ends};
        }
    }
    return std::nullopt;
}

bool is_for_mail(X509* certificate) {
    const auto usage = X509_get_extended_key_usage(certificate);
    return usage == UINT32_MAX || (usage & (XKU_SMIME | XKU_ANYEKU)) != 0;
}

std::string extended_usage_text(const X509* certificate) {
    const Handle<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free> usage(
        static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr)));
    std::vector<std::string> named;
    for (int i = 0; usage && i < sk_ASN1_OBJECT_num(usage.get()); ++i) {
        std::array<char, 100> text{};
        OBJ_obj2txt(text.data(), text.size(), sk_ASN1_OBJECT_value(usage.get(), i), 0);
        named.emplace_back(text.data());
    }
    return fmt::format("{}", fmt::join(named, ", "));
}

X509Stack stack_of(const std::vector<std::string>& certificates) {
    X509Stack stack(sk_X509_new_null());
    check_openssl(stack != nullptr, "making a list of certificates");
    for (const auto& der : certificates) {
        if (auto certificate = x509_from_der(der)) {
            check_openssl(sk_X509_push(stack.get(), certificate.get()) > 0, "making a list of certificates");
            (void)certificate.release();
        }
    }
    return stack;
}

} // namespace lockbox::crypto
