// What an administrator wants of mail: the part of the configuration that judging needs.
#pragma once

#include "crypto/certificate.hpp"
#include "policy/network.hpp"
#include "policy/rule.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace lockbox::policy {

enum class Scope {
    outgoing, ///< authenticated, from trusted networks, or submitted locally
    incoming, ///< to the domains listed
    all,
};

enum class InboundTls { optional, require };

/// How sealed copies leave.
enum class DeliveryMode {
    automatic, ///< one copy: edited in place, but for what way_out() says; several: all handed back
    in_place,  ///< one copy: edited in place, also with a route secret; several: all handed back
    reinject,  ///< all handed back: the queue keeps nothing of the plain text
};

constexpr std::size_t copies_most = 250; ///< each is an open connection to the reinjection listener

struct Policy {
    Scope scope = Scope::outgoing;
    std::vector<std::string> incoming_domains;   ///< normalised
    std::vector<Network> trusted_networks;       ///< beside the loopback networks, which always are
    std::vector<std::string> submission_daemons; ///< values of {daemon_name} that mean submission
    std::vector<Rule> rules;
    crypto::Protocol preferred_protocol =
        crypto::Protocol::openpgp;                   ///< of recipients with certificates of both
    std::vector<std::string> case_sensitive_domains; ///< normalised: local parts are compared exactly
    /// What begins an extension of a local part (`bob+tag`); nullopt: nothing does.
    std::optional<char> subaddress_separator = '+';
    std::optional<std::string> default_domain; ///< normalised: of paths that the MTA does not complete itself
    std::optional<std::string> mail_name;      ///< what /etc/mailname says, where there is no default_domain
    InboundTls inbound_tls = InboundTls::optional;
    std::size_t copies_max = 100; ///< of one message
};

} // namespace lockbox::policy
