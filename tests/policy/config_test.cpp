#include "base/ascii.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "policy/config.hpp"
#include "policy/warnings.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <sstream>

using namespace lockbox;
using namespace lockbox::policy;

namespace {

Config read(const std::string& text) {
    std::istringstream in(text);
    return read_config(in, "test.conf");
}

std::string error_of(const std::string& text) {
    try {
        (void)read(text);
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::configuration);
        return error.what();
    }
    return {};
}

bool mentions(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    return lines;
}

const std::filesystem::path sample = std::filesystem::path(LOCKBOX_SOURCE) / "contrib/lockbox.conf";

constexpr const char* every_key[] = {"socket",
                                     "socket-mode",
                                     "socket-group",
                                     "user",
                                     "keyring",
                                     "scope",
                                     "incoming-domain",
                                     "trusted-networks",
                                     "submission-daemon",
                                     "rule",
                                     "prefer-protocol",
                                     "case-sensitive-domain",
                                     "subaddress-separator",
                                     "default-domain",
                                     "smime-ca",
                                     "smime-crl",
                                     "smime-subject-address",
                                     "outer-field",
                                     "inbound-tls",
                                     "delivery",
                                     "reinject",
                                     "mta-user",
                                     "journal",
                                     "route-secret",
                                     "message-size-max",
                                     "copies-max",
                                     "time-budget",
                                     "concurrency",
                                     "log",
                                     "log-level"};

/// The lines of the sample that show a default, `#key = value`, without the number sign.
std::vector<std::string> defaults_in_sample() {
    std::vector<std::string> defaults;
    for (const auto& line : lines_of(read_file(sample, config_octets_max))) {
        if (line.size() > 1 && line[0] == '#' && is_alpha(line[1])) {
            defaults.push_back(line.substr(1));
        }
    }
    return defaults;
}

/// The lines that show an example, `#     key = value`.
std::vector<std::string> examples_in_sample() {
    std::vector<std::string> examples;
    for (const auto& line : lines_of(read_file(sample, config_octets_max))) {
        const auto text = std::string(line.empty() ? line : std::string(trim(line.substr(1))));
        for (const auto* key : every_key) {
            if (line.substr(0, 2) == "# " &&
                text.substr(0, std::string(key).size() + 2) == std::string(key) + " =") {
                examples.push_back(text);
            }
        }
    }
    return examples;
}

} // namespace

// --- The file ---

TEST_CASE("an empty file gives the defaults that lockbox.conf(5) names", "[policy]") {
    const auto text = GENERATE(as<std::string>{}, "", "\n", "\r\n", "   \n\t\n", "# nothing", "#",
                               "\xEF\xBB\xBF", "# Latin-1 in a comment: \xFC\n");
    CAPTURE(text);
    const auto config = read(text);
    CHECK(config.socket == "unix:/run/lockbox/milter.sock");
    CHECK(config.socket_mode == 0660);
    CHECK(config.socket_group.empty());
    CHECK(config.user.empty());
    CHECK(config.keyring == "sqlite:///var/lib/lockbox/keyring.db");
    CHECK(config.policy.scope == Scope::outgoing);
    CHECK(config.policy.incoming_domains.empty());
    CHECK(config.policy.trusted_networks.empty());
    CHECK(config.policy.submission_daemons.empty());
    CHECK(config.policy.rules.empty());
    CHECK(config.policy.case_sensitive_domains.empty());
    CHECK(config.policy.subaddress_separator == '+');
    CHECK_FALSE(config.policy.default_domain);
    CHECK_FALSE(config.policy.mail_name); // which is not the file's to say
    CHECK(config.policy.inbound_tls == InboundTls::optional);
    CHECK(config.delivery == DeliveryMode::automatic);
    CHECK_FALSE(config.reinject.has_value());
    CHECK(config.journal == "/var/lib/lockbox/journal.db");
    CHECK_FALSE(config.route_secret.has_value());
    CHECK(config.message_octets_max == 104857600);
    CHECK(config.policy.copies_max == 100);
    CHECK(config.time_budget.count() == 60);
    CHECK(config.concurrency == 8);
    CHECK(config.log == log::Sink::syslog);
    CHECK(config.log_level == log::Level::info);
}

TEST_CASE("every key is read", "[policy]") {
    const auto config = read("socket = inet:8891@127.0.0.1\n"
                             "socket-mode=0600\n"
                             "socket-group = postfix\n"
                             "  user\t= lockbox  \n"
                             "keyring = /srv/keyring#1.db # a number sign inside a word is no comment\n"
                             "scope = incoming\n"
                             "incoming-domain = Example.ORG.\n"
                             "incoming-domain = b\xC3\xBC"
                             "cher.example\n"
                             "trusted-networks = 10.0.0.0/8, 192.0.2.0/24\n"
                             "trusted-networks = [2001:db8::]/32\t192.0.2.1,,\n"
                             "submission-daemon = ORIGINATING\n"
                             "submission-daemon = MSA\n"
                             "rule = to=@bank.example require openpgp\n"
                             "rule = to=\"a #b\"@example.org never # a comment\n"
                             "prefer-protocol = smime\n"
                             "case-sensitive-domain = example.net\n"
                             "subaddress-separator = -\n"
                             "default-domain = Mta.Example.org\n"
                             "smime-ca = /etc/ssl/mail\n"
                             "smime-ca = /srv/ca.pem\n"
                             "smime-crl = /srv/ca.crl\n"
                             "smime-subject-address = yes\n"
                             "outer-field = X-Spam-Flag\n"
                             "outer-field = thread-index\n"
                             "inbound-tls = require\n"
                             "delivery = reinject\n"
                             "reinject = [::1]:10026\n"
                             "mta-user = postfix\n"
                             "mta-user = mail-in\n"
                             "journal = /srv/journal.db\n"
                             "route-secret = 0123456789abcdef\n"
                             "message-size-max = 50M\n"
                             "copies-max = 250\n"
                             "time-budget = 240\n"
                             "concurrency = 256\n"
                             "log = stderr\n"
                             "log-level = debug");
    CHECK(config.socket == "inet:8891@127.0.0.1");
    CHECK(config.socket_mode == 0600);
    CHECK(config.socket_group == "postfix");
    CHECK(config.user == "lockbox");
    CHECK(config.keyring == "/srv/keyring#1.db");
    CHECK(config.policy.scope == Scope::incoming);
    CHECK(config.policy.incoming_domains == std::vector<std::string>{"example.org", "xn--bcher-kva.example"});
    REQUIRE(config.policy.trusted_networks.size() == 4);
    CHECK(config.policy.trusted_networks[2].text() == "2001:db8::/32");
    CHECK(config.policy.submission_daemons == std::vector<std::string>{"ORIGINATING", "MSA"});
    REQUIRE(config.policy.rules.size() == 2);
    CHECK(config.policy.rules[0] == Rule::parse("to=@bank.example require openpgp"));
    CHECK(config.policy.rules[1].to_string() == "to=\"a #b\"@example.org never");
    CHECK(config.policy.preferred_protocol == crypto::Protocol::smime);
    CHECK(config.policy.case_sensitive_domains == std::vector<std::string>{"example.net"});
    CHECK(config.policy.subaddress_separator == '-');
    CHECK(config.policy.default_domain == "mta.example.org");
    CHECK(config.smime_authorities == std::vector<std::string>{"/etc/ssl/mail", "/srv/ca.pem"});
    CHECK(config.smime_revocations == std::vector<std::string>{"/srv/ca.crl"});
    CHECK(config.smime_subject_address);
    CHECK(config.outer_fields.added() == std::vector<std::string>{"X-Spam-Flag", "thread-index"});
    CHECK(config.policy.inbound_tls == InboundTls::require);
    CHECK(config.delivery == DeliveryMode::reinject);
    CHECK(config.reinject == Listener{"::1", 10026});
    CHECK(config.mta_users == std::vector<std::string>{"postfix", "mail-in"});
    CHECK(config.journal == "/srv/journal.db");
    REQUIRE(config.route_secret.has_value());
    CHECK(config.route_secret->expose() == "0123456789abcdef");
    CHECK(config.message_octets_max == 52428800);
    CHECK(config.policy.copies_max == 250);
    CHECK(config.time_budget.count() == 240);
    CHECK(config.concurrency == 256);
    CHECK(config.log == log::Sink::standard_error);
    CHECK(config.log_level == log::Level::debug);

    const auto printed = print_config(config);
    CHECK_FALSE(mentions(printed, "0123456789abcdef"));
    CHECK(mentions(printed, "# route-secret: set, and not shown\n"));
    auto without_secret = config;
    without_secret.route_secret.reset();
    CHECK(print_config(read(printed)) == print_config(without_secret));
}

TEST_CASE("no separator is a value, and is printed as it is read", "[policy]") {
    const auto text = GENERATE(
        as<std::string>{}, "subaddress-separator =", "subaddress-separator = =", "subaddress-separator=+");
    const auto config = read(text);
    CHECK(config.policy.subaddress_separator.has_value() ==
          (text.back() != '=' || text.find("= =") != std::string::npos));
    CHECK(read(print_config(config)).policy.subaddress_separator == config.policy.subaddress_separator);
}

TEST_CASE("line ends of other systems and a missing last one are read", "[policy]") {
    const auto text =
        GENERATE(as<std::string>{}, "log = stderr\nscope = all", "log = stderr\r\nscope = all\r\n",
                 "\xEF\xBB\xBFlog = stderr\nscope = all\n", "log = stderr\n\r\n\nscope = all\r");
    const auto config = read(text);
    CHECK(config.log == log::Sink::standard_error);
    CHECK(config.policy.scope == Scope::all);
}

TEST_CASE("an error names the file, the line and what could stand there", "[policy]") {
    struct Case {
        const char* text;
        const char* said;
    };
    const auto [text, said] = GENERATE(values<Case>({
        // form
        {"\n# comment\nnonsense\n", "test.conf:3: 'nonsense' is not of the form: key = value"},
        {"log = stderr\r\n\r\nnonsense", "test.conf:3: 'nonsense'"},
        {"= stderr", "test.conf:1: '= stderr' is not of the form"},
        {"[lockbox]\nlog = stderr", "test.conf:1: '[lockbox]': this file has no sections"},
        {"# comment\rscope = all\r", "test.conf:1: there is a NUL or a carriage return inside the line"},
        {"log = stderr\x1b", "test.conf:1: there is a control character in the line"},
        {"log\xFC = stderr", "test.conf:1: the line is not UTF-8"},
        {"\xFF\xFEl", "test.conf:1: the line is not UTF-8"},
        {"\n\xEF\xBB\xBFlog = stderr", "test.conf:2: unknown key"},
        // keys
        {"sockte = unix:/x",
         "test.conf:1: unknown key 'sockte', did you mean 'socket'? the valid keys are: socket, "},
        {"sockte = unix:/x",
         "the valid keys are: socket, socket-mode, socket-group, user, keyring, scope, "
         "incoming-domain, trusted-networks, submission-daemon, rule, prefer-protocol, "
         "case-sensitive-domain, subaddress-separator, default-domain, smime-ca, smime-crl, "
         "smime-subject-address, "
         "outer-field, inbound-tls, delivery, reinject, mta-user, journal, route-secret, message-size-max, "
         "copies-max, time-budget, concurrency, log, log-level"},
        {"rules = require", "did you mean 'rule'?"},
        {"Scope = all", "unknown key 'Scope', did you mean 'scope'?"},
        {"socket_mode = 0660", "did you mean 'socket-mode'?"},
        {"trusted-network = 10.0.0.0/8", "did you mean 'trusted-networks'?"},
        {"milter-timeout = 3", "unknown key 'milter-timeout'; the valid keys are: "},
        {"route_secret = 0123456789abcdef", "did you mean 'route-secret'?"},
        {"socket-m = 0660", "unknown key 'socket-m'"}, // no abbreviations
        {"*=x", "unknown key '*'"},
        {"log = stderr\nscope = all\nlog = stderr", "test.conf:3: log: given twice, first in line 1"},
        {"socket-group =\nsocket-group =", "test.conf:2: socket-group: given twice, first in line 1"},
        // values
        {"scope = out", "test.conf:1: scope: 'out' is not one of the valid values: outgoing, incoming, all"},
        {"scope = All", "scope: 'All' is not one of the valid values"},
        {"scope =", "scope: '' is not one of the valid values"},
        {"scope = \"all\"", "scope: '\"all\"' is not one of the valid values"},
        {"scope = all\nouter-field = Subject", "test.conf:2: outer-field: 'Subject' cannot stay outside: "},
        {"outer-field = content-type", "outer-field: 'content-type' cannot stay outside: "},
        {"outer-field = bcc", "outer-field: 'bcc' cannot stay outside: it would show blind recipients"},
        {"outer-field = X-Spam-Flag, X-Spam", "'X-Spam-Flag, X-Spam' is not the name of a header field"},
        {"outer-field = X-Spam-Flag:", "is not the name of a header field"},
        {"outer-field =", "outer-field: '' is not the name of a header field"},
        {"inbound-tls = yes", "inbound-tls: 'yes' is not one of the valid values: optional, require"},
        {"delivery = in_place",
         "delivery: 'in_place' is not one of the valid values: auto, in-place, reinject"},
        {"reinject = 10026",
         "test.conf:1: reinject: '10026' is not a listener; the valid forms are: 127.0.0.1:PORT, [::1]:PORT, "
         "inet:PORT@ADDRESS, inet6:PORT@ADDRESS, unix:/PATH, /PATH"},
        {"reinject = localhost:10026",
         "test.conf:1: reinject: 'localhost:10026' names a host: name one IP address, such as 127.0.0.1 or "
         "[::1]. A name may have several addresses, localhost too, and another user may listen on the first"},
        {"reinject = unix:run/reinject",
         "reinject: 'unix:run/reinject' is no absolute path of a Unix socket"},
        {"mta-user = 1 2", "mta-user: '1 2' is not the name of a user or group"},
        {"mta-user =", "mta-user: '' is not the name of a user or group"},
        {"reinject =", "reinject: '' is not a listener"},
        {"journal = journal.db", "journal: the path 'journal.db' does not begin with a slash"},
        {"journal =", "journal: the path '' does not begin with a slash"},
        {"journal = sqlite:///srv/journal.db", "does not begin with a slash"},
        {"route-secret =", "route-secret: the word has 0 characters, and must have 16 to 64"},
        {"route-secret = 0123456789abcde", "route-secret: the word has 15 characters, and must have 16"},
        {"route-secret = abcdefghijklmno.", "something in it that is no letter, digit, - or _"},
        {"route-secret = two words of letters", "something in it that is no letter, digit, - or _"},
        {"log = /var/log/lockbox", "log: '/var/log/lockbox' is not one of the valid values: syslog, stderr"},
        {"log-level = warn", "log-level: 'warn' is not one of the valid values: debug, info, warning, error"},
        {"\n\nkeyring = postgresql://db/lockbox", "test.conf:3: keyring: keyring 'postgresql://db/lockbox'"},
        {"keyring =", "test.conf:1: keyring: "},
        {"keyring = sqlite://relative", "test.conf:1: keyring: "},
        {"user = -x", "user: '-x' is not the name of a user"},
        {"user = a b", "user: 'a b' is not the name of a user"},
        {"socket-group = post:fix", "socket-group: 'post:fix' is not the name of a user or group"},
        {"incoming-domain = @example.org", "incoming-domain: '@example.org' is not a domain name"},
        {"incoming-domain = example.org, example.net", "write one in each line"},
        {"incoming-domain = *.example.org", "is not a domain name"},
        {"incoming-domain =", "is not a domain name"},
        {"case-sensitive-domain = bob@example.org", "is not a domain name"},
        {"default-domain = root@example.org", "default-domain: 'root@example.org' is not a domain name"},
        {"default-domain =", "default-domain: '' is not a domain name"},
        {"subaddress-separator = ++",
         "subaddress-separator: '++' is not one of the characters +-_=&*~^$'/?`{|}; "},
        {"subaddress-separator = %", "subaddress-separator: '%' is not one of the characters"},
        {"subaddress-separator = .", "subaddress-separator: '.' is not one of the characters"},
        {"subaddress-separator = x", "an empty value means that there are no extensions"},
        {"submission-daemon =", "submission-daemon: '' is not the name of a daemon"},
        {"submission-daemon = A, B", "write one in each line"},
        {"trusted-networks = 10.0.0.1/8", "trusted-networks: '10.0.0.1/8' is not a network"},
        {"trusted-networks = 10.0.0.0/8, mail.example.org", "'mail.example.org' is not a network"},
        {"trusted-networks = !10.0.0.0/8", "'!10.0.0.0/8' is not a network"},
        {"trusted-networks =", "trusted-networks: a network is missing"},
        {"trusted-networks = ,", "trusted-networks: a network is missing"},
        {"\nrule = encrypt",
         "test.conf:2: rule: 'encrypt' is not a word of a rule; it could be one of: to=PATTERN"},
        {"rule =", "rule: the rule does not say require, prefer or never"},
        {"rule = to=\"a # b\"@example.org", "rule: the rule does not say"},
        {"rule = to=\"a # b@example.org never", "rule: a quotation mark has no partner"},
        // consistency
        {"log = stderr\ndelivery = reinject\n", "test.conf:2: delivery: 'reinject' needs the listener"},
        {"log = stderr\nscope = incoming\n", "test.conf:2: scope: 'incoming' needs the domains"},
        {"reinject = 127.0.0.1:10026\nsocket = inet:8891@0.0.0.0\n",
         "test.conf:2: socket: 'inet:8891@0.0.0.0' with `reinject` would hand back for sending"},
        {"rule = to=* require\n\nrule = to=@example.org never\n",
         "test.conf:3: rule: never reached, because the rule 'to=* require' in line 1 matches every message"},
        {"rule = to=@example.org never\nrule = prefer\nrule = from=<> never",
         "test.conf:3: rule: never reached, "
         "because the rule 'prefer' in line 2"},
    }));
    CAPTURE(text);
    const auto error = error_of(text);
    CAPTURE(error);
    CHECK(mentions(error, said));
}

TEST_CASE("route-secret takes 16 to 64 characters that mean themselves in a regular expression", "[policy]") {
    const auto good = GENERATE(as<std::string>{}, "0123456789abcdef", "ABCDEFGHIJKLMNOP", "a-b_c-d_e-f_g-h_",
                               std::string(64, 'x'));
    CHECK(read("route-secret = " + good).route_secret->expose() == good);
    CHECK(mentions(error_of("route-secret = " + std::string(65, 'x')), "the word has 65 characters"));
}

TEST_CASE("no error prints the route-secret", "[policy]") {
    const auto line = GENERATE(as<std::string>{}, "route-secret = TopSecret",
                               "route-secret = TopSecret.TopSecret", "route-secret TopSecretTopSecret",
                               "Route-Secret: TopSecretTopSecret", "route-secrt = TopSecretTopSecret",
                               "route-secret = TopSecretTopSecret\nroute-secret = TopSecretTopSecret");
    CAPTURE(line);
    const auto error = error_of(line);
    CHECK_FALSE(error.empty());
    CHECK_FALSE(mentions(error, "TopSecret"));
}

TEST_CASE("a NUL is refused, even in a comment", "[policy]") {
    CHECK(mentions(error_of(std::string("# a\0b\n", 6)), "test.conf:1: there is a NUL"));
    CHECK(mentions(error_of(std::string("log = stderr\0", 13)), "test.conf:1: there is a NUL"));
}

TEST_CASE("a rule that catches everything may stand last", "[policy]") {
    CHECK(read("rule = to=@example.org never\nrule = to=* require").policy.rules.size() == 2);
    CHECK(read("rule = from=<> prefer\nrule = to=* from=@example.org never\nrule = require")
              .policy.rules.size() == 3);
}

TEST_CASE("socket takes libmilter's notation", "[policy]") {
    const auto good =
        GENERATE(as<std::string>{}, "unix:/run/x", "local:/run/x", "/run/x", "inet:8891@127.0.0.1",
                 "inet:1@localhost", "inet:65535@mail.example.org", "inet6:8891@::1",
                 "inet6:8891@2001:db8::1", "inet6:8891@[::1]", "inet:8891@[127.0.0.1]");
    CAPTURE(good);
    CHECK(read("socket = " + good).socket == good);
}

TEST_CASE("socket refuses what cannot be opened, or would be open for everybody", "[policy]") {
    const auto bad =
        GENERATE(as<std::string>{}, "", "run/x", "unix:", "unix:run/x", "unix:@abstract", "local:x",
                 "/run/a:b", "tcp:8891@127.0.0.1", "inet", "inet:", "inet:8891", "inet:8891@",
                 "inet:@127.0.0.1", "inet:0@127.0.0.1", "inet:65536@127.0.0.1", "inet:-1@127.0.0.1",
                 "inet:+1@127.0.0.1", "inet:127.0.0.1:8891", "inet:8891@127.0.0.1 ,", "inet:8891@a b",
                 "inet:8891@a@b", "inet:8891@[::1", "inet:smtp@localhost", "INET:8891@localhost",
                 "Unix:/run/x", "unix://run@x@", "unix:/" + std::string(107, 'x'));
    CAPTURE(bad);
    if (bad == "unix://run@x@") {
        CHECK(read("socket = " + bad).socket == bad); // strange, and a path all the same
    } else {
        CHECK(mentions(error_of("socket = " + bad), "test.conf:1: socket: "));
    }
}

TEST_CASE("with reinject, a socket on the network is refused, and one on loopback is warned of", "[policy]") {
    struct Case {
        const char* socket;
        SocketReach reach;
    };
    const auto [socket, reach] = GENERATE(values<Case>({
        {"unix:/run/x", SocketReach::file_system},
        {"local:/run/127.0.0.1", SocketReach::file_system},
        {"/run/inet@127.0.0.1", SocketReach::file_system},
        {"inet:8891@127.0.0.1", SocketReach::this_machine},
        {"inet:8891@127.255.255.254", SocketReach::this_machine}, // RFC 1122 §3.2.1.3
        {"inet:8891@[127.0.0.1]", SocketReach::this_machine},
        {"inet6:8891@::1", SocketReach::this_machine},
        {"inet6:8891@[::1]", SocketReach::this_machine},
        {"inet6:8891@0:0:0:0:0:0:0:1", SocketReach::this_machine},
        {"inet6:8891@::ffff:127.0.0.1", SocketReach::this_machine}, // RFC 4291 §2.5.5.2
        {"inet:8891@0.0.0.0", SocketReach::network},
        {"inet6:8891@::", SocketReach::network},
        {"inet6:8891@[::]", SocketReach::network},
        {"inet:8891@192.0.2.1", SocketReach::network},
        {"inet6:8891@2001:db8::1", SocketReach::network},
        {"inet6:8891@::ffff:192.0.2.1", SocketReach::network},
        // A name is what the resolver makes of it.
        {"inet:8891@localhost", SocketReach::network},
        {"inet:8891@localhost.localdomain", SocketReach::network},
        {"inet:8891@127.0.0.1.example.org", SocketReach::network},
    }));
    CAPTURE(socket);
    CHECK(reach_of_socket(socket) == reach);
    const auto alone = std::string("socket = ") + socket + "\n";
    CHECK(warnings_of(read(alone)).empty());
    const auto with_a_way_back = alone + "reinject = 127.0.0.1:10026\n";
    if (reach == SocketReach::network) {
        CHECK(mentions(error_of(with_a_way_back), "test.conf:1: socket: '"));
        return;
    }
    const auto warnings = warnings_of(read(with_a_way_back));
    CHECK(warnings.size() == (reach == SocketReach::this_machine ? 1 : 0));
    for (const auto& warning : warnings) {
        CHECK(mentions(warning, "every user of this machine can send mail in anybody's name"));
        CHECK(mentions(warning, socket));
    }
}

TEST_CASE("a socket's path may be as long as the system takes it", "[policy]") {
    const auto longest = "unix:/" + std::string(106, 'x'); // unix(7): 108 octets with the final NUL
    CHECK(read("socket = " + longest).socket == longest);
}

TEST_CASE("socket-mode is octal, and lets the milter itself in", "[policy]") {
    CHECK(read("socket-mode = 0600").socket_mode == 0600);
    CHECK(read("socket-mode = 660").socket_mode == 0660);
    CHECK(read("socket-mode = 0777").socket_mode == 0777);
    const auto bad = GENERATE(as<std::string>{}, "", "0", "0000", "0060", "0400", "0680", "06600", "1660",
                              "0x1b0", "u=rw", "-660", "66", "0660 0660");
    CAPTURE(bad);
    CHECK(mentions(error_of("socket-mode = " + bad), "in octal digits from 0600 to 0777"));
}

TEST_CASE("message-size-max is octets, with K, M or G for powers of 1024, from 64K to 1G", "[policy]") {
    struct Case {
        const char* text;
        std::size_t octets;
    };
    const auto [text, octets] = GENERATE(values<Case>({{"65536", 65536},
                                                       {"64K", 65536},
                                                       {"65537", 65537},
                                                       {"10M", 10485760},
                                                       {"1G", 1073741824},
                                                       {"1024M", 1073741824},
                                                       {"1048576K", 1073741824},
                                                       {"1073741824", 1073741824}}));
    CHECK(read(std::string("message-size-max = ") + text).message_octets_max == octets);

    const auto bad = GENERATE(as<std::string>{}, "", "0", "65535", "63K", "1073741825", "1025M", "2G", "1.5M",
                              "10MB", "10 M", "10m", "10T", "M", "-1M", "+1M", "0x100000", "unlimited",
                              "10KK", "18446744073709551616", "17179869184G", "99999999999999999999999999K");
    CAPTURE(bad);
    CHECK(mentions(error_of("message-size-max = " + bad), "is not a number of octets from 64K to 1G"));
}

TEST_CASE("copies-max keeps within its limits", "[policy]") {
    CHECK(read("copies-max = 1").policy.copies_max == 1);
    const auto bad = GENERATE(as<std::string>{}, "", "0", "251", "-1", "1.0", "ten", "none");
    CAPTURE(bad);
    CHECK(mentions(error_of("copies-max = " + bad), "is not a number of copies from 1 to 250"));
}

TEST_CASE("time-budget and concurrency keep within their limits", "[policy]") {
    CHECK(read("time-budget = 1").time_budget.count() == 1);
    CHECK(read("concurrency = 1").concurrency == 1);
    const auto bad = GENERATE(as<std::string>{}, "", "0", "257", "1s", "1m", "-1", "+1", "1.0", "1e1", "ten",
                              "300", "4294967297", "18446744073709551617");
    CAPTURE(bad);
    CHECK(mentions(error_of("time-budget = " + bad), "is not a number of seconds from 1 to 240"));
    CHECK(mentions(error_of("concurrency = " + bad), "is not a number of messages from 1 to 256"));
    CHECK(mentions(error_of("time-budget = 241"), "from 1 to 240"));
}

// --- Files ---

TEST_CASE("a file that cannot be read is a missing input, not a wrong configuration", "[policy]") {
    const TemporaryDirectory directory;
    for (const auto& path : {directory.path(), directory.path() / "missing.conf"}) {
        CAPTURE(path.string());
        try {
            (void)read_config_file(path);
            FAIL("it was read");
        } catch (const Error& error) {
            CHECK(error.kind() == ErrorKind::no_input);
            CHECK(mentions(error.what(), path.string()));
        }
    }
}

TEST_CASE("a file is named with its path, and one too large is a wrong configuration", "[policy]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "lockbox.conf";
    write_atomically(path, "log = stderr\nlog-level = loud\n");
    try {
        (void)read_config_file(path);
        FAIL("it was read");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::configuration);
        CHECK(mentions(error.what(), path.string() + ":2: log-level: 'loud'"));
    }
    write_atomically(path, std::string(config_octets_max, '\n'));
    CHECK(print_config(read_config_file(path)) == print_config(Config()));
    write_atomically(path, std::string(config_octets_max + 1, '\n'));
    try {
        (void)read_config_file(path);
        FAIL("it was read");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::configuration);
    }
}

// --- Printing ---

TEST_CASE("what is printed reads back, the defaults included", "[policy]") {
    const auto text =
        GENERATE(as<std::string>{}, "", "message-size-max = 65537", "message-size-max = 1G",
                 "rule = to=\"a \\#b\"@example.org never", "rule = to=a#b@example.org never",
                 "trusted-networks = ::/0 0.0.0.0/0 127.0.0.1", "socket-mode = 777\nuser = lockbox");
    CAPTURE(text);
    const auto printed = print_config(read(text));
    CHECK(print_config(read(printed)) == printed);
    for (const auto* key : every_key) {
        CAPTURE(key);
        CHECK(mentions(printed, key));
    }
}

TEST_CASE("the defaults are printed in the file's own syntax", "[policy]") {
    CHECK(print_config(Config()) == "socket = unix:/run/lockbox/milter.sock\n"
                                    "socket-mode = 0660\n"
                                    "socket-group =\n"
                                    "user =\n"
                                    "keyring = sqlite:///var/lib/lockbox/keyring.db\n"
                                    "scope = outgoing\n"
                                    "# incoming-domain: none\n"
                                    "# trusted-networks: none\n"
                                    "# submission-daemon: none\n"
                                    "# rule: none\n"
                                    "prefer-protocol = openpgp\n"
                                    "# case-sensitive-domain: none\n"
                                    "subaddress-separator = +\n"
                                    "# default-domain: none, so the MTA's own name\n"
                                    "# smime-ca: none\n"
                                    "# smime-crl: none\n"
                                    "smime-subject-address = no\n"
                                    "# outer-field: none\n"
                                    "inbound-tls = optional\n"
                                    "delivery = auto\n"
                                    "# reinject: none\n"
                                    "# mta-user: none, so postfix and smmta where they exist\n"
                                    "journal = /var/lib/lockbox/journal.db\n"
                                    "# route-secret: none\n"
                                    "message-size-max = 100M\n"
                                    "copies-max = 100\n"
                                    "time-budget = 60\n"
                                    "concurrency = 8\n"
                                    "log = syslog\n"
                                    "log-level = info\n");
}

// --- The sample and the manual page ---

TEST_CASE("the sample configuration is read, and changes nothing as it is delivered", "[policy]") {
    CHECK(print_config(read_config_file(sample)) == print_config(Config()));
}

TEST_CASE("the defaults that the sample shows are the defaults", "[policy]") {
    std::string text;
    for (const auto& line : defaults_in_sample()) {
        text += line + "\n";
    }
    CHECK(print_config(read(text)) == print_config(Config()));
    for (const auto* key : every_key) {
        CAPTURE(key);
        const auto starts = [&](const std::string& line) { return line.substr(0, line.find(" =")) == key; };
        const auto defaults = defaults_in_sample();
        const auto examples = examples_in_sample();
        const bool repeatable = mentions(print_config(Config()), std::string("# ") + key + ": none");
        CHECK(std::count_if(defaults.begin(), defaults.end(), starts) == (repeatable ? 0 : 1));
        CHECK((!repeatable || std::any_of(examples.begin(), examples.end(), starts)));
    }
}

TEST_CASE("every example in the sample can be used", "[policy]") {
    const auto examples = examples_in_sample();
    CHECK(examples.size() >= 10);
    for (const auto& example : examples) {
        CAPTURE(example);
        const auto domain = example.substr(0, 5) == "scope" ? "incoming-domain = example.org\n" : "";
        CHECK(error_of(domain + example).empty());
    }
}

TEST_CASE("the manual page describes every key in order, and only those", "[policy]") {
    const auto page = read_file(std::filesystem::path(LOCKBOX_SOURCE) / "policy/lockbox.conf.5", 1U << 20U);
    std::vector<std::string> described;
    for (const auto& line : lines_of(page)) {
        constexpr std::string_view item = ".It Ic ";
        if (line.substr(0, item.size()) == item) {
            described.push_back(line.substr(item.size(), line.find(' ', item.size()) - item.size()));
        }
    }
    CHECK(described == std::vector<std::string>(std::begin(every_key), std::end(every_key)));
}
