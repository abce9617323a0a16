#include "policy/config.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "keyring/keyring.hpp"
#include "policy/completion.hpp"

#include <boost/program_options.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace lockbox::policy {
namespace {

namespace po = boost::program_options;

[[noreturn]] void fail(const std::string& what) {
    throw Error(ErrorKind::configuration, what);
}

// --- Values ---

template <typename Value, std::size_t count>
using Words = std::array<std::pair<std::string_view, Value>, count>;

constexpr Words<Scope, 3> scopes{
    {{"outgoing", Scope::outgoing}, {"incoming", Scope::incoming}, {"all", Scope::all}}};
constexpr Words<InboundTls, 2> inbound_tls_words{
    {{"optional", InboundTls::optional}, {"require", InboundTls::require}}};
constexpr Words<DeliveryMode, 3> delivery_words{{{"auto", DeliveryMode::automatic},
                                                 {"in-place", DeliveryMode::in_place},
                                                 {"reinject", DeliveryMode::reinject}}};
constexpr Words<crypto::Protocol, 2> protocols{
    {{"openpgp", crypto::Protocol::openpgp}, {"smime", crypto::Protocol::smime}}};
constexpr Words<bool, 2> yes_or_no{{{"yes", true}, {"no", false}}};
constexpr Words<log::Sink, 2> sinks{{{"syslog", log::Sink::syslog}, {"stderr", log::Sink::standard_error}}};
constexpr Words<log::Level, 4> levels{{{"debug", log::Level::debug},
                                       {"info", log::Level::info},
                                       {"warning", log::Level::warning},
                                       {"error", log::Level::error}}};

template <typename Value, std::size_t count>
Value value_of(const Words<Value, count>& words, std::string_view text) {
    std::vector<std::string_view> valid;
    for (const auto& [word, value] : words) {
        if (word == text) {
            return value;
        }
        valid.push_back(word);
    }
    fail(fmt::format("'{}' is not one of the valid values: {}", printable(text), fmt::join(valid, ", ")));
}

template <typename Value, std::size_t count>
std::string_view word_of(const Words<Value, count>& words, Value wanted) {
    const auto* found =
        std::find_if(words.begin(), words.end(), [&](const auto& pair) { return pair.second == wanted; });
    return found->first;
}

/// Decimal digits and nothing else, within bounds.
std::optional<std::uint64_t> whole_number(std::string_view text, std::uint64_t least, std::uint64_t most) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && number >= least && number <= most ? std::optional(number) : std::nullopt;
}

std::uint64_t number_between(std::string_view text, std::uint64_t least, std::uint64_t most,
                             std::string_view unit) {
    const auto number = whole_number(text, least, most);
    if (!number) {
        fail(fmt::format("'{}' is not a number of {} from {} to {}", printable(text), unit, least, most));
    }
    return *number;
}

struct Unit {
    char suffix;
    unsigned bits;
};
constexpr std::array<Unit, 3> units{{{'G', 30}, {'M', 20}, {'K', 10}}};

std::size_t octets_from(std::string_view text) {
    auto digits = text;
    unsigned bits = 0;
    for (const auto& unit : units) {
        if (!text.empty() && text.back() == unit.suffix) {
            digits.remove_suffix(1);
            bits = unit.bits;
        }
    }
    const auto number = whole_number(digits, 1, message_octets_max_most >> bits);
    if (!number || (*number << bits) < message_octets_max_least) {
        fail(fmt::format("'{}' is not a number of octets from 64K to 1G; K, M and G may follow the digits",
                         printable(text)));
    }
    return static_cast<std::size_t>(*number << bits);
}

std::string octets_text(std::size_t octets) {
    for (const auto& unit : units) {
        if (octets % (std::size_t{1} << unit.bits) == 0) {
            return fmt::format("{}{}", octets >> unit.bits, unit.suffix);
        }
    }
    return std::to_string(octets);
}

unsigned mode_from(std::string_view text) {
    const bool octal = (text.size() == 3 || (text.size() == 4 && text.front() == '0')) &&
                       std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '7'; });
    unsigned mode = 0;
    if (octal) {
        std::from_chars(text.data(), text.data() + text.size(), mode, 8);
    }
    if ((mode & 0600U) != 0600U) {
        fail(fmt::format("'{}' is not a mode for a socket, in octal digits from 0600 to 0777",
                         printable(text)));
    }
    return mode;
}

bool is_host(std::string_view text) {
    const auto literal_characters = [](char c) {
        return is_digit(c) || c == '.' || c == ':' || (is_alpha(to_lower(c)) && to_lower(c) <= 'f');
    };
    if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
        text = text.substr(1, text.size() - 2);
        return std::all_of(text.begin(), text.end(), literal_characters);
    }
    return is_ip_address(text) || mail::normalised_domain(text).has_value();
}

void check_socket_path(std::string_view path) {
    if (path.substr(0, 1) != "/") {
        fail(fmt::format("the path '{}' of the socket does not begin with a slash", printable(path)));
    }
    if (path.size() > socket_path_octets_max) {
        fail(fmt::format("the path of the socket has {} octets; the system takes {}", path.size(),
                         socket_path_octets_max));
    }
}

void check_socket_port_and_host(std::string_view text) {
    constexpr std::uint64_t port_most = 65535;
    const auto at = text.find('@');
    if (at == std::string_view::npos || !whole_number(text.substr(0, at), 1, port_most) ||
        !is_host(text.substr(at + 1))) {
        fail(fmt::format(
            "'{}' is not port@host with a port number from 1 to {}; inet:port@host is the same as "
            "inet:host:port in Postfix",
            printable(text), port_most));
    }
}

/// The form only; whether it can be opened shows when it is.
void check_socket(std::string_view text) {
    const auto colon = text.find(':');
    const auto family = text.substr(0, colon);
    const auto rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
    if (colon == std::string_view::npos && text.substr(0, 1) == "/") {
        check_socket_path(text);
    } else if (family == "unix" || family == "local") {
        check_socket_path(rest);
    } else if (family == "inet" || family == "inet6") {
        check_socket_port_and_host(rest);
    } else {
        fail(fmt::format(
            "'{}' is not a socket; the valid forms are: unix:/path, local:/path, /path, inet:port@host, "
            "inet6:port@host",
            printable(text)));
    }
}

/// A name as the system's databases of users and groups have them; empty means the default.
std::string account_name(std::string_view text) {
    const bool plain =
        text.substr(0, 1) != "-" && std::all_of(text.begin(), text.end(), [](char c) {
            return is_alpha(c) || is_digit(c) || std::string_view("_-.$@").find(c) != std::string_view::npos;
        });
    if (!plain) {
        fail(fmt::format("'{}' is not the name of a user or group", printable(text)));
    }
    return std::string(text);
}

std::string domain_name(std::string_view text) {
    auto domain = mail::normalised_domain(text);
    if (!domain) {
        fail(fmt::format("'{}' is not a domain name; write one in each line, without @", printable(text)));
    }
    return *std::move(domain);
}

std::string default_domain(std::string_view text) {
    auto domain = mail::normalised_domain(text);
    if (!domain) {
        fail(fmt::format("'{}' is not a domain name; write it without @", printable(text)));
    }
    return *std::move(domain);
}

/// A character that may stand in a local part without quotation marks and that is neither a letter, a digit
/// nor a full stop; those that MTAs read routes in cannot begin an extension.
std::optional<char> separator(std::string_view text) {
    constexpr std::string_view valid = "+-_=&*~^$'/?`{|}";
    if (text.empty()) {
        return std::nullopt;
    }
    if (text.size() != 1 || valid.find(text.front()) == std::string_view::npos) {
        fail(fmt::format(
            "'{}' is not one of the characters {}; an empty value means that there are no extensions",
            printable(text), valid));
    }
    return text.front();
}

std::string daemon_name(std::string_view text) {
    if (text.empty() ||
        std::any_of(text.begin(), text.end(), [](char c) { return is_space(c) || c == ','; })) {
        fail(fmt::format("'{}' is not the name of a daemon; write one in each line", printable(text)));
    }
    return std::string(text);
}

std::string absolute_path(std::string_view text) {
    if (text.substr(0, 1) != "/") {
        fail(fmt::format("the path '{}' does not begin with a slash", printable(text)));
    }
    return std::string(text);
}

void add_networks(std::vector<Network>& networks, std::string_view text) {
    constexpr std::string_view separators = ", \t";
    const auto before = networks.size();
    while (!text.empty()) {
        const auto end = std::min(text.find_first_of(separators), text.size());
        if (const auto word = text.substr(0, end); !word.empty()) {
            auto network = Network::parse(word);
            if (!network) {
                fail(fmt::format(
                    "'{}' is not a network such as 192.0.2.0/24 or 2001:db8::/32, or has bits set behind "
                    "the prefix",
                    printable(word)));
            }
            networks.push_back(*std::move(network));
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (networks.size() == before) {
        fail("a network is missing; write 192.0.2.0/24 or 2001:db8::/32, several with commas or spaces "
             "between");
    }
}

// --- Keys ---

/// How many insertions, deletions and replacements of one character lie between two words.
std::size_t distance(std::string_view left, std::string_view right) {
    std::vector<std::size_t> row(right.size() + 1);
    for (std::size_t j = 0; j <= right.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 0; i < left.size(); ++i) {
        auto diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < right.size(); ++j) {
            const auto replaced = diagonal + (left[i] == right[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

/// The valid key that was probably meant; empty: nothing is near.
std::string nearest(std::string_view unknown, const std::vector<std::string>& keys) {
    constexpr std::size_t octets_max = 64; // of a key worth a guess
    constexpr std::size_t distance_max = 3;
    if (unknown.size() > octets_max) {
        return {};
    }
    auto word = to_lower(unknown);
    std::replace(word.begin(), word.end(), '_', '-');
    std::string best;
    auto least = std::min(distance_max, word.size() / 2) + 1;
    for (const auto& key : keys) {
        if (const auto steps = distance(word, key); steps < least) {
            least = steps;
            best = key;
        }
    }
    return best;
}

/// Without a comment: `#` at the beginning or behind white space, not inside quotation marks, which only the
/// local part of an address has.
std::string_view without_comment(std::string_view line) {
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '"') {
            quoted = !quoted;
        } else if (quoted && line[i] == '\\') {
            ++i;
        } else if (!quoted && line[i] == '#' && (i == 0 || is_blank(line[i - 1]))) {
            return line.substr(0, i);
        }
    }
    return line;
}

/// Reads one configuration, line by line, so that every error knows its line.
class Reader {
public:
    explicit Reader(std::string name) : name_(std::move(name)) { describe_keys(); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    Config read(std::string_view text) {
        constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
        if (text.substr(0, byte_order_mark.size()) == byte_order_mark) {
            text.remove_prefix(byte_order_mark.size());
        }
        while (!text.empty()) {
            const auto end = std::min(text.find('\n'), text.size());
            auto line = text.substr(0, end);
            if (!line.empty() && line.back() == '\r') {
                line.remove_suffix(1);
            }
            ++line_;
            located(line_, [&] { read_line(line); });
            text.remove_prefix(std::min(end + 1, text.size()));
        }
        check_consistency();
        return std::move(config_);
    }

private:
    /// Runs work whose errors are about a line.
    template <typename Work>
    void located(std::size_t line, Work&& work) const {
        try {
            work();
        } catch (const Error& error) {
            throw Error(ErrorKind::configuration, fmt::format("{}:{}: {}", name_, line, error.what()),
                        error.hint());
        }
    }

    using Use = std::function<void(const std::string& value)>;

    void once(const char* key, Use use) {
        repeatable(key, [this, key, use = std::move(use)](const std::string& value) {
            const auto [place, is_first] = line_of_.emplace(key, line_);
            if (!is_first) {
                fail(fmt::format("given twice, first in line {}", place->second));
            }
            use(value);
        });
    }

    void repeatable(const char* key, Use use) {
        keys_.add_options()(
            key, po::value<std::string>()->notifier([key, use = std::move(use)](const std::string& value) {
                try {
                    use(value);
                } catch (const Error& error) {
                    throw Error(error.kind(), fmt::format("{}: {}", key, error.what()), error.hint());
                }
            }),
            "");
    }

    /// Every key and what becomes of its value. The order is that of lockbox.conf(5) and of print_config().
    void describe_keys() {
        auto& policy = config_.policy;
        once("socket", [this](const std::string& value) {
            check_socket(value);
            config_.socket = value;
        });
        once("socket-mode", [this](const std::string& value) { config_.socket_mode = mode_from(value); });
        once("socket-group",
             [this](const std::string& value) { config_.socket_group = account_name(value); });
        once("user", [this](const std::string& value) { config_.user = account_name(value); });
        once("keyring", [this](const std::string& value) {
            (void)keyring::Location::parse(value);
            config_.keyring = value;
        });
        once("scope", [&policy](const std::string& value) { policy.scope = value_of(scopes, value); });
        repeatable("incoming-domain", [&policy](const std::string& value) {
            policy.incoming_domains.push_back(domain_name(value));
        });
        repeatable("trusted-networks",
                   [&policy](const std::string& value) { add_networks(policy.trusted_networks, value); });
        repeatable("submission-daemon", [&policy](const std::string& value) {
            policy.submission_daemons.push_back(daemon_name(value));
        });
        repeatable("rule", [this, &policy](const std::string& value) {
            policy.rules.push_back(Rule::parse(value));
            rule_lines_.push_back(line_);
        });
        once("prefer-protocol",
             [&policy](const std::string& value) { policy.preferred_protocol = value_of(protocols, value); });
        repeatable("case-sensitive-domain", [&policy](const std::string& value) {
            policy.case_sensitive_domains.push_back(domain_name(value));
        });
        once("subaddress-separator",
             [&policy](const std::string& value) { policy.subaddress_separator = separator(value); });
        once("default-domain",
             [&policy](const std::string& value) { policy.default_domain = default_domain(value); });
        repeatable("smime-ca", [this](const std::string& value) {
            config_.smime_authorities.push_back(absolute_path(value));
        });
        repeatable("smime-crl", [this](const std::string& value) {
            config_.smime_revocations.push_back(absolute_path(value));
        });
        once("smime-subject-address", [this](const std::string& value) {
            config_.smime_subject_address = value_of(yes_or_no, value);
        });
        repeatable("outer-field", [this](const std::string& value) { config_.outer_fields.add(value); });
        once("inbound-tls", [&policy](const std::string& value) {
            policy.inbound_tls = value_of(inbound_tls_words, value);
        });
        once("delivery",
             [this](const std::string& value) { config_.delivery = value_of(delivery_words, value); });
        once("reinject", [this](const std::string& value) { config_.reinject = Listener::parse(value); });
        repeatable("mta-user", [this](const std::string& value) {
            if (value.empty()) {
                fail("'' is not the name of a user or group");
            }
            config_.mta_users.push_back(account_name(value));
        });
        once("journal", [this](const std::string& value) { config_.journal = absolute_path(value); });
        once("route-secret",
             [this](const std::string& value) { config_.route_secret = RouteSecret::parse(value); });
        once("message-size-max",
             [this](const std::string& value) { config_.message_octets_max = octets_from(value); });
        once("copies-max", [&policy](const std::string& value) {
            policy.copies_max = static_cast<std::size_t>(number_between(value, 1, copies_most, "copies"));
        });
        once("time-budget", [this](const std::string& value) {
            const auto most = static_cast<std::uint64_t>(time_budget_most.count());
            config_.time_budget = std::chrono::seconds(number_between(value, 1, most, "seconds"));
        });
        once("concurrency", [this](const std::string& value) {
            config_.concurrency =
                static_cast<unsigned>(number_between(value, 1, concurrency_most, "messages"));
        });
        once("log", [this](const std::string& value) { config_.log = value_of(sinks, value); });
        once("log-level", [this](const std::string& value) { config_.log_level = value_of(levels, value); });
    }

    void read_line(std::string_view line) {
        if (line.find_first_of(std::string_view("\r\0", 2)) != std::string_view::npos) {
            fail("there is a NUL or a carriage return inside the line"); // else a comment could hide all that
                                                                         // follows
        }
        line = trim(without_comment(line));
        if (line.empty()) {
            return;
        }
        if (!is_utf8(line)) {
            fail("the line is not UTF-8");
        }
        if (std::any_of(line.begin(), line.end(), [](char c) { return is_control(c) && c != '\t'; })) {
            fail("there is a control character in the line");
        }
        if (line.front() == '[') {
            fail(fmt::format("'{}': this file has no sections", printable(line)));
        }
        const auto equals = line.find('=');
        if (equals == std::string_view::npos || equals == 0) {
            // What a forgotten `=` leaves together may be the secret.
            const auto shown =
                starts_with_ignoring_case(line, "route-secret") ? "route-secret ..." : printable(line);
            fail(fmt::format("'{}' is not of the form: key = value", shown));
        }
        take(std::string(trim(line.substr(0, equals))), std::string(trim(line.substr(equals + 1))));
    }

    void take(const std::string& key, const std::string& value) {
        if (keys_.find_nothrow(key, false) == nullptr) {
            unknown(key);
        }
        // Boost's own reader of files would cut a value at any `#`, which an address may contain.
        po::parsed_options parsed(&keys_);
        parsed.options.emplace_back(key, std::vector<std::string>{value});
        po::variables_map values;
        po::store(parsed, values);
        po::notify(values);
    }

    [[noreturn]] void unknown(const std::string& key) const {
        std::vector<std::string> keys;
        for (const auto& option : keys_.options()) {
            keys.push_back(option->long_name());
        }
        const auto meant = nearest(key, keys);
        fail(fmt::format("unknown key '{}'{} the valid keys are: {}", printable(key),
                         meant.empty() ? ";" : fmt::format(", did you mean '{}'?", meant),
                         fmt::join(keys, ", ")));
    }

    void check_consistency() const {
        const auto& policy = config_.policy;
        if (policy.scope == Scope::incoming && policy.incoming_domains.empty()) {
            located(line_of_.at("scope"), [] {
                fail("scope: 'incoming' needs the domains whose mail is to be sealed; name each with "
                     "incoming-domain");
            });
        }
        if (config_.delivery == DeliveryMode::reinject && !config_.reinject) {
            located(line_of_.at("delivery"), [] {
                fail("delivery: 'reinject' needs the listener that takes the copies back; name it with "
                     "reinject");
            });
        }
        if (config_.reinject && reach_of_socket(config_.socket) == SocketReach::network) {
            located(line_of_.at("socket"), [&] {
                fail(fmt::format("socket: '{}' with `reinject` would hand back for sending what anybody "
                                 "tells the milter who "
                                 "reaches this port; use unix:/path, or an address of loopback such as "
                                 "inet:8891@127.0.0.1",
                                 printable(config_.socket)));
            });
        }
        for (std::size_t i = 0; i + 1 < policy.rules.size(); ++i) {
            if (policy.rules[i].matches_everything()) {
                located(rule_lines_[i + 1], [&] {
                    fail(fmt::format(
                        "rule: never reached, because the rule '{}' in line {} matches every message",
                        policy.rules[i].to_string(), rule_lines_[i]));
                });
            }
        }
    }

    std::string name_;
    po::options_description keys_;
    Config config_;
    std::size_t line_ = 0;
    std::map<std::string, std::size_t> line_of_; ///< of the keys that may be given once
    std::vector<std::size_t> rule_lines_;
};

/// What `read` returns; too much of it is an error of the configuration.
template <typename Read>
std::string text_from(Read&& read) {
    try {
        return read();
    } catch (const Error& error) {
        const bool too_large = error.kind() == ErrorKind::too_large;
        throw Error(too_large ? ErrorKind::configuration : error.kind(), error.what(), error.hint());
    }
}

template <typename Values, typename Text>
void print_each(std::string& out, std::string_view key, const Values& values, Text&& text) {
    if (values.empty()) {
        out += fmt::format("# {}: none\n", key);
    }
    for (const auto& value : values) {
        out += fmt::format("{} = {}\n", key, text(value));
    }
}

} // namespace

SocketReach reach_of_socket(std::string_view socket) {
    const auto family = socket.substr(0, socket.find(':'));
    if (family != "inet" && family != "inet6") {
        return SocketReach::file_system;
    }
    auto host = socket.substr(socket.find('@') + 1);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    }
    return is_loopback(host) ? SocketReach::this_machine : SocketReach::network;
}

Config read_config(std::istream& in, const std::string& name) {
    return Reader(name).read(text_from([&] { return read_stream(in, name, config_octets_max); }));
}

Config read_config_file(const std::filesystem::path& path) {
    auto config = Reader(path.string()).read(text_from([&] { return read_file(path, config_octets_max); }));
    if (!config.policy.default_domain) {
        config.policy.mail_name = read_mail_name();
    }
    return config;
}

std::string print_config(const Config& config) {
    const auto itself = [](const std::string& text) -> const std::string& { return text; };
    const auto& policy = config.policy;
    std::string out;
    out += fmt::format("socket = {}\n", config.socket);
    out += fmt::format("socket-mode = {:04o}\n", config.socket_mode);
    out += fmt::format("socket-group ={}{}\n", config.socket_group.empty() ? "" : " ", config.socket_group);
    out += fmt::format("user ={}{}\n", config.user.empty() ? "" : " ", config.user);
    out += fmt::format("keyring = {}\n", config.keyring);
    out += fmt::format("scope = {}\n", word_of(scopes, policy.scope));
    print_each(out, "incoming-domain", policy.incoming_domains, itself);
    print_each(out, "trusted-networks", policy.trusted_networks,
               [](const Network& network) { return network.text(); });
    print_each(out, "submission-daemon", policy.submission_daemons, itself);
    print_each(out, "rule", policy.rules, [](const Rule& rule) { return rule.to_string(); });
    out += fmt::format("prefer-protocol = {}\n", word_of(protocols, policy.preferred_protocol));
    print_each(out, "case-sensitive-domain", policy.case_sensitive_domains, itself);
    out += fmt::format("subaddress-separator ={}{}\n", policy.subaddress_separator ? " " : "",
                       policy.subaddress_separator ? std::string(1, *policy.subaddress_separator) : "");
    out += policy.default_domain ? fmt::format("default-domain = {}\n", *policy.default_domain)
                                 : fmt::format("# default-domain: none, so {}\n",
                                               policy.mail_name ? *policy.mail_name + ", from /etc/mailname"
                                                                : "the MTA's own name");
    print_each(out, "smime-ca", config.smime_authorities, itself);
    print_each(out, "smime-crl", config.smime_revocations, itself);
    out += fmt::format("smime-subject-address = {}\n", word_of(yes_or_no, config.smime_subject_address));
    print_each(out, "outer-field", config.outer_fields.added(), itself);
    out += fmt::format("inbound-tls = {}\n", word_of(inbound_tls_words, policy.inbound_tls));
    out += fmt::format("delivery = {}\n", word_of(delivery_words, config.delivery));
    out +=
        config.reinject ? fmt::format("reinject = {}\n", config.reinject->to_string()) : "# reinject: none\n";
    if (config.mta_users.empty()) {
        out += "# mta-user: none, so postfix and smmta where they exist\n";
    } else {
        print_each(out, "mta-user", config.mta_users, itself);
    }
    out += fmt::format("journal = {}\n", config.journal);
    out += fmt::format("# route-secret: {}\n", config.route_secret ? "set, and not shown" : "none");
    out += fmt::format("message-size-max = {}\n", octets_text(config.message_octets_max));
    out += fmt::format("copies-max = {}\n", policy.copies_max);
    out += fmt::format("time-budget = {}\n", config.time_budget.count());
    out += fmt::format("concurrency = {}\n", config.concurrency);
    out += fmt::format("log = {}\n", word_of(sinks, config.log));
    out += fmt::format("log-level = {}\n", word_of(levels, config.log_level));
    return out;
}

} // namespace lockbox::policy
