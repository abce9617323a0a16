#include "crypto/x509_judge.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "crypto/public_key_check.hpp"
#include "crypto/x509_addresses.hpp"
#include "mail/address.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <utility>

namespace lockbox::crypto {
namespace {

/// 112 bit, as NIST SP 800-131A asks: of a signature no MD5 and no SHA-1, of an RSA key 2048 bit.
constexpr int security_level = 2;

using StoreContext = Handle<X509_STORE_CTX, X509_STORE_CTX_free>;
using BigNumber = Handle<BIGNUM, BN_free>;

// --- What a certificate says ---

/// RFC 5280 §4.1.2.5: 99991231235959Z says that there is no end.
constexpr Time no_end =
    std::chrono::sys_days(std::chrono::year(9999) / 12 / 31) + std::chrono::seconds(86399);

struct Validity {
    Time begins;
    std::optional<Time> ends; ///< nullopt: never
};

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

struct Curve {
    std::string_view openssl;
    std::string_view gnupg;
};
constexpr std::array<Curve, 6> supported_curves{{{"prime256v1", "nistp256"},
                                                 {"secp384r1", "nistp384"},
                                                 {"secp521r1", "nistp521"},
                                                 {"brainpoolP256r1", "brainpoolP256r1"},
                                                 {"brainpoolP384r1", "brainpoolP384r1"},
                                                 {"brainpoolP512r1", "brainpoolP512r1"}}};
constexpr std::string_view curves_in_words = "P-256, P-384, P-521 and Brainpool's r1 curves of 256, 384 and "
                                             "512 bit";

std::string curve_of(const EVP_PKEY* key) {
    std::array<char, 64> name{};
    std::size_t octets = 0;
    if (EVP_PKEY_get_group_name(key, name.data(), name.size(), &octets) != 1) {
        ERR_clear_error();
        return "unnamed";
    }
    return {name.data(), octets};
}

struct KeyKind {
    std::string algorithm;   ///< as GnuPG names it
    std::string unsupported; ///< why nothing can be encrypted to it; empty: it can
};

KeyKind kind_of(const X509* certificate) {
    const EVP_PKEY* key = X509_get0_pubkey(certificate);
    if (key == nullptr) {
        ERR_clear_error();
        return {"unknown", "its public key cannot be read, or is of a kind that OpenSSL does not know"};
    }
    const int type = EVP_PKEY_get_base_id(key);
    if (type == EVP_PKEY_RSA) {
        return {fmt::format("rsa{}", EVP_PKEY_get_bits(key)), why_key_is_bad(key).value_or("")};
    }
    if (type == EVP_PKEY_EC) {
        const auto name = curve_of(key);
        for (const auto& curve : supported_curves) {
            if (curve.openssl == name) {
                return {std::string(curve.gnupg), why_key_is_bad(key).value_or("")};
            }
        }
        return {name, fmt::format("unsupported key: the curve {}; {} are supported", printable(name),
                                  curves_in_words)};
    }
    if (type == EVP_PKEY_ED25519 || type == EVP_PKEY_ED448 || type == EVP_PKEY_DSA ||
        type == EVP_PKEY_RSA_PSS) {
        const auto* name = type == EVP_PKEY_ED25519 ? "Ed25519"
                           : type == EVP_PKEY_ED448 ? "Ed448"
                           : type == EVP_PKEY_DSA   ? "DSA"
                                                    : "RSA-PSS";
        return {to_lower(name),
                fmt::format("unsupported key: {} signs, nothing can be encrypted to it", name)};
    }
    const auto* name = type == EVP_PKEY_X25519 ? "X25519" : type == EVP_PKEY_X448 ? "X448" : OBJ_nid2ln(type);
    return {to_lower(name), fmt::format("unsupported key: {}; RSA, {} are supported", name, curves_in_words)};
}

std::string usage_text(std::uint32_t usage) {
    constexpr std::array<std::pair<std::uint32_t, std::string_view>, 9> words{
        {{KU_DIGITAL_SIGNATURE, "digitalSignature"},
         {KU_NON_REPUDIATION, "nonRepudiation"},
         {KU_KEY_ENCIPHERMENT, "keyEncipherment"},
         {KU_DATA_ENCIPHERMENT, "dataEncipherment"},
         {KU_KEY_AGREEMENT, "keyAgreement"},
         {KU_KEY_CERT_SIGN, "keyCertSign"},
         {KU_CRL_SIGN, "cRLSign"},
         {KU_ENCIPHER_ONLY, "encipherOnly"},
         {KU_DECIPHER_ONLY, "decipherOnly"}}};
    std::vector<std::string_view> named;
    for (const auto& [bit, word] : words) {
        if ((usage & bit) != 0) {
            named.push_back(word);
        }
    }
    return named.empty() ? "none" : fmt::format("{}", fmt::join(named, ", "));
}

/// X509_check_purpose() is not asked: for a key on a curve it wants keyEncipherment, which such a key does
/// not have.
std::optional<std::string> why_usage_forbids(X509* certificate) {
    const auto usage = X509_get_key_usage(certificate);
    if (usage == UINT32_MAX) {
        return std::nullopt; // no such extension
    }
    const bool rsa = EVP_PKEY_get_base_id(X509_get0_pubkey(certificate)) == EVP_PKEY_RSA;
    const std::uint32_t needed = rsa ? KU_KEY_ENCIPHERMENT : KU_KEY_AGREEMENT | KU_KEY_ENCIPHERMENT;
    if ((usage & needed) != 0) {
        return std::nullopt;
    }
    return fmt::format("its key usage does not allow encryption: it is {}, and {} would be needed",
                       usage_text(usage), rsa ? "keyEncipherment" : "keyAgreement");
}

/// The extended key usage, of an end entity and of whoever issues it, leaves room for mail.
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

bool is_address(const std::string& text) {
    return mail::Address::parse(text).has_value();
}

// --- The chain ---

/// Dates are the keyring's business, at the time of sending: here they only decide which issuer is preferred.
int pass_over_dates(int verified, X509_STORE_CTX* context) {
    const int error = X509_STORE_CTX_get_error(context);
    const bool date = error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID;
    return date ? 1 : verified;
}

struct Chain {
    std::vector<std::string> issuers; ///< as JudgedCertificate has them
    Validity validity;                ///< of the certificate and these
    std::string reason;               ///< why there is none; empty: there is
    std::string hint;
};

std::string why_unverified(X509_STORE_CTX* context, const TrustedAuthorities& authorities, Chain& chain) {
    const int error = X509_STORE_CTX_get_error(context);
    auto* at = X509_STORE_CTX_get_current_cert(context);
    const auto subject = at != nullptr ? to_text(X509_get_subject_name(at)) : std::string();
    const auto issuer = at != nullptr ? to_text(X509_get_issuer_name(at)) : std::string();
    constexpr std::string_view name_it = "name the file of its authority with --smime-ca, or with `smime-ca` "
                                         "in lockbox.conf; or have its fingerprint compared, and trust it "
                                         "alone with --trust-fingerprint";
    switch (error) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        chain.hint = "have its fingerprint compared with its owner's, and trust it with --trust-fingerprint";
        return "it is self-signed: nobody but itself says whose it is";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        chain.hint = name_it;
        return fmt::format("unknown CA: nothing says that the authority '{}' is trusted", subject);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        chain.hint = authorities.empty()
                         ? std::string(name_it)
                         : fmt::format("import the certificate of that issuer together with it, "
                                       "in one file; or {}",
                                       name_it);
        return fmt::format("unknown CA or intermediate missing: '{}' has issued '{}', and its certificate is "
                           "neither trusted nor at hand",
                           issuer, subject);
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return fmt::format("weak: the signature on '{}' is made with a hash that is not secure any more",
                           subject);
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_EE_KEY_TOO_SMALL:
        return fmt::format("weak: the key of '{}' is too short", subject);
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return fmt::format("the signature of '{}' on '{}' is wrong", issuer, subject);
    default:
        return fmt::format("its chain is not accepted at '{}': {}", subject,
                           X509_verify_cert_error_string(error));
    }
}

/// What OpenSSL does not ask of issuers: that they say so by their basic constraints, and may issue for mail.
std::string why_issuer_is_none(X509* issuer) {
    const auto subject = to_text(X509_get_subject_name(issuer));
    if (X509_check_ca(issuer) != 1) {
        return fmt::format("'{}' in its chain is no certification authority", subject);
    }
    if (!is_for_mail(issuer)) {
        return fmt::format("'{}' in its chain does not issue certificates for mail, but for: {}", subject,
                           extended_usage_text(issuer));
    }
    return {};
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

Chain chain_of(X509* certificate, const Validity& own, const X509Options& options, Time now) {
    static const TrustedAuthorities none;
    const auto& authorities = options.authorities != nullptr ? *options.authorities : none;
    Chain chain{{}, own, {}, {}};

    const auto untrusted = stack_of(options.intermediates);
    const X509StoreHandle empty(authorities.empty() ? X509_STORE_new() : nullptr);
    const StoreContext context(X509_STORE_CTX_new());
    auto* store = authorities.empty() ? empty.get() : authorities.store();
    check_openssl(store != nullptr && context != nullptr &&
                      X509_STORE_CTX_init(context.get(), store, certificate, untrusted.get()) == 1,
                  "preparing to verify a chain");
    auto* parameters = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_auth_level(parameters, security_level);
    X509_VERIFY_PARAM_set_time(parameters, std::chrono::system_clock::to_time_t(now));
    // An authority that is trusted need not be a root: some trust only their own company's branch.
    check_openssl(X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_ANY) == 1 &&
                      X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN) == 1,
                  "preparing to verify a chain");
    X509_STORE_CTX_set_verify_cb(context.get(), pass_over_dates);

    const bool verified = X509_verify_cert(context.get()) == 1;
    if (!verified) {
        chain.reason = why_unverified(context.get(), authorities, chain);
        ERR_clear_error();
        return chain;
    }
    const auto* found = X509_STORE_CTX_get0_chain(context.get());
    const int count = sk_X509_num(found);
    for (int i = 1; i < count; ++i) {
        auto* issuer = sk_X509_value(found, i);
        chain.issuers.push_back(der_of(issuer));
        if (i + 1 == count) {
            break; // of the authority that is trusted, only its key counts, not its dates: RFC 5280 §6.1.1
                   // (d)
        }
        chain.reason = why_issuer_is_none(issuer);
        const auto validity = validity_of(issuer);
        if (chain.reason.empty() && !validity) {
            chain.reason = fmt::format("the dates of '{}' in its chain cannot be read",
                                       to_text(X509_get_subject_name(issuer)));
        }
        if (!chain.reason.empty()) {
            break;
        }
        chain.validity = both(chain.validity, *validity);
    }
    return chain;
}

} // namespace

std::optional<std::string> x509_fingerprint_from(std::string_view text) {
    constexpr std::size_t digits = 64;
    std::string fingerprint;
    for (const char c : text) {
        if (is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'f')) {
            fingerprint += to_upper(c);
        } else if (c != ':' && !is_blank(c)) {
            return std::nullopt;
        }
    }
    return fingerprint.size() == digits ? std::optional(std::move(fingerprint)) : std::nullopt;
}

bool is_authority(X509* certificate) {
    const int says = X509_check_ca(certificate);
    constexpr int by_basic_constraints = 1;
    constexpr int by_key_usage_alone = 4;
    return says == by_basic_constraints || says == by_key_usage_alone;
}

bool may_be_encrypted_to(X509* certificate) {
    return X509_get0_pubkey(certificate) != nullptr && !why_usage_forbids(certificate) &&
           is_for_mail(certificate);
}

std::string to_text(const X509_NAME* name) {
    constexpr auto readable = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
    const auto bio = bio_collecting();
    if (X509_NAME_print_ex(bio.get(), name, 0, readable) < 0) {
        ERR_clear_error();
        return "a name that cannot be read";
    }
    return collected(bio.get());
}

std::string serial_of(const X509* certificate) {
    const BigNumber number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
    const OpensslText digits(number ? BN_bn2hex(number.get()) : nullptr);
    ERR_clear_error();
    return digits ? digits.get() : "";
}

Judgement judge_x509(std::string_view der, const X509Options& options, Time now) {
    const auto refuse = [&](std::string reason, std::string hint = {}) {
        return Refusal{std::move(reason), std::move(hint), x509_fingerprint(der), {}};
    };
    if (der.size() > certificate_octets_max) {
        return refuse(fmt::format("oversized: {} octets, more than the {} that a certificate may have",
                                  der.size(), certificate_octets_max));
    }
    const auto certificate = x509_from_der(der);
    if (!certificate) {
        Refusal refusal;
        refusal.reason = "it is no X.509 certificate, or a damaged one";
        return refusal;
    }
    auto* const x509 = certificate.get();
    const auto subject = to_text(X509_get_subject_name(x509));
    const auto refuse_named = [&](std::string reason, std::string hint = {}) {
        auto refusal = refuse(std::move(reason), std::move(hint));
        if (!subject.empty()) {
            refusal.user_ids.push_back(subject);
        }
        return refusal;
    };
    const auto flags = X509_get_extension_flags(x509);
    const auto own = validity_of(x509);
    if ((flags & EXFLAG_INVALID) != 0 || !own) {
        return refuse_named("its extensions or dates are damaged");
    }
    if (is_authority(x509)) {
        return refuse_named("it is the certificate of a certification authority, which messages are not "
                            "encrypted to",
                            "to trust the certificates that it issues, name its file with `smime-ca` in "
                            "lockbox.conf");
    }
    auto kind = kind_of(x509);
    if (!kind.unsupported.empty()) {
        return refuse_named(std::move(kind.unsupported));
    }
    if (auto why = why_usage_forbids(x509)) {
        return refuse_named(*std::move(why), "many people have a second certificate for encryption: ask for "
                                             "that one");
    }
    if (!is_for_mail(x509)) {
        return refuse_named(fmt::format("its extended key usage does not allow mail: it is for {}",
                                        extended_usage_text(x509)));
    }
    if ((flags & EXFLAG_CRITICAL) != 0) {
        return refuse_named("it has a critical extension that is not understood");
    }
    auto addresses = alternative_addresses(x509);
    std::erase_if(addresses, [](const std::string& text) { return !is_address(text); });
    if (addresses.empty()) {
        auto of_subject = subject_addresses(x509);
        std::erase_if(of_subject, [](const std::string& text) { return !is_address(text); });
        if (!options.subject_address && !of_subject.empty()) {
            return refuse_named("no address: its subject alternative name has none",
                                fmt::format("its subject has {}, an old form: --subject-address takes it",
                                            fmt::join(of_subject, ", ")));
        }
        addresses = std::move(of_subject);
    }
    if (addresses.empty()) {
        return refuse_named("no address: its subject alternative name has none");
    }
    if (addresses.size() > certificate_addresses_max) {
        return refuse_named(fmt::format("flooded: {} addresses, more than the {} that a certificate may have",
                                        addresses.size(), certificate_addresses_max));
    }

    JudgedCertificate judged;
    judged.certificate.protocol = Protocol::smime;
    judged.certificate.fingerprint = x509_fingerprint(der);
    judged.certificate.bytes = std::string(der);
    judged.vouched = std::find(options.vouched_for.begin(), options.vouched_for.end(),
                               judged.certificate.fingerprint) != options.vouched_for.end();
    auto chain = chain_of(x509, *own, options, now);
    if (!chain.reason.empty() && !judged.vouched) {
        return refuse_named(std::move(chain.reason), std::move(chain.hint));
    }
    if (chain.reason.empty()) {
        judged.chain = std::move(chain.issuers);
    }
    const auto& validity = judged.vouched ? *own : chain.validity;
    judged.algorithm = std::move(kind.algorithm);
    judged.created = validity.begins;
    judged.expires = validity.ends;
    if (!subject.empty()) {
        judged.user_ids.push_back({subject, {}, false});
    }
    for (auto& address : addresses) {
        judged.user_ids.push_back({address, address, false});
    }
    judged.encryption_keys = {
        {judged.certificate.fingerprint, judged.algorithm, judged.created, judged.expires, false}};
    return judged;
}

} // namespace lockbox::crypto
