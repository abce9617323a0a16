// Opening whole messages, for the reader.
#pragma once

#include "crypto/openpgp_open.hpp"
#include "mail/header.hpp"
#include "mail/layer.hpp"

#include <string>
#include <vector>

namespace lockbox::crypto {

/// A message with its Cryptographic Envelope taken off. It exists only when all of it was authenticated.
struct OpenedMessage {
    mail::Layer layer = mail::Layer::none;
    mail::HeaderSection header; ///< protected header fields restored (mail/protection.hpp)
    Secret body;                ///< line ends as in the payload
    bool header_was_protected = false;
    std::vector<std::string> recipient_key_ids;
    std::vector<SignatureStatus> signatures;
    std::vector<std::string> warnings;
};

/// Opens PGP/MIME and inline OpenPGP messages. Throws what decrypt_openpgp() throws, Error(nothing_to_open)
/// for a message whose outermost layer is not sealed, and Error(malformed) with a hint for S/MIME, which this
/// version does not open.
[[nodiscard]] OpenedMessage open(const mail::Message& message);

} // namespace lockbox::crypto
