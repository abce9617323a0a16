// Sealing whole messages.
#pragma once

#include "crypto/certificate.hpp"
#include "crypto/cms_seal.hpp"
#include "crypto/openpgp_seal.hpp"
#include "mail/header.hpp"
#include "mail/header_edits.hpp"
#include "mail/outer_fields.hpp"
#include "mail/protection.hpp"

#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace lockbox::crypto {

/// The engines a thread seals with. Not to be used by two threads at once.
struct Sealer {
    OpenPgpSealer openpgp;
    CmsSealer cms;

    /// With the engine of the recipients' protocol: OpenPgpSealer::encrypt(), CmsSealer::encrypt().
    void encrypt(const Recipients& recipients, std::span<const std::string_view> pieces,
                 const std::function<void(std::string_view)>& output);
};

/// A sealed message as the difference to the original: the rest of the outer header section stays as it is.
struct SealedMessage {
    mail::HeaderEdits header;
    std::string body; ///< CRLF line ends, 7-bit
};

/// Seals one message for one set of recipients, all of whom can tell who the others are: PGP/MIME or S/MIME,
/// as their certificates are. The payload is the same: the original entity byte for byte (line ends made CRLF
/// where they are not, RFC 3156 §4, RFC 8551 §3.1.1) under its protected header, and with CBC behind its
/// digest (crypto/payload_digest.hpp). Outside stay the Subject as `outer_subject` says and what
/// `outer_fields` contains. Throws Error(engine); the message is then not sealed at all.
[[nodiscard]] SealedMessage seal(const mail::HeaderSection& header, std::string_view body,
                                 const Recipients& recipients, mail::OuterSubject outer_subject,
                                 Sealer& sealer, const mail::OuterFields& outer_fields);

/// Whether the engines that are loaded can be trusted with a message; see self_test_openpgp() and
/// self_test_cms(). Throws Error(engine) that says what failed.
void self_test();

/// "librnp 0.16.3, OpenSSL 3.0.17".
[[nodiscard]] std::string engine_versions();

} // namespace lockbox::crypto
