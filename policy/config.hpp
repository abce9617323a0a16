// The configuration file: one struct, read once, strict. lockbox.conf(5) describes every key.
#pragma once

#include "base/log.hpp"
#include "mail/outer_fields.hpp"
#include "policy/listener.hpp"
#include "policy/policy.hpp"
#include "policy/route_secret.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <istream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::policy {

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
    mail::OuterFields outer_fields;             ///< of sealed messages: what stays readable
    DeliveryMode delivery = DeliveryMode::automatic;
    std::optional<Listener> reinject;   ///< nullopt: messages that need several copies are deferred
    std::vector<std::string> mta_users; ///< who may listen there; empty: `postfix` and `smmta`, if they exist
    std::string journal{default_journal};
    std::optional<RouteSecret> route_secret;      ///< nullopt: the MTA is not told what may go on
    std::size_t message_octets_max = 100U << 20U; ///< header section and body together
    std::chrono::seconds time_budget{60};         ///< from end of message to the verdict
    unsigned concurrency = 8;                     ///< messages judged and sealed at once; others wait
    log::Sink log = log::Sink::syslog;
    log::Level log_level = log::Level::info;
};

/// Who can reach a milter socket.
enum class SocketReach {
    file_system,  ///< whom the mode of the file lets
    this_machine, ///< every user of this machine: an address of loopback
    network,      ///< anybody, or nobody knows: a host name may come to mean another address
};
/// Of a value of the key `socket`.
[[nodiscard]] SocketReach reach_of_socket(std::string_view socket);

/// Reads `key = value` lines; `#` at the beginning of a line or behind white space begins a comment. Throws
/// Error(configuration): "FILE:LINE: …", with the valid keys or values.
[[nodiscard]] Config read_config(std::istream& in, const std::string& name);

/// The same for a file, and reads /etc/mailname where that is wanted. Error(no_input) when the file cannot be
/// read.
[[nodiscard]] Config read_config_file(const std::filesystem::path& path);

/// Every key with its value, in the syntax of the file: reading it gives the same configuration, but for
/// `route-secret`, which is not shown.
[[nodiscard]] std::string print_config(const Config& config);

} // namespace lockbox::policy
