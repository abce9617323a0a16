// OpenPGP signatures as GnuPG judges them with the caller's own keyring.
#pragma once

#include "base/secret.hpp"
#include "base/time.hpp"
#include "crypto/gpgme_handles.hpp"
#include "mail/address.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::crypto {

/// Signatures of one message. More are not looked at: each costs a look-up of its certificate.
constexpr std::size_t openpgp_signatures_max = 10;
/// A detached signature with its armor; the largest real ones have some 5 KiB each.
constexpr std::size_t openpgp_signature_octets_max = 256U << 10U;

struct OpenPgpSignature {
    enum class State {
        good,
        expired,        ///< right, but the certificate or the signature has expired
        revoked,        ///< right, but the certificate was revoked
        no_certificate, ///< the certificate that could check it is not in the keyring
        bad,            ///< wrong
        unreadable,     ///< GnuPG could not check it
    };
    State state = State::unreadable;
    /// Somebody the caller trusts says whose certificate it is: GnuPG's validity "full" or "ultimate".
    bool is_vouched = false;
    std::string fingerprint; ///< of the certificate (its primary key); a key id where that is not there
    std::string signer;      ///< its primary User ID
    /// Of its valid User IDs; where it is vouched for, of those only that somebody vouches for.
    std::vector<mail::Address> addresses;
    std::optional<Time> signed_at;
    std::string summary; ///< in words: "good signature", "no certificate to check it with", …
};

/// What an operation that verified found. Throws Error(engine) where a certificate cannot be looked up.
[[nodiscard]] std::vector<OpenPgpSignature> signatures_in(gpgme_verify_result_t result);

/// Verifies a detached signature, armored or not, over exactly these bytes. Never empty, and never throws for
/// what is in the message: what cannot be read is one signature that is unreadable.
[[nodiscard]] std::vector<OpenPgpSignature> verify_detached_openpgp(std::string_view content,
                                                                    std::string_view signature);

/// Of a block of cleartext-signed text. Less than a pipe holds: GPGME 1.18 waits for ever for a gpg that
/// ended before it had read everything.
constexpr std::size_t clear_signed_octets_max = 60U << 10U;

struct ClearSigned {
    std::string content; ///< exactly what GnuPG says was signed
    std::vector<OpenPgpSignature> signatures;
};
/// Verifies one block of cleartext-signed text (RFC 9580 §7). nullopt: it is none, or a longer one.
[[nodiscard]] std::optional<ClearSigned> verify_clear_signed(std::string_view armor);

/// Of a message with its signature in it, in packets. For the same reason.
constexpr std::size_t signed_message_octets_max = clear_signed_octets_max;

struct SignedMessage {
    Secret content;                           ///< what GnuPG says is in it
    std::vector<OpenPgpSignature> signatures; ///< empty: nobody signed it
};
/// Verifies a message that is signed, compressed, or neither (RFC 9580 §10.3). nullopt: it is damaged, or
/// encrypted somewhere in it, or larger than signed_message_octets_max. Throws Error: too_large where it
/// opens to more than decrypt_openpgp() gives out; engine.
[[nodiscard]] std::optional<SignedMessage> verify_openpgp_message(std::string_view packets);

} // namespace lockbox::crypto
