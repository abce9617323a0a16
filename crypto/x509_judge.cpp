#include "crypto/x509_judge.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "crypto/public_key_check.hpp"
#include "crypto/x509_addresses.hpp"
#include "crypto/x509_chain.hpp"
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

using BigNumber = Handle<BIGNUM, BN_free>;

// --- What a certificate says ---

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

bool is_address(const std::string& text) {
    return mail::Address::parse(text).has_value();
}

// --- The chain ---

std::string hint_for(ChainFault fault, const TrustedAuthorities& authorities) {
    constexpr std::string_view name_it = "name the file of its authority with --smime-ca, or with `smime-ca` "
                                         "in lockbox.conf; or have its fingerprint compared, and trust it "
                                         "alone with --trust-fingerprint";
    if (fault == ChainFault::self_signed) {
        return "have its fingerprint compared with its owner's, and trust it with --trust-fingerprint";
    }
    if (fault != ChainFault::unknown_authority) {
        return {};
    }
    return authorities.empty() ? std::string(name_it)
                               : fmt::format("import the certificate of that issuer together with it, in one "
                                             "file; or {}",
                                             name_it);
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
    const auto subject = name_of(X509_get_subject_name(x509));
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
    if (addresses.empty() && options.needs_address) {
        auto of_subject = subject_addresses(x509);
        std::erase_if(of_subject, [](const std::string& text) { return !is_address(text); });
        if (!options.subject_address && !of_subject.empty()) {
            return refuse_named("no address: its subject alternative name has none",
                                fmt::format("its subject has {}, an old form: --subject-address takes it",
                                            fmt::join(of_subject, ", ")));
        }
        addresses = std::move(of_subject);
    }
    if (addresses.empty() && options.needs_address) {
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
    static const TrustedAuthorities none;
    const auto& authorities = options.authorities != nullptr ? *options.authorities : none;
    auto chain = build_chain(x509, stack_of(options.intermediates).get(), authorities, now);
    if (chain.problem && !judged.vouched) {
        return refuse_named(std::move(chain.problem->words), hint_for(chain.problem->fault, authorities));
    }
    judged.chain = std::move(chain.issuers);
    const auto validity = judged.vouched || !chain.validity ? *own : both(*own, *chain.validity);
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
