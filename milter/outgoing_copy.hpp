// A copy on its way back to the MTA: whose it is, and the SMTP commands that carry its envelope.
#pragma once

#include "base/time.hpp"
#include "crypto/certificate.hpp"
#include "milter/smtp_client.hpp"
#include "policy/plan.hpp"
#include "policy/transaction.hpp"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lockbox::milter {

/// One RCPT of a copy.
struct OutgoingRecipient {
    policy::Path path; ///< the MTA's own bytes and parameters; an alias's member has a path of their own
    policy::Handling handling = policy::Handling::deferred; ///< as it was decided

    /// What the journal knows the recipient by.
    [[nodiscard]] std::string mailbox() const { return path.mailbox(); }
    /// The mailbox in angle brackets, as SMTP has it.
    [[nodiscard]] std::string in_brackets() const { return '<' + path.mailbox() + '>'; }
    bool operator==(const OutgoingRecipient&) const = default;
};

/// What makes the bytes of a sealed copy.
struct Sealing {
    crypto::Recipients certificates;
    mail::OuterSubject outer_subject = mail::OuterSubject::obscured;
    bool operator==(const Sealing&) const = default;
};

/// The bytes of a copy are those of the message as it came.
struct Original {
    bool operator==(const Original&) const = default;
};

/// Recipients who get the same bytes.
struct OutgoingCopy {
    std::vector<OutgoingRecipient> recipients;
    std::variant<Sealing, Original> content;

    [[nodiscard]] bool is_sealed() const noexcept { return std::holds_alternative<Sealing>(content); }
    bool operator==(const OutgoingCopy&) const = default;
};

/// The copies of the plan, which has some.
[[nodiscard]] std::vector<OutgoingCopy> copies_of(const policy::Transaction& transaction,
                                                  const policy::Plan& plan);

/// The last look before a copy's MAIL. Throws std::logic_error unless each of its recipients was decided to
/// get these bytes: a sealed copy goes to `sealed` alone, the original to `clear` and `untouched` alone.
void check_recipients(const OutgoingCopy& copy);

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
