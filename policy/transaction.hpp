// One message on its way through the mail system, as plain data: what the MTA said, byte for byte.
#pragma once

#include "mail/address.hpp"
#include "mail/header.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace lockbox::policy {

/// With what the MTA completes a path that names no domain, or only the first label of one.
struct Completion {
    /// The mailbox that the MTA has resolved the path to, its macro {rcpt_addr} or {mail_addr}; empty: not
    /// known.
    std::string resolved;
    std::string default_domain; ///< normalised; empty: not known
};

/// A forward-path (RCPT TO) or the reverse-path (MAIL FROM).
struct Path {
    std::string raw;                     ///< the MTA's exact bytes: editing recipients needs them
    std::vector<std::string> parameters; ///< ESMTP parameters: "NOTIFY=NEVER", …
    /// Whom the MTA delivers to. nullopt: the null reverse-path, or no complete address: the MTA may clean,
    /// rewrite or complete the path later, and nobody can tell who gets the message.
    std::optional<mail::Address> address;

    /// Reads `raw` with Address::parse_path(). A path that the MTA completes is read with the domain that the
    /// MTA has resolved it to; where the MTA has not said it, a plain local name (`root`) belongs to the
    /// default domain, and a domain of one label is not completed.
    [[nodiscard]] static Path from(std::string raw, std::vector<std::string> parameters = {},
                                   const Completion& completion = {});

    /// The address where it is spelled otherwise than the path, which it was read from; empty: it is not, or
    /// there is no address.
    [[nodiscard]] std::string read_as() const;

    /// A path to the address, without parameters.
    [[nodiscard]] static Path to(const mail::Address& address);

    /// `raw` without white space and angle brackets: how one try of a message knows a recipient of another.
    [[nodiscard]] std::string mailbox() const;

    /// The null reverse-path: `<>`, or nothing, as it comes with local submission.
    [[nodiscard]] bool is_null() const;
    bool operator==(const Path&) const = default;
};

/// Recipients that are judged of one message, aliases and those whom they stand for counted each: ten times
/// what Postfix takes over SMTP (smtpd_recipient_limit), a hundred times what every server must take (RFC
/// 5321 §4.5.3.1.8). Sendmail and Postfix's sendmail(1) have no limit of their own.
constexpr std::size_t recipients_max = 10'000;

/// Of the paths of all recipients with their parameters: a thousand octets for each, more than any needs that
/// is in use.
constexpr std::size_t recipients_octets_max = recipients_max * 1000;

/// Who handed the message over.
struct Origin {
    std::string client_name;    ///< as the MTA names it
    std::string client_address; ///< IPv4 or IPv6 in text; empty: not over the network
    std::string login;          ///< macro {auth_authen}; empty: not authenticated
    std::string tls_version;    ///< macro {tls_version}: "TLSv1.3"; empty: no TLS
    std::string daemon_name;    ///< macro {daemon_name}
    std::string helo;           ///< the client's last HELO or EHLO
    std::string mta_name;       ///< macro j: the MTA's own host name
};

struct Transaction {
    std::string queue_id; ///< macro i; empty until the MTA has chosen one
    Origin origin;
    Path reverse_path;
    std::vector<Path> recipients;
    /// Recipients beyond recipients_max or recipients_octets_max: nothing is known of them, so the message
    /// may go on only where nobody is asked about.
    bool recipients_left_out = false;
    /// One of them may have been refused after it was recorded, and nothing shows which. The MTA knows, so
    /// the message may go on in place, but no copies of it may be made.
    bool recipients_doubtful = false;
    /// Fields of the routing's name that came with the message and are not in `header`: editing in place has
    /// to remove them.
    std::size_t foreign_routes = 0;
    mail::HeaderSection header;
    std::string body;
};

} // namespace lockbox::policy
