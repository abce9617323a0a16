// Signatures as a reader has to judge them, whichever protocol they were made in.
#pragma once

#include "base/time.hpp"
#include "crypto/certificate.hpp"
#include "mail/address.hpp"
#include "mail/header.hpp"

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
    /// The certificate is for the one mailbox of the From field that is shown.
    bool is_of_sender = false;
    /// Made over the sealed message: whoever made it need not know what is in it.
    bool is_around_encryption = false;

    /// A good signature by whom the From field names.
    [[nodiscard]] bool proves_sender() const noexcept {
        return state == SignatureState::good && is_of_sender && !is_around_encryption;
    }
    /// Whoever made it knew every byte that it covers, so nobody else has changed them.
    [[nodiscard]] bool proves_integrity() const noexcept {
        return state == SignatureState::good || state == SignatureState::unvouched ||
               state == SignatureState::expired || state == SignatureState::revoked;
    }
};

/// One of them proves_integrity().
[[nodiscard]] bool any_proves_integrity(const std::vector<Signature>& signatures) noexcept;

/// Finds out `is_of_sender`: the header section must have one From field with one mailbox.
void compare_with_sender(std::vector<Signature>& signatures, const mail::HeaderSection& header);

} // namespace lockbox::reader
