// Signatures as a reader has to judge them, whichever protocol they were made in.
#pragma once

#include "base/time.hpp"
#include "crypto/certificate.hpp"
#include "mail/address.hpp"
#include "mail/header.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::reader {

/// Only `good` is a signature to rely on; and then only for the address that `is_of_sender` tells about.
enum class SignatureState {
    good,       ///< right, by a certificate that is valid and that somebody vouches for
    unvouched,  ///< right, by a certificate that nobody vouches for: anybody can make one of that name
    expired,    ///< right, but the certificate or the signature has expired
    revoked,    ///< right, but the certificate was revoked
    unknown,    ///< the certificate that could check it is not here
    bad,        ///< wrong: what was signed is not this
    unreadable, ///< not a signature, or one in a form that nothing here can check
};

/// "good", "unvouched", …: for --json.
[[nodiscard]] std::string_view word(SignatureState state) noexcept;

struct Signature {
    SignatureState state = SignatureState::unreadable;
    crypto::Protocol protocol = crypto::Protocol::openpgp;
    std::string fingerprint;              ///< of the certificate, or the key id where it is not known
    std::string signer;                   ///< User ID or subject, as the certificate has it; may be empty
    std::vector<mail::Address> addresses; ///< that the certificate is for
    std::optional<Time> signed_at;        ///< what the signer says
    std::string summary;                  ///< in words, without the signer
    /// The From field that is shown names one mailbox, and is understood (mail::Mailboxes::only()).
    bool sender_is_clear = false;
    /// The certificate is for that mailbox.
    bool is_of_sender = false;
    /// Made over the sealed message: whoever made it need not know what is in it.
    bool is_around_encryption = false;
    /// From the Date that is shown to signed_at; nullopt: one of them is not known.
    std::optional<std::chrono::seconds> behind_date;

    /// A good signature by whom the From field names.
    [[nodiscard]] bool proves_sender() const noexcept {
        return state == SignatureState::good && is_of_sender && !is_around_encryption;
    }
    /// It fits what it covers, whoever made it.
    [[nodiscard]] bool fits() const noexcept {
        return state == SignatureState::good || state == SignatureState::unvouched ||
               state == SignatureState::expired || state == SignatureState::revoked;
    }
    /// Somebody whom the reader trusts to be who he says made it and knew every byte that it covers, so
    /// nobody else has changed them. A signature that nobody vouches for may be that of whoever did.
    [[nodiscard]] bool proves_integrity() const noexcept { return state == SignatureState::good; }
    /// An old message may have been sent again under a new Date, which no signature covers (CVE-2022-2226,
    /// CVE-2023-50761), or the other way round.
    [[nodiscard]] bool is_far_from_date() const noexcept {
        return behind_date && (*behind_date > date_gap_max || *behind_date < -date_gap_max);
    }
    /// What may lie between writing and sending: a night in a folder for drafts, and a wrong time zone.
    static constexpr std::chrono::hours date_gap_max{36};
};

/// One of them proves_integrity().
[[nodiscard]] bool any_proves_integrity(const std::vector<Signature>& signatures) noexcept;

/// Compares each with the From and Date fields that are shown beside it.
void compare_with_header(std::vector<Signature>& signatures, const mail::HeaderSection& header);

} // namespace lockbox::reader
