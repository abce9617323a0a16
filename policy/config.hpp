// The configuration file: one struct, read once, strict. lockbox.conf(5) describes every key.
#pragma once

#include "base/log.hpp"
#include "mail/address.hpp"
#include "policy/listener.hpp"
#include "policy/network.hpp"
#include "policy/route_secret.hpp"
#include "policy/rule.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <istream>
#include <optional>
#include <string>
#include <string_view>
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
    automatic, ///< one copy: edited in place; several: all through the reinjection listener
    reinject,  ///< all through the reinjection listener: the queue keeps nothing of the plain text
};

constexpr std::size_t copies_most = 250; ///< each is an open connection to the reinjection listener

/// What judge() needs to know.
struct Policy {
    Scope scope = Scope::outgoing;
    std::vector<std::string> incoming_domains;   ///< normalised
    std::vector<Network> trusted_networks;       ///< beside the loopback networks, which always are
    std::vector<std::string> submission_daemons; ///< values of {daemon_name} that mean submission
    std::vector<Rule> rules;
    crypto::Protocol preferred_protocol =
        crypto::Protocol::openpgp;                   ///< of recipients with certificates of both
    std::vector<std::string> case_sensitive_domains; ///< normalised: local parts are compared exactly
    InboundTls inbound_tls = InboundTls::optional;
    std::size_t copies_max = 100; ///< of one message
};

constexpr std::size_t config_octets_max = 1U << 20U; ///< of the file: a limit for mistakes such as /dev/zero
constexpr std::size_t socket_path_octets_max = 107;  ///< sun_path without its final NUL, unix(7)
constexpr std::size_t message_octets_max_least = 64U << 10U;
constexpr std::size_t message_octets_max_most = 1U << 30U;
/// Postfix gives up after milter_content_timeout, 300 s, and a client must wait 600 s (RFC 5321 §4.5.3.2.6).
constexpr std::chrono::seconds time_budget_most{240};
constexpr unsigned concurrency_most = 256;

constexpr std::string_view default_config_path = "/etc/lockbox/lockbox.conf";
constexpr std::string_view default_keyring_url = "sqlite:///var/lib/lockbox/keyring.db";
constexpr std::string_view default_journal = "/var/lib/lockbox/journal.db";

/// The value of the macro {daemon_name} on the reinjection listener. Whoever comes there without a copy that
/// Lockbox is just handing back is sent away.
constexpr std::string_view reinjection_daemon_name = "lockbox-reinject";

struct Config {
    std::string socket = "unix:/run/lockbox/milter.sock"; ///< libmilter's notation
    unsigned socket_mode = 0660;
    std::string socket_group; ///< empty: the process's own
    std::string user;         ///< to become when started as root; empty: stay root, with a warning
    std::string keyring{default_keyring_url};
    Policy policy;
    std::vector<std::string> smime_authorities; ///< files or directories of certificates that are trusted
    std::vector<std::string> smime_revocations; ///< files of lists of revoked certificates
    bool smime_subject_address = false;         ///< take the address of a subject where there is no other
    DeliveryMode delivery = DeliveryMode::automatic;
    std::optional<Listener> reinject; ///< nullopt: messages that need several copies are deferred
    std::string journal{default_journal};
    std::optional<RouteSecret> route_secret;      ///< nullopt: the MTA is not told what may go on
    std::size_t message_octets_max = 100U << 20U; ///< header section and body together
    std::chrono::seconds time_budget{60};         ///< from end of message to the verdict
    unsigned concurrency = 8;                     ///< messages judged and sealed at once; others wait
    log::Sink log = log::Sink::syslog;
    log::Level log_level = log::Level::info;
};

/// Reads `key = value` lines; `#` at the beginning of a line or behind white space begins a comment. Throws
/// Error(configuration): "FILE:LINE: …", with the valid keys or values.
[[nodiscard]] Config read_config(std::istream& in, const std::string& name);

/// The same for a file; Error(no_input) when it cannot be read.
[[nodiscard]] Config read_config_file(const std::filesystem::path& path);

/// Every key with its value, in the syntax of the file: reading it gives the same configuration, but for
/// `route-secret`, which is not shown.
[[nodiscard]] std::string print_config(const Config& config);

} // namespace lockbox::policy
