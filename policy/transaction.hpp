// One message on its way through the mail system, as plain data: what the MTA said, byte for byte.
#pragma once

#include "mail/address.hpp"
#include "mail/header.hpp"

#include <optional>
#include <string>
#include <vector>

namespace lockbox::policy {

/// A forward-path (RCPT TO) or the reverse-path (MAIL FROM).
struct Path {
    std::string raw;                      ///< the MTA's exact bytes: editing recipients needs them
    std::vector<std::string> parameters;  ///< ESMTP parameters: "NOTIFY=NEVER", …
    std::optional<mail::Address> address; ///< nullopt: the null reverse-path, or not a mailbox

    /// Reads `raw` with Address::parse_path().
    [[nodiscard]] static Path from(std::string raw, std::vector<std::string> parameters = {});

    /// A path to the address, without parameters.
    [[nodiscard]] static Path to(const mail::Address& address);

    /// `raw` without white space and angle brackets: how one try of a message knows a recipient of another.
    [[nodiscard]] std::string mailbox() const;

    /// The null reverse-path: `<>`, or nothing, as it comes with local submission.
    [[nodiscard]] bool is_null() const;
    bool operator==(const Path&) const = default;
};

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
    /// One of them may have been refused after it was recorded, and nothing shows which. The MTA knows, so
    /// the message may go on in place, but no copies of it may be made.
    bool recipients_doubtful = false;
    mail::HeaderSection header;
    std::string body;
};

} // namespace lockbox::policy
