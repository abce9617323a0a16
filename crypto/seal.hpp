// Sealing whole messages.
#pragma once

#include "crypto/certificate.hpp"
#include "crypto/openpgp_seal.hpp"
#include "mail/header.hpp"
#include "mail/header_edits.hpp"

#include <string>
#include <string_view>

namespace lockbox::crypto {

/// The engines a thread seals with. Not to be used by two threads at once.
struct Sealer {
    OpenPgpSealer openpgp;
};

/// A sealed message as the difference to the original: the rest of the outer header section stays as it is.
struct SealedMessage {
    mail::HeaderEdits header;
    std::string body; ///< CRLF line ends, 7-bit
};

/// Seals one message for one set of recipients, all of whom can tell who the others are. The payload is the
/// original entity byte for byte (line ends made CRLF where they are not, RFC 3156 §4) under its protected
/// header. Throws Error(engine); the message is then not sealed at all.
[[nodiscard]] SealedMessage seal(const mail::HeaderSection& header, std::string_view body,
                                 const Recipients& recipients, Sealer& sealer);

} // namespace lockbox::crypto
