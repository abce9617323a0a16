// The way from an X.509 certificate up to an authority that somebody trusts: judged once, for those whom mail
// is sealed to and for those who sign it.
#pragma once

#include "base/time.hpp"
#include "crypto/openssl_handles.hpp"
#include "crypto/trusted_authorities.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::crypto {

/// Certificates between one and a trusted authority. Nobody has more; each costs the time of a signature.
constexpr int chain_length_max = 8;

/// When a certificate is valid (RFC 5280 §4.1.2.5).
struct Validity {
    Time begins;
    std::optional<Time> ends; ///< nullopt: never, which is written as 99991231235959Z
};
/// nullopt: it cannot be read.
[[nodiscard]] std::optional<Validity> validity_of(const X509* certificate);

/// When both are.
[[nodiscard]] Validity both(const Validity& left, const Validity& right);

/// Why a chain is not accepted.
enum class ChainFault {
    self_signed,       ///< nobody but itself says whose it is
    unknown_authority, ///< it leads to none that is trusted, or an issuer between is missing
    weak_signature,    ///< made with a hash for which collisions can be made
    weak_key,          ///< of an issuer
    wrong_signature,
    not_an_authority,  ///< an issuer that its basic constraints or key usage do not allow to issue
    not_for_mail,      ///< an issuer whose extended key usage does not allow it
    constraint,        ///< path length, name constraints
    unknown_extension, ///< critical, of any certificate in the chain
    damaged,           ///< dates or extensions of an issuer
    other,             ///< what else OpenSSL refuses
};

struct ChainProblem {
    ChainFault fault = ChainFault::other;
    std::string words;   ///< with the names of the certificates
    std::string subject; ///< whose certificate is to blame; empty: it has no name
};

/// What is found above a certificate.
struct X509Chain {
    /// In DER: the issuer, its issuer, … up to and with the trusted authority. Empty where there is a
    /// problem, and where the certificate is itself trusted.
    std::vector<std::string> issuers;
    /// When all of them are valid, the trusted authority aside: of that only the key counts (RFC 5280
    /// §6.1.1). nullopt: there are none, or there is a problem.
    std::optional<Validity> validity;
    std::optional<ChainProblem> problem;
};

/// Finds the way with the help of `others`, which are not trusted; null: none. What is in `trusted` is
/// trusted be it a root or not. Security level 2 of OpenSSL applies, 112 bit (NIST SP 800-131A): no MD5 or
/// SHA-1 in signatures, RSA, RSA-PSS and DSA of 2048 bit, curves of 224. Each issuer must be a certification
/// authority by its basic constraints, and its extended key usage, where it has one, must allow mail. What
/// the certificate itself is for, and its key, are for the caller to judge.
///
/// Certificates out of date are no problem here: `validity` says when they are valid, and out_of_date() whose
/// is to blame. `now` decides only which of several issuers of the same name is preferred: one that is valid.
/// Throws Error(engine).
[[nodiscard]] X509Chain build_chain(X509* certificate, STACK_OF(X509) * others,
                                    const TrustedAuthorities& trusted, Time now);

struct OutOfDate {
    std::string subject;
    bool expired = true; ///< false: not valid yet
    Time when;           ///< since when it is not, or will be
};
/// The first issuer in `chain`, as X509Chain has it, that is not valid at `now`; the last one of a chain is
/// trusted whatever its dates. nullopt: there is none.
[[nodiscard]] std::optional<OutOfDate> issuer_out_of_date(const std::vector<std::string>& chain, Time now);

/// The extended key usage allows mail, or there is no such extension (RFC 5280 §4.2.1.12).
[[nodiscard]] bool is_for_mail(X509* certificate);
/// What it is for, in OpenSSL's words.
[[nodiscard]] std::string extended_usage_text(const X509* certificate);

/// Certificates in DER as OpenSSL takes them; what is none is left out.
[[nodiscard]] X509Stack stack_of(const std::vector<std::string>& certificates);

} // namespace lockbox::crypto
