// Opening whole messages, for the reader.
#pragma once

#include "base/time.hpp"
#include "crypto/cms_open.hpp"
#include "crypto/cms_verify.hpp"
#include "crypto/openpgp_open.hpp"
#include "mail/header.hpp"
#include "mail/layer.hpp"

#include <string>
#include <vector>

namespace lockbox::crypto {

/// What the reader opens with, beside GnuPG.
struct OpenOptions {
    const KeyFile* key_file = nullptr; ///< for S/MIME; null: gpgsm's keys
    Authorities authorities;           ///< of S/MIME signatures inside
    Time now;                          ///< for the certificates of these signatures
};

/// A message with its Cryptographic Envelope taken off. It exists only when all of it was decrypted; whether
/// it is also what was sealed, `integrity` says.
struct OpenedMessage {
    mail::Layer layer = mail::Layer::none;
    Integrity integrity = Integrity::none;
    std::string content_encryption; ///< S/MIME: "AES-256-GCM", …
    mail::HeaderSection header;     ///< protected header fields restored (mail/protection.hpp)
    Secret body;                    ///< line ends as in the payload
    bool header_was_protected = false;
    std::vector<std::string> recipients;     ///< OpenPGP: key ids; S/MIME: certificates, in words
    std::vector<SignatureStatus> signatures; ///< OpenPGP's, inside of the encryption
    std::vector<CmsSignature> smime_signatures;
    std::vector<std::string> warnings;
};

/// Opens PGP/MIME, inline OpenPGP and S/MIME messages. Throws what decrypt_openpgp(), decrypt_cms() and
/// decrypt_cms_with_gpgsm() throw, and Error(nothing_to_open) for a message whose outermost layer is not
/// sealed.
///
/// An S/MIME signature that covers the whole payload is verified, good or bad. A multipart/signed payload
/// stays as it is. A SignedData is unwrapped, because few programs show one outside of a mailbox: what was
/// signed takes its place, and the signature is gone from the result.
[[nodiscard]] OpenedMessage open(const mail::Message& message, const OpenOptions& options = {});

} // namespace lockbox::crypto
