// A copy on its way back to the MTA: whose it is, and the SMTP commands that carry its envelope.
#pragma once

#include "base/time.hpp"
#include "milter/smtp_client.hpp"
#include "policy/plan.hpp"
#include "policy/transaction.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace lockbox::milter {

/// One RCPT of a copy.
struct OutgoingRecipient {
    std::string path;                    ///< in angle brackets, the MTA's own bytes inside
    std::vector<std::string> parameters; ///< as the client gave them: NOTIFY, ORCPT

    /// What the journal knows the recipient by.
    [[nodiscard]] std::string_view mailbox() const noexcept {
        return std::string_view(path).substr(1, path.size() - 2);
    }
    bool operator==(const OutgoingRecipient&) const = default;
};

/// Recipients who get the same bytes.
struct OutgoingCopy {
    std::vector<OutgoingRecipient> recipients;
    std::vector<crypto::Certificate>
        certificates; ///< one for each recipient in order; empty: the original, clear
    mail::OuterSubject outer_subject = mail::OuterSubject::obscured; ///< where it is sealed
    bool operator==(const OutgoingCopy&) const = default;
};

/// The copies of the plan; one clear copy for everybody where it passes the message on.
[[nodiscard]] std::vector<OutgoingCopy> copies_of(const policy::Transaction& transaction,
                                                  const policy::Plan& plan);

/// Without the recipients who have got theirs; copies for nobody go.
[[nodiscard]] std::vector<OutgoingCopy> without(std::vector<OutgoingCopy> copies,
                                                const std::vector<std::string>& mailboxes);

/// What the envelope of a copy depends on.
struct CopyContent {
    std::size_t octets = 0;   ///< header section, empty line and body
    bool eight_bit = false;   ///< an octet above 127 in the body
    bool utf8_header = false; ///< an octet above 127 in the header section
};

/// MAIL for a listener with these extensions: SIZE (RFC 1870) and BODY (RFC 6152) as the copy needs them, and
/// what the client asked for where the listener can do it: SMTPUTF8 (RFC 6531), RET and ENVID (RFC 3461),
/// REQUIRETLS (RFC 8689), MT-PRIORITY (RFC 6710), BY (RFC 2852), HOLDFOR and HOLDUNTIL (RFC 4865). Throws
/// Error(unavailable) where the listener lacks what must not be left out: SMTPUTF8 for an address that is not
/// ASCII, and REQUIRETLS. Throws Error(malformed) for an address or a parameter that would be read as more
/// than one.
[[nodiscard]] std::string mail_command(const policy::Path& reverse_path, const OutgoingCopy& copy,
                                       const CopyContent& content, const SmtpExtensions& extensions);

/// RCPT, with NOTIFY and ORCPT (RFC 3461) where the listener can do it. Throws Error(malformed) like
/// mail_command().
[[nodiscard]] std::string rcpt_command(const OutgoingRecipient& recipient, const SmtpExtensions& extensions);

/// XFORWARD (Postfix's XFORWARD_README): whom the message came from, for the listener's log. Empty where it
/// is not offered.
[[nodiscard]] std::string xforward_command(const policy::Transaction& transaction,
                                           const SmtpExtensions& extensions);

/// The Received field that the copy gets (RFC 5321 §4.4): Postfix does not show its own to a milter, so
/// without this one nobody could tell where the message came from. What a client says of itself and is no
/// domain name comes as a comment. The body of the field.
[[nodiscard]] std::string received_field(const policy::Transaction& transaction, Time now);

} // namespace lockbox::milter
