#include "mail/layer.hpp"
#include "policy/judge.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>

using namespace lockbox;
using namespace lockbox::policy;
using namespace std::chrono_literals;

namespace {

using std::chrono::sys_days;

constexpr Time noon = sys_days(std::chrono::year(2026) / 3 / 1) + 12h;
constexpr Time long_ago = sys_days(std::chrono::year(2020) / 1 / 1);
constexpr Time second_of_january = sys_days(std::chrono::year(2026) / 1 / 2) + 8h;

/// Fingerprints that a person can tell apart: 40 times the same digit.
std::string fingerprint(char digit) {
    return std::string(40, digit);
}

keyring::Entry entry(char digit, std::vector<std::string> addresses,
                     crypto::Protocol protocol = crypto::Protocol::openpgp) {
    keyring::Entry entry;
    entry.certificate = {protocol, fingerprint(digit), std::string("bytes of ") + digit, {}};
    entry.created = long_ago;
    crypto::EncryptionKey key;
    key.fingerprint = std::string(39, digit) + 'E';
    key.created = long_ago;
    entry.encryption_keys = {key};
    entry.addresses = std::move(addresses);
    return entry;
}

keyring::Entry expired(keyring::Entry entry) {
    entry.expires = second_of_january;
    return entry;
}

keyring::Entry revoked(keyring::Entry entry) {
    entry.revoked = true;
    return entry;
}

/// What choose() makes of such an entry: the certificate, with the key for the moment.
crypto::Certificate certificate(char digit, crypto::Protocol protocol = crypto::Protocol::openpgp) {
    return {protocol, fingerprint(digit), std::string("bytes of ") + digit, std::string(39, digit) + 'E'};
}

/// A copy for readers of AES-256-CBC, the Subject left outside.
Copy smime_copy(std::vector<std::size_t> decisions, const std::vector<char>& digits, bool hidden) {
    Copy copy{std::move(decisions), crypto::Protocol::smime, {}, hidden};
    for (const auto digit : digits) {
        copy.certificates.push_back(certificate(digit, crypto::Protocol::smime));
    }
    copy.outer_subject = mail::OuterSubject::kept;
    return copy;
}

/// One message and the world around it; submitted locally, so that it is in scope unless a test says
/// otherwise.
struct World {
    Transaction transaction;
    Policy policy;
    std::vector<keyring::Entry> keyring;
    std::vector<keyring::Alias> aliases;

    explicit World(const std::vector<std::string>& recipients, const std::vector<std::string>& rules = {}) {
        transaction.reverse_path = Path::from("<alice@example.net>");
        for (const auto& recipient : recipients) {
            transaction.recipients.push_back(Path::from(recipient));
        }
        for (const auto& rule : rules) {
            policy.rules.push_back(Rule::parse(rule));
        }
        transaction.body = "Hello\r\n";
    }

    World& has(keyring::Entry one) {
        keyring.push_back(std::move(one));
        return *this;
    }
    World& field(const char* name, const char* body) {
        transaction.header.add(name, body);
        return *this;
    }

    /// An alias for addresses.
    World& group(const char* name, const std::vector<std::string>& members) {
        keyring::Alias alias{*keyring::AliasName::parse(name), {}, {}};
        for (const auto& member : members) {
            alias.members.push_back(*mail::Address::parse(member));
        }
        aliases.push_back(std::move(alias));
        return *this;
    }
    /// An alias for a certificate.
    World& alias(const char* name, keyring::Entry certificate) {
        aliases.push_back({*keyring::AliasName::parse(name), {}, std::move(certificate)});
        return *this;
    }

    /// As Keyring::look_up() answers: the same address, or one that differs in the case of the local part.
    [[nodiscard]] keyring::Known known(const mail::Address& address) const {
        keyring::Known known;
        for (const auto& candidate : keyring) {
            for (const auto& other : candidate.addresses) {
                const auto parsed = mail::Address::parse(other);
                if (parsed && parsed->folded() == address.folded()) {
                    known.entries.push_back(candidate);
                    break;
                }
            }
        }
        for (const auto& alias : aliases) {
            if (alias.name.folded() == address.folded()) {
                known.alias = alias;
            } else if (alias.name == keyring::AliasName::of_domain(address)) {
                known.domain_alias = alias;
            }
        }
        return known;
    }
    [[nodiscard]] KeyringView view() const {
        return gather(addresses_to_look_up(transaction, policy), policy,
                      [this](const mail::Address& address) { return known(address); });
    }
    [[nodiscard]] Plan plan() const { return judge(transaction, policy, view(), noon); }
};

std::vector<std::string> handlings(const Plan& plan) {
    std::vector<std::string> words;
    for (const auto& decision : plan.decisions) {
        words.emplace_back(to_string(decision.handling));
    }
    return words;
}

using Words = std::vector<std::string>;
using Indexes = std::vector<std::size_t>;

// gpg --quick-generate-key 'Bob <bob@example.org>' ed25519 default never; --quick-add-key FPR cv25519 encr
// never; printf 'Content-Type: text/plain\r\n\r\nHello\r\n' | gpg -a -r bob@example.org -e     (GnuPG 2.2.40)
constexpr const char* armored = "-----BEGIN PGP MESSAGE-----\r\n"
                                "\r\n"
                                "hF4Dk+og08mwGN8SAQdA7C8zhyYcQs61WdtqCit4k2xWtPQ7KBiOdBChDO7CVXsw\r\n"
                                "JYaVX9ERz6OHKBsvQYDoYnrIu/GBtIJVwZKuboXM4z2m0SdNo7ueJiCdZ7FlrEY6\r\n"
                                "0l4Bq55Pvq6kgcDFMalXcs8xOGkQzmDwWKbN+IKvnWeLedekFejPxWChITinqdjM\r\n"
                                "RKrF1ftypxxiaON2/Q6uQiragslGjPPwmTb999T0UlnZiC5yK+knjOlLt7fiOsQm\r\n"
                                "=qYTJ\r\n"
                                "-----END PGP MESSAGE-----\r\n";

} // namespace

// --- Scope ---

TEST_CASE("scope outgoing judges what is authenticated, of own networks or submitted here", "[policy]") {
    struct Case {
        const char* client;
        const char* login;
        const char* daemon;
        bool judged;
    };
    const auto [client, login, daemon, judged] = GENERATE(values<Case>({
        {"", "", "", true},
        {"127.0.0.1", "", "", true},
        {"127.8.9.1", "", "", true},
        {"::1", "", "", true},
        {"::ffff:127.0.0.1", "", "", true},
        {"10.1.2.3", "", "", true},
        {"::ffff:10.1.2.3", "", "", true},
        {"2001:db8::7", "", "", true},
        {"203.0.113.9", "alice", "", true},
        {"203.0.113.9", "", "ORIGINATING", true},
        {"what is this", "", "", true}, // it may be ours
        {"203.0.113.9", "", "", false},
        {"203.0.113.9", "", "originating", false},
        {"203.0.113.9", "", "smtpd", false},
        {"11.1.2.3", "", "", false},
        {"2001:db9::7", "", "", false},
        {"::2", "", "", false},
        {"128.0.0.1", "", "", false},
    }));
    CAPTURE(client, login, daemon);
    World world({"<bob@example.org>"}, {"require"});
    world.policy.trusted_networks = {*Network::parse("10.0.0.0/8"), *Network::parse("2001:db8::/32")};
    world.policy.submission_daemons = {"ORIGINATING"};
    world.transaction.origin.client_address = client;
    world.transaction.origin.login = login;
    world.transaction.origin.daemon_name = daemon;
    CHECK(why_out_of_scope(world.transaction, world.policy).has_value() != judged);
    const auto plan = world.plan();
    CHECK(plan.outcome == (judged ? Outcome::refuse : Outcome::pass));
    CHECK(plan.decisions.empty() != judged);
}

TEST_CASE("without submission daemons listed, an unnamed daemon is none of them", "[policy]") {
    World world({"<bob@example.org>"});
    world.transaction.origin.client_address = "203.0.113.9";
    CHECK(why_out_of_scope(world.transaction, world.policy).has_value());
}

TEST_CASE("scope all judges strangers' mail too", "[policy]") {
    World world({"<bob@example.org>"}, {"require"});
    world.policy.scope = Scope::all;
    world.transaction.origin.client_address = "203.0.113.9";
    CHECK(world.plan().outcome == Outcome::refuse);
}

TEST_CASE("scope incoming judges for recipients in the domains listed, and only for those", "[policy]") {
    World world(
        {"<bob@Example.ORG.>", "<eve@example.com>", "<carol@sub.example.org>", "<dan@evil-example.org>"},
        {"to=@example.org prefer", "require"});
    world.policy.scope = Scope::incoming;
    world.policy.incoming_domains = {"example.org"};
    world.transaction.origin.client_address = "203.0.113.9";
    world.has(entry('B', {"bob@example.org"})).has(entry('E', {"eve@example.com"}));
    CHECK(addresses_to_look_up(world.transaction, world.policy).size() == 1);
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::deliver);
    CHECK(handlings(plan) == Words{"sealed", "clear", "clear", "clear"});
    CHECK(plan.decisions[1].reason == "not in an incoming domain");
    CHECK(plan.decisions[1].rule.empty());
}

TEST_CASE("scope incoming leaves a message alone that is for no domain listed", "[policy]") {
    World world({"<eve@example.com>"}, {"require"});
    world.policy.scope = Scope::incoming;
    world.policy.incoming_domains = {"example.org"};
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::pass);
    CHECK(plan.reason == "not incoming: no recipient is in an incoming domain");
    CHECK(addresses_to_look_up(world.transaction, world.policy).empty());
}

TEST_CASE("scope incoming counts a recipient without a domain as one of its own", "[policy]") {
    World world({"<bob>"}, {"require"});
    world.policy.scope = Scope::incoming;
    world.policy.incoming_domains = {"example.org"};
    CHECK(world.plan().outcome == Outcome::refuse);
}

// --- Already sealed ---

TEST_CASE("a message that is already sealed passes, with its layer named", "[policy]") {
    World world({"<bob@example.org>"}, {"require"});
    SECTION("PGP/MIME") {
        world.field("MIME-Version", " 1.0")
            .field("Content-Type",
                   " multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"b\"");
        world.transaction.body = std::string("--b\r\n"
                                             "Content-Type: application/pgp-encrypted\r\n\r\n"
                                             "Version: 1\r\n\r\n"
                                             "--b\r\n"
                                             "Content-Type: application/octet-stream\r\n\r\n") +
                                 armored + "\r\n--b--\r\n";
        CHECK(world.plan().reason == "already sealed: " + std::string(describe(mail::Layer::openpgp_mime)));
    }
    SECTION("inline") {
        world.transaction.body = armored;
        CHECK(world.plan().reason == "already sealed: " + std::string(describe(mail::Layer::openpgp_inline)));
    }
    CHECK(world.plan().outcome == Outcome::pass);
    CHECK(world.plan().decisions.empty());
    CHECK(addresses_to_look_up(world.transaction, world.policy).empty());
}

TEST_CASE("a message that only claims to be sealed is judged like any other", "[policy]") {
    World world({"<bob@example.org>"}, {"require"});
    SECTION("a label without a container") {
        world.field("MIME-Version", " 1.0")
            .field("Content-Type",
                   " multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"b\"");
        world.transaction.body =
            "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n"
            "--b\r\nContent-Type: application/octet-stream\r\n\r\nIn clear.\r\n\r\n--b--\r\n";
    }
    SECTION("text in front of the armor") {
        world.transaction.body = std::string("The secret is 42.\r\n\r\n") + armored;
    }
    SECTION("armor around nothing of the kind") {
        world.transaction.body = "-----BEGIN PGP MESSAGE-----\r\n\r\nVGhlIHNlY3JldCBpcyA0Mi4=\r\n"
                                 "-----END PGP MESSAGE-----\r\n";
    }
    CHECK(world.plan().outcome == Outcome::refuse);
}

TEST_CASE("a message that is signed is not sealed yet", "[policy]") {
    World world({"<bob@example.org>"}, {"require"});
    world.field("MIME-Version", " 1.0")
        .field("Content-Type",
               " multipart/signed; micalg=pgp-sha256; protocol=\"application/pgp-signature\"; "
               "boundary=\"b\"");
    world.transaction.body = "--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
                             "--b\r\nContent-Type: application/pgp-signature\r\n\r\n"
                             "-----BEGIN PGP SIGNATURE-----\r\n\r\niHUEABYKAB0=\r\n"
                             "-----END PGP SIGNATURE-----\r\n--b--\r\n";
    CHECK(mail::outermost_layer(world.transaction.header, world.transaction.body) ==
          mail::Layer::multipart_signed);
    CHECK(world.plan().outcome == Outcome::refuse);
}

// --- One recipient ---

TEST_CASE("demand and certificates decide about a recipient", "[policy]") {
    struct Case {
        const char* rule;
        const char* keyring; ///< v: valid, x: expired, r: revoked
        const char* handling;
        const char* reason;
    };
    const auto [rule, keyring, handling, reason] = GENERATE(values<Case>({
        {"require", "v", "sealed", "the only certificate"},
        {"require", "", "refused", "no certificate"},
        {"require openpgp", "", "refused", "no OpenPGP certificate"},
        {"require smime", "", "refused", "no S/MIME certificate"},
        {"require smime", "v", "refused", "no S/MIME certificate"},
        {"require any", "", "refused", "no certificate"},
        {"require", "x", "refused", "certificate expired on 2026-01-02"},
        {"require", "r", "refused", "certificate revoked"},
        {"require", "xv", "sealed", "the only usable certificate"},
        {"require defer", "", "deferred", "no certificate"},
        {"require defer", "x", "deferred", "certificate expired on 2026-01-02"},
        {"require smime defer", "v", "deferred", "no S/MIME certificate"},
        {"prefer", "v", "sealed", "the only certificate"},
        {"prefer", "", "clear", "no certificate"},
        {"prefer smime", "v", "clear", "no S/MIME certificate"},
        {"prefer", "x", "refused", "certificate expired on 2026-01-02"},
        {"prefer", "r", "refused", "certificate revoked"},
        {"prefer openpgp", "x", "refused", "certificate expired on 2026-01-02"},
        {"prefer smime", "x", "clear", "no S/MIME certificate"},
        {"prefer defer", "x", "deferred", "certificate expired on 2026-01-02"},
        {"prefer defer", "", "clear", "no certificate"},
        {"prefer clear-if-unusable", "x", "clear",
         "certificate expired on 2026-01-02, and the rule sends in clear then"},
        {"prefer clear-if-unusable", "", "clear", "no certificate"},
        {"prefer clear-if-unusable", "xv", "sealed", "the only usable certificate"},
        {"never", "v", "clear", "the rule says never"},
        {"never", "x", "clear", "the rule says never"},
    }));
    CAPTURE(rule, keyring);
    World world({"<bob@example.org>"}, {rule});
    char digit = 'A';
    for (const char kind : std::string(keyring)) {
        auto one = entry(digit++, {"bob@example.org"});
        world.has(kind == 'x' ? expired(one) : kind == 'r' ? revoked(one) : one);
    }
    const auto plan = world.plan();
    REQUIRE(plan.decisions.size() == 1);
    const auto& decision = plan.decisions.front();
    CHECK(to_string(decision.handling) == handling);
    CHECK(decision.reason == reason);
    CHECK(decision.address == "bob@example.org");
    CHECK(decision.rule == Rule::parse(rule).to_string());
    CHECK(decision.rule_number == 1);
    CHECK(decision.certificate.has_value() == (decision.handling == Handling::sealed));
}

TEST_CASE("a recipient with several certificates, all unusable, is told of the first reason and their number",
          "[policy]") {
    World world({"<bob@example.org>"});
    world.has(expired(entry('A', {"bob@example.org"}))).has(revoked(entry('B', {"bob@example.org"})));
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::refuse);
    CHECK(plan.reason ==
          "<bob@example.org>: none of 2 certificates is usable: certificate expired on 2026-01-02");
    CHECK(plan.decisions[0].passed_over == Words{fingerprint('A') + ": certificate expired on 2026-01-02",
                                                 fingerprint('B') + ": certificate revoked"});
}

TEST_CASE("the certificate that was chosen comes with the key to encrypt to", "[policy]") {
    World world({"<bob@example.org>"});
    world.has(entry('B', {"bob@example.org"})).has(expired(entry('A', {"bob@example.org"})));
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::deliver);
    CHECK(plan.decisions[0].certificate == certificate('B'));
    CHECK(plan.decisions[0].passed_over == Words{fingerprint('A') + ": certificate expired on 2026-01-02"});
}

TEST_CASE("usability is judged at the time that was given", "[policy]") {
    World world({"<bob@example.org>"});
    world.has(expired(entry('B', {"bob@example.org"})));
    CHECK(judge(world.transaction, world.policy, world.view(), second_of_january - 1s).outcome ==
          Outcome::deliver);
    CHECK(judge(world.transaction, world.policy, world.view(), second_of_january).outcome == Outcome::refuse);
}

TEST_CASE("the first rule that matches decides, and the default where none does", "[policy]") {
    World world({"<bob@example.org>", "<carol@example.org>", "<dan@example.com>"},
                {"to=bob@example.org never", "to=@example.org require", "from=@example.com require"});
    world.has(entry('B', {"bob@example.org"})).has(entry('C', {"carol@example.org"}));
    const auto plan = world.plan();
    CHECK(handlings(plan) == Words{"clear", "sealed", "clear"});
    CHECK(plan.decisions[0].rule_number == 1);
    CHECK(plan.decisions[1].rule_number == 2);
    CHECK(plan.decisions[2].rule_number == 0);
    CHECK(plan.decisions[2].rule == "to=* prefer");
}

TEST_CASE("no spelling of a recipient gets around the rule for the domain", "[policy]") {
    const auto path =
        GENERATE(as<std::string>{}, "<bob@example.org>", "<BOB@EXAMPLE.ORG>", "<bob@example.org.>",
                 "<\"bob\"@example.org>", "<@relay.example.net:bob@example.org>", "bob@example.org", "<bob>",
                 "<bob@b@example.org>", "<bob@example..org>", "<>", "");
    CAPTURE(path);
    World world({path}, {"to=@example.org require", "to=* never"});
    CHECK(world.plan().outcome == Outcome::refuse);
}

TEST_CASE("no neighbour of an address profits from the rule that sends in clear", "[policy]") {
    const auto path = GENERATE(as<std::string>{}, "<bob@evil-example.org>", "<bob@sub.example.org>", "<bob>",
                               "<\"bob@example.org\"@evil.example>", "<bob@example.org.evil.example>",
                               "<\"bob \"@example.org.example>", "<@example.org:bob@evil.example>");
    CAPTURE(path);
    World world({path}, {"to=@example.org never", "require"});
    CHECK(world.plan().outcome == Outcome::refuse);
}

TEST_CASE("a sender without a domain does not get around the rule for the sender's domain", "[policy]") {
    World world({"<bob@example.org>"}, {"from=@example.net require", "never"});
    world.transaction.reverse_path = Path::from("<alice>");
    CHECK(world.plan().outcome == Outcome::refuse);
    world.transaction.reverse_path = Path::from("<>");
    CHECK(world.plan().outcome == Outcome::pass);
}

TEST_CASE("a recipient without a domain is sent to in clear where nothing is required", "[policy]") {
    World world({"<root>"});
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::pass);
    CHECK(plan.decisions[0].address == "<root>");
    CHECK(plan.decisions[0].reason == "not a complete address: no certificate can be looked up");
}

// --- Whose certificate it is ---

TEST_CASE("only a certificate of the very address is used", "[policy]") {
    struct Case {
        const char* of_certificate;
        const char* recipient;
        bool case_sensitive;
        bool sealed;
    };
    const auto [of_certificate, recipient, case_sensitive, sealed] = GENERATE(values<Case>({
        {"bob@example.org", "<bob@example.org>", true, true},
        {"bob@example.org", "<bob@EXAMPLE.org>", true, true},
        {"bob@example.org", "<\"bob\"@example.org.>", true, true},
        {"bob@example.org", "<Bob@example.org>", false, true},
        {"BOB@example.org", "<bob@example.org>", false, true},
        {"bob@example.org", "<Bob@example.org>", true, false},
        {"bob@example.org", "<bob+list@example.org>", false, false},
        {"bob@example.org", "<bob@sub.example.org>", false, false},
        {"bob@example.org", "<b.ob@example.org>", false, false},
        {"bob@example.org", "<rob@example.org>", false, false},
    }));
    CAPTURE(of_certificate, recipient, case_sensitive);
    World world({recipient});
    if (case_sensitive) {
        world.policy.case_sensitive_domains = {"example.org"};
    }
    // The keyring is wrong and answers with everything: judge() looks for itself.
    KeyringView view;
    view[*world.transaction.recipients[0].address].entries = {entry('B', {of_certificate})};
    const auto plan = judge(world.transaction, world.policy, view, noon);
    CHECK(plan.decisions[0].handling == (sealed ? Handling::sealed : Handling::clear));
}

TEST_CASE("another case of the address counts only where nothing has the exact one", "[policy]") {
    World world({"<bob@example.org>"});
    SECTION("both are usable: the exact one, though the other is newer and better trusted") {
        auto other = entry('A', {"Bob@example.org"});
        other.encryption_keys[0].created = noon - 24h;
        auto exact = entry('B', {"bob@example.org"});
        exact.trust = keyring::Trust::harvested;
        world.has(other).has(exact);
        CHECK(world.plan().decisions[0].certificate == certificate('B'));
    }
    SECTION("the exact one is unusable: nobody else's is taken for it") {
        world.has(entry('A', {"Bob@example.org"})).has(expired(entry('B', {"bob@example.org"})));
        CHECK(world.plan().outcome == Outcome::refuse);
        CHECK(world.plan().decisions[0].passed_over.size() == 1);
    }
}

TEST_CASE("a keyring that was not asked does not look like one that has nothing", "[policy]") {
    World world({"<bob@example.org>"});
    CHECK_THROWS_AS(judge(world.transaction, world.policy, {}, noon), std::logic_error);
    KeyringView other;
    other[*mail::Address::parse("Bob@example.org")] = {};
    CHECK_THROWS_AS(judge(world.transaction, world.policy, other, noon), std::logic_error);
}

TEST_CASE("the keyring is asked for each address once, and for none that it cannot help", "[policy]") {
    World world(
        {"<bob@example.org>", "<eve@example.com>", "<bob@EXAMPLE.org>", "<root>", "<Bob@example.org>"});
    auto addresses = addresses_to_look_up(world.transaction, world.policy);
    REQUIRE(addresses.size() == 3);
    CHECK(addresses[0].to_string() == "bob@example.org");
    CHECK(addresses[1].to_string() == "eve@example.com");
    CHECK(addresses[2].to_string() == "Bob@example.org");
}

TEST_CASE("a recipient in clear is asked for only where it may stand for somebody who is sealed to",
          "[policy]") {
    struct Case {
        std::vector<std::string> rules;
        std::size_t asked;
        bool certificates;
    };
    const auto [rules, asked, certificates] = GENERATE(values<Case>({
        {{"to=* never"}, 0, false},
        {{"never"}, 0, false},
        {{"from=alice@example.net never", "require"}, 0, false},
        {{"from=@example.com require", "from=alice@example.net never", "require"}, 0, false},
        {{"to=bob@example.org never"}, 1, false}, // the default prefers
        {{"to=bob@example.org never", "to=* require"}, 1, false},
        {{"to=@bank.example require", "from=alice@example.net never"}, 1, false},
        {{"require"}, 1, true},
    }));
    CAPTURE(rules);
    const World world({"<bob@example.org>"}, rules);
    CHECK(addresses_to_look_up(world.transaction, world.policy).size() == asked);
    CHECK(wants_certificates(world.transaction, world.policy) == certificates);
}

TEST_CASE("a message without a recipient is deferred: nothing was decided", "[policy]") {
    World world({});
    world.policy.scope = GENERATE(Scope::outgoing, Scope::incoming, Scope::all);
    CHECK(world.plan().outcome == Outcome::defer);
}

// --- The whole message ---

TEST_CASE("one recipient who is refused stops the message for everybody, and all concerned are named",
          "[policy]") {
    World world({"<bob@example.org>", "<carol@example.org>", "<eve@example.org>", "<bob@Example.org>"},
                {"to=eve@example.org require"});
    world.has(expired(entry('B', {"bob@example.org"}))).has(entry('C', {"carol@example.org"}));
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::refuse);
    CHECK(plan.reason ==
          "<bob@example.org>: certificate expired on 2026-01-02; <eve@example.org>: no certificate");
    CHECK(handlings(plan) == Words{"refused", "sealed", "refused", "refused"});
    CHECK(plan.copies.empty());
}

TEST_CASE("recipients who are deferred defer the message, unless somebody is refused", "[policy]") {
    World world({"<bob@example.org>", "<carol@example.org>"}, {"to=bob@example.org require defer"});
    world.has(entry('C', {"carol@example.org"}));
    CHECK(world.plan().outcome == Outcome::defer);
    CHECK(world.plan().reason == "<bob@example.org>: no certificate");
    CHECK(world.plan().copies.empty());

    world.keyring = {revoked(entry('C', {"carol@example.org"}))};
    CHECK(world.plan().outcome == Outcome::refuse);
    CHECK(world.plan().reason ==
          "<carol@example.org>: certificate revoked; <bob@example.org>: no certificate");
}

TEST_CASE("a name in a reason cannot disturb a log or a reply", "[policy]") {
    World world({"<bob\r\n250 ok\x1b[2J>"}, {"require"});
    CHECK(world.plan().reason ==
          "<bob??250 ok?[2J>: not a complete address: no certificate can be looked up");
}

TEST_CASE("a message that is clear for everybody passes", "[policy]") {
    World world({"<bob@example.org>", "<eve@example.com>"}, {"to=bob@example.org never"});
    world.has(entry('B', {"bob@example.org"}));
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::pass);
    CHECK(plan.reason == "no recipient is to be sealed to");
    CHECK(handlings(plan) == Words{"clear", "clear"});
    CHECK(plan.copies.empty());
}

// --- Copies ---

TEST_CASE("recipients named in To, Cc, Resent-To and Resent-Cc share a copy", "[policy]") {
    World world({"<carol@example.org>", "<bob@example.org>", "<dan@example.org>", "<fay@example.org>"});
    world.field("To", " =?utf-8?q?B=C3=B6b?= <bob@EXAMPLE.org>")
        .field("cc", " Team: \"Carol, C.\" <carol@example.org> (the boss);")
        .field("Resent-To", " dan@example.org")
        .field("Resent-Cc", "\r\n fay@example.org");
    world.has(entry('B', {"bob@example.org"}))
        .has(entry('C', {"carol@example.org"}))
        .has(entry('D', {"dan@example.org"}))
        .has(entry('F', {"fay@example.org"}));
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::deliver);
    CHECK(plan.reason == "sealed to 4 of 4 recipients");
    REQUIRE(plan.copies.size() == 1);
    CHECK(plan.copies[0] == Copy{{0, 1, 2, 3},
                                 crypto::Protocol::openpgp,
                                 {certificate('B'), certificate('C'), certificate('D'), certificate('F')}});
}

TEST_CASE("nobody who is hidden shows in another's copy", "[policy]") {
    World world({"<bob@example.org>", "<hidden@example.org>", "<carol@example.org>", "<eve@example.com>",
                 "<secret@example.org>", "<root>"});
    world.field("To", " bob@example.org").field("Cc", " carol@example.org");
    world.has(entry('B', {"bob@example.org"}))
        .has(entry('C', {"carol@example.org"}))
        .has(entry('D', {"hidden@example.org"}))
        .has(entry('A', {"secret@example.org"}));
    const auto plan = world.plan();
    REQUIRE(plan.copies.size() == 4);
    CHECK(plan.copies[0] == Copy{{0, 2}, crypto::Protocol::openpgp, {certificate('B'), certificate('C')}});
    CHECK(plan.copies[1] == Copy{{1}, crypto::Protocol::openpgp, {certificate('D')}, true});
    CHECK(plan.copies[2] == Copy{{4}, crypto::Protocol::openpgp, {certificate('A')}, true});
    CHECK(plan.copies[3] == Copy{{3, 5}, std::nullopt, {}});
}

TEST_CASE("a recipient is hidden who is named only where readers do not look, or only nearly", "[policy]") {
    struct Case {
        const char* name;
        const char* body;
    };
    const auto [name, body] = GENERATE(values<Case>({
        {"Bcc", " bob@example.org"},
        {"Resent-Bcc", " bob@example.org"},
        {"From", " bob@example.org"},
        {"Reply-To", " bob@example.org"},
        {"Subject", " bob@example.org"},
        {"X-To", " bob@example.org"},
        {"To", " \"bob@example.org\" <eve@example.org>"},
        {"To", " eve@example.org (bob@example.org)"},
        {"To", " bob@sub.example.org"},
        {"To", " bob+x@example.org"},
        {"To", " Bob@example.org"}, // a copy too many harms nobody
        {"To", " undisclosed-recipients:;"},
    }));
    CAPTURE(name, body);
    World world({"<bob@example.org>", "<carol@example.org>"});
    world.field("Cc", " carol@example.org").field(name, body);
    world.has(entry('B', {"bob@example.org"})).has(entry('C', {"carol@example.org"}));
    const auto plan = world.plan();
    REQUIRE(plan.copies.size() == 2);
    CHECK(plan.copies[0].decisions == Indexes{1});
    CHECK(plan.copies[1].decisions == Indexes{0});
    CHECK_FALSE(plan.copies[0].hidden);
    CHECK(plan.copies[1].hidden);
}

TEST_CASE("a single recipient needs a single copy, named or not", "[policy]") {
    World world({"<bob@example.org>"});
    world.has(entry('B', {"bob@example.org"}));
    CHECK(world.plan().copies.size() == 1);
    world.field("To", " bob@example.org");
    CHECK(world.plan().copies.size() == 1);
}

TEST_CASE("the same recipient twice is in one copy", "[policy]") {
    World world({"<bob@example.org>", "<\"bob\"@EXAMPLE.org>"});
    world.has(entry('B', {"bob@example.org"}));
    Copy both{{0, 1}, crypto::Protocol::openpgp, {certificate('B')}, true};
    CHECK(world.plan().copies == std::vector<Copy>{both});
    both.hidden = false;
    world.field("To", " bob@example.org");
    CHECK(world.plan().copies == std::vector<Copy>{both});
}

TEST_CASE("a certificate that two recipients share is in their copy once, and does not join hidden ones",
          "[policy]") {
    World world({"<bob@example.org>", "<robert@example.org>"});
    world.has(entry('B', {"bob@example.org", "robert@example.org"}));
    CHECK(world.plan().copies.size() == 2);
    world.field("To", " bob@example.org, robert@example.org");
    CHECK(world.plan().copies ==
          std::vector<Copy>{Copy{{0, 1}, crypto::Protocol::openpgp, {certificate('B')}}});
}

TEST_CASE("copies are grouped by protocol: OpenPGP, S/MIME, the hidden in their order, the clear",
          "[policy]") {
    const auto smime = crypto::Protocol::smime;
    World world({"<eve@example.com>", "<hidden@example.org>", "<carol@example.org>", "<bob@example.org>",
                 "<other@example.org>"});
    world.field("To", " carol@example.org, bob@example.org, eve@example.com");
    world.has(entry('B', {"bob@example.org"}))
        .has(entry('C', {"carol@example.org"}, smime))
        .has(entry('D', {"hidden@example.org"}, smime))
        .has(entry('A', {"other@example.org"}));
    const auto plan = world.plan();
    REQUIRE(plan.copies.size() == 5);
    CHECK(plan.copies[0] == Copy{{3}, crypto::Protocol::openpgp, {certificate('B')}});
    CHECK(plan.copies[1] == smime_copy({2}, {'C'}, /*hidden=*/false));
    CHECK(plan.copies[2] == smime_copy({1}, {'D'}, /*hidden=*/true));
    CHECK(plan.copies[3] == Copy{{4}, crypto::Protocol::openpgp, {certificate('A')}, true});
    CHECK(plan.copies[4] == Copy{{0}, std::nullopt, {}});
}

TEST_CASE("S/MIME readers of different strength, and those whose Subject is hidden, do not share a copy",
          "[policy]") {
    const auto smime = crypto::Protocol::smime;
    World world({"<a@x.example>", "<b@y.example>", "<c@z.example>", "<d@x.example>"},
                {"to=@y.example prefer gcm", "to=@z.example require hide-subject"});
    world.field("To", " a@x.example, b@y.example, c@z.example, d@x.example");
    auto strong = entry('D', {"d@x.example"}, smime);
    strong.certificate.content_encryption = crypto::ContentEncryption::aes256_gcm;
    world.has(entry('A', {"a@x.example"}, smime))
        .has(entry('B', {"b@y.example"}, smime))
        .has(entry('C', {"c@z.example"}, smime))
        .has(strong);
    const auto plan = world.plan();
    REQUIRE(plan.copies.size() == 3);
    auto obscured = smime_copy({2}, {'C'}, /*hidden=*/false);
    obscured.outer_subject = mail::OuterSubject::obscured;
    CHECK(plan.copies[0] == obscured);
    CHECK(plan.copies[1] == smime_copy({0}, {'A'}, /*hidden=*/false));
    auto gcm = smime_copy({1, 3}, {'B', 'D'}, /*hidden=*/false);
    gcm.content_encryption = crypto::ContentEncryption::aes256_gcm;
    for (auto& certificate : gcm.certificates) {
        certificate.content_encryption = crypto::ContentEncryption::aes256_gcm;
    }
    CHECK(plan.copies[2] == gcm);
}

TEST_CASE("gcm and hide-subject change nothing for OpenPGP", "[policy]") {
    World world({"<a@x.example>"}, {"prefer gcm hide-subject"});
    world.has(entry('A', {"a@x.example"}));
    const auto plan = world.plan();
    REQUIRE(plan.copies.size() == 1);
    CHECK(plan.copies[0] == Copy{{0}, crypto::Protocol::openpgp, {certificate('A')}, true});
}

TEST_CASE("of certificates of both protocols the preferred one is taken, and it is said why", "[policy]") {
    World world({"<a@x.example>"});
    world.has(entry('A', {"a@x.example"})).has(entry('B', {"a@x.example"}, crypto::Protocol::smime));
    CHECK(world.plan().decisions[0].certificate == certificate('A'));
    CHECK(world.plan().decisions[0].reason == "of 2 usable certificates, openpgp is the preferred protocol");
    world.policy.preferred_protocol = crypto::Protocol::smime;
    CHECK(world.plan().decisions[0].certificate == certificate('B', crypto::Protocol::smime));
    CHECK(world.plan().decisions[0].reason == "of 2 usable certificates, smime is the preferred protocol");
    world.keyring[1].revoked = true; // usable comes before preferred
    CHECK(world.plan().decisions[0].certificate == certificate('A'));
    CHECK(world.plan().decisions[0].reason == "the only usable certificate");
}

TEST_CASE("every recipient is in exactly one copy, and nobody in clear who is sealed to", "[policy]") {
    World world({"<a@x.example>", "<b@x.example>", "<a@x.example>", "<c@x.example>", "<d@x.example>",
                 "<e@x.example>"});
    world.field("To", " a@x.example, d@x.example, e@x.example");
    world.has(entry('A', {"a@x.example", "c@x.example"})).has(entry('B', {"b@x.example", "e@x.example"}));
    const auto plan = world.plan();
    std::vector<int> seen(world.transaction.recipients.size());
    for (const auto& copy : plan.copies) {
        CHECK(copy.protocol.has_value() == !copy.certificates.empty());
        for (const auto index : copy.decisions) {
            ++seen[plan.decisions[index].recipient];
            CHECK(copy.protocol.has_value() == (plan.decisions[index].handling == Handling::sealed));
        }
    }
    CHECK(seen == std::vector<int>(seen.size(), 1));
}

TEST_CASE("the plan does not depend on the order in which the keyring answers", "[policy]") {
    World world({"<bob@example.org>"});
    world.has(entry('A', {"bob@example.org"}))
        .has(entry('B', {"bob@example.org"}))
        .has(entry('C', {"bob@example.org"}));
    const auto plan = world.plan();
    std::reverse(world.keyring.begin(), world.keyring.end());
    CHECK(world.plan() == plan);
}

TEST_CASE("a plan of more copies than copies-max is deferred, with the number and the key", "[policy]") {
    World world({"<bob@example.org>", "<carol@example.org>", "<dan@example.org>"});
    world.has(entry('B', {"bob@example.org"})).has(entry('C', {"carol@example.org"}));
    world.policy.copies_max = 3;
    CHECK(world.plan().outcome == Outcome::deliver);
    world.policy.copies_max = 2;
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::defer);
    CHECK(plan.reason == "it needs 3 different copies for its recipients, and copies-max permits 2");
    CHECK(plan.copies.empty());
    CHECK(handlings(plan) == Words{"sealed", "sealed", "clear"});
    world.field("To", " bob@example.org, carol@example.org");
    CHECK(world.plan().copies.size() == 2);
    CHECK(Policy().copies_max == 100);
}

// --- Aliases for addresses ---

TEST_CASE("an alias becomes those whom it stands for, each with a copy of their own", "[policy]") {
    World world({"<team@example.org>", "<bob@example.org>"});
    world.field("To", " team@example.org, bob@example.org");
    world.group("team@example.org", {"carol@example.org", "dan@example.com", "eve@example.com"});
    world.has(entry('B', {"bob@example.org"}))
        .has(entry('C', {"carol@example.org"}))
        .has(entry('D', {"dan@example.com"}));
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::deliver);
    CHECK(plan.reason == "sealed to 3 of 4 recipients");
    CHECK(plan.changes_recipients());
    CHECK(plan.expanded == Indexes{0});
    REQUIRE(plan.decisions.size() == 4);
    CHECK(handlings(plan) == Words{"sealed", "sealed", "clear", "sealed"});
    CHECK(plan.decisions[0].address == "carol@example.org");
    CHECK(plan.decisions[0].recipient == 0);
    CHECK(plan.decisions[0].via == Words{"team@example.org"});
    CHECK(plan.decisions[3].address == "bob@example.org");
    CHECK(plan.decisions[3].recipient == 1);
    CHECK(plan.decisions[3].via.empty());
    REQUIRE(plan.copies.size() == 4);
    CHECK(plan.copies[0] == Copy{{3}, crypto::Protocol::openpgp, {certificate('B')}});
    CHECK(plan.copies[1] == Copy{{0}, crypto::Protocol::openpgp, {certificate('C')}, true});
    CHECK(plan.copies[2] == Copy{{1}, crypto::Protocol::openpgp, {certificate('D')}, true});
    CHECK(plan.copies[3] == Copy{{2}, std::nullopt, {}});
}

TEST_CASE("a member of an alias whom To names shares the copy of those named", "[policy]") {
    World world({"<team@example.org>", "<bob@example.org>"});
    world.field("To", " team@example.org, bob@example.org").field("Cc", " carol@example.org");
    world.group("team@example.org", {"carol@example.org"});
    world.has(entry('B', {"bob@example.org"})).has(entry('C', {"carol@example.org"}));
    CHECK(world.plan().copies ==
          std::vector<Copy>{Copy{{0, 1}, crypto::Protocol::openpgp, {certificate('B'), certificate('C')}}});
}

TEST_CASE("an alias is expanded though nobody is sealed to", "[policy]") {
    World world({"<team@example.org>"});
    world.group("team@example.org", {"carol@example.org", "dan@example.com"});
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::deliver);
    CHECK(plan.changes_recipients());
    CHECK(plan.copies == std::vector<Copy>{Copy{{0, 1}, std::nullopt, {}}});
}

TEST_CASE("aliases among an alias's members are expanded too, with the whole way told", "[policy]") {
    World world({"<all@example.org>"});
    world.group("all@example.org", {"team@example.org", "bob@example.org"})
        .group("team@example.org", {"carol@example.org", "bob@example.org"});
    const auto plan = world.plan();
    REQUIRE(plan.decisions.size() == 2);
    CHECK(plan.decisions[0].address == "carol@example.org");
    CHECK(plan.decisions[0].via == Words{"all@example.org", "team@example.org"});
    CHECK(plan.decisions[1].address == "bob@example.org");
    CHECK(plan.decisions[1].via == Words{"all@example.org", "team@example.org"});
}

TEST_CASE("nobody gets a message twice: as a recipient first, otherwise through the first alias",
          "[policy]") {
    World world({"<one@example.org>", "<two@example.org>", "<bob@example.org>"});
    world.group("one@example.org", {"BOB@example.org", "carol@example.org"})
        .group("two@example.org", {"Carol@example.org", "dan@example.org", "bob@example.org"});
    SECTION("spellings that differ in case are one mailbox") {
        const auto plan = world.plan();
        REQUIRE(plan.decisions.size() == 3);
        CHECK(plan.decisions[0].address == "carol@example.org");
        CHECK(plan.decisions[0].via == Words{"one@example.org"});
        CHECK(plan.decisions[1].address == "dan@example.org");
        CHECK(plan.decisions[2].address == "bob@example.org");
        CHECK(plan.decisions[2].via.empty());
        CHECK(plan.expanded == Indexes{0, 1});
    }
    SECTION("but not where the domain says that they are two") {
        world.policy.case_sensitive_domains = {"example.org"};
        CHECK(world.plan().decisions.size() == 5);
    }
}

TEST_CASE("an alias for nobody but direct recipients is expanded all the same: its own address gets nothing",
          "[policy]") {
    World world({"<team@example.org>", "<bob@example.org>"});
    world.field("To", " team@example.org, bob@example.org").group("team@example.org", {"bob@example.org"});
    world.has(entry('B', {"bob@example.org"}));
    const auto plan = world.plan();
    REQUIRE(plan.decisions.size() == 1);
    CHECK(plan.decisions[0].recipient == 1);
    CHECK(plan.changes_recipients());
    CHECK(plan.copies.size() == 1);
    world.keyring.clear();
    CHECK(world.plan().outcome == Outcome::deliver); // not `pass`: the MTA would deliver to the alias
}

TEST_CASE("the alias's spelling counts like a certificate's", "[policy]") {
    World world({"<Team@Example.ORG.>"});
    world.group("tEAM@example.org", {"bob@example.org"});
    CHECK(world.plan().decisions[0].address == "bob@example.org");
    world.policy.case_sensitive_domains = {"example.org"};
    CHECK_FALSE(world.plan().changes_recipients());
    world.aliases.clear();
    world.group("Team@example.org", {"bob@example.org"});
    CHECK(world.plan().changes_recipients());
}

TEST_CASE("the rule for a member decides, unless one for an alias on the way requires", "[policy]") {
    struct Case {
        std::vector<std::string> rules;
        const char* handling;
        std::size_t rule;
    };
    const auto [rules, handling, rule] = GENERATE(values<Case>({
        {{"to=carol@example.org require"}, "refused", 1},
        {{"to=carol@example.org require defer", "to=team@example.org require"}, "deferred", 1},
        {{"to=team@example.org require", "to=* prefer"}, "refused", 1},
        {{"to=all@example.org require", "to=carol@example.org never"}, "refused", 1},
        {{"to=team@example.org require defer", "to=carol@example.org prefer"}, "deferred", 1},
        {{"to=team@example.org never", "to=* prefer"}, "clear", 2},
        {{"to=all@example.org never", "to=carol@example.org require"}, "refused", 2},
        {{"to=@example.net require", "to=* never"}, "clear", 2},
        {{"to=all@example.org prefer", "to=carol@example.org never"}, "clear", 2},
    }));
    CAPTURE(rules);
    World world({"<all@example.org>"}, rules);
    world.group("all@example.org", {"team@example.org"}).group("team@example.org", {"carol@example.org"});
    const auto plan = world.plan();
    REQUIRE(plan.decisions.size() == 1);
    CHECK(plan.decisions[0].address == "carol@example.org");
    CHECK(to_string(plan.decisions[0].handling) == handling);
    CHECK(plan.decisions[0].rule_number == rule);
}

TEST_CASE("what an alias requires holds for a member who is reached in another way as well", "[policy]") {
    World world({"<first@example.org>", "<strict@example.org>"}, {"to=strict@example.org require", "prefer"});
    world.group("strict@example.org", {"bob@example.org"});
    SECTION("as a recipient") {
        world.transaction.recipients[0] = Path::from("<bob@example.org>");
    }
    SECTION("through another alias") {
        world.group("first@example.org", {"bob@example.org"});
    }
    const auto plan = world.plan();
    REQUIRE(plan.decisions.size() == 1);
    CHECK(plan.decisions[0].recipient == 0);
    CHECK(plan.outcome == Outcome::refuse);
    CHECK(plan.decisions[0].rule_number == 1);
}

TEST_CASE("a member who is refused is named with the alias that the sender wrote", "[policy]") {
    World world({"<all@example.org>"}, {"require"});
    world.group("all@example.org", {"team@example.org"}).group("team@example.org", {"bob@example.org"});
    CHECK(world.plan().outcome == Outcome::refuse);
    CHECK(world.plan().reason == "<bob@example.org> (through <all@example.org>): no certificate");
}

TEST_CASE("an alias that cannot be expanded defers the message, and is named", "[policy]") {
    World world({"<bob@example.org>", "<a@example.org>"});
    world.has(entry('B', {"bob@example.org"}));
    SECTION("a loop") {
        world.group("a@example.org", {"bob@example.org", "b@example.org"})
            .group("b@example.org", {"A@example.org"});
        CHECK(world.plan().reason == "<a@example.org>: the alias leads back to itself: a@example.org > "
                                     "b@example.org > A@example.org");
    }
    SECTION("a loop of one") {
        world.group("a@example.org", {"a@example.org"});
        CHECK(world.plan().reason ==
              "<a@example.org>: the alias leads back to itself: a@example.org > a@example.org");
    }
    SECTION("too deep") {
        world.group("a@example.org", {"1@example.org"});
        for (std::size_t i = 1; i <= keyring::alias_depth_max; ++i) {
            world.group((std::to_string(i) + "@example.org").c_str(),
                        {std::to_string(i + 1) + "@example.org"});
        }
        CHECK(world.plan().reason.substr(0, 61) ==
              "<a@example.org>: aliases are nested more than 10 deep: a@exam");
        world.aliases.pop_back();
        CHECK(world.plan().outcome == Outcome::deliver);
    }
    SECTION("too many") {
        std::vector<std::string> members;
        for (std::size_t i = 0; i < keyring::alias_expansion_max; ++i) {
            members.push_back(std::to_string(i) + "@example.org");
        }
        world.group("a@example.org", members);
        CHECK(world.plan().reason == "<a@example.org>: the alias stands for more than 1000 addresses");
    }
    if (!world.plan().copies.empty()) {
        return;
    }
    CHECK(world.plan().outcome == Outcome::defer);
    CHECK_FALSE(world.plan().changes_recipients());
    CHECK(world.plan().decisions.size() == 2);
}

TEST_CASE("the scope is decided on the recipient in the envelope", "[policy]") {
    World world({"<team@example.org>", "<other@example.com>"}, {"require"});
    world.policy.scope = Scope::incoming;
    world.policy.incoming_domains = {"example.org"};
    world.group("team@example.org", {"bob@example.com"}).group("other@example.com", {"eve@example.org"});
    world.has(entry('B', {"bob@example.com"}));
    const auto plan = world.plan();
    CHECK(handlings(plan) == Words{"sealed", "clear"});
    CHECK(plan.decisions[1].address == "other@example.com");
    CHECK(plan.expanded == Indexes{0});
}

TEST_CASE("a member of an alias that the keyring was not asked about does not look like one without anything",
          "[policy]") {
    World world({"<team@example.org>"});
    world.group("team@example.org", {"bob@example.org"});
    auto view = world.view();
    CHECK(view.size() == 2);
    view.erase(*mail::Address::parse("bob@example.org"));
    CHECK_THROWS_AS(judge(world.transaction, world.policy, view, noon), std::logic_error);
}

TEST_CASE("the keyring is asked once about everybody, however many aliases they are in", "[policy]") {
    World world({"<one@example.org>", "<two@example.org>"});
    world.group("one@example.org", {"two@example.org", "bob@example.org"})
        .group("two@example.org", {"bob@example.org"});
    std::vector<std::string> asked;
    const auto view = gather(addresses_to_look_up(world.transaction, world.policy), world.policy,
                             [&](const mail::Address& address) {
                                 asked.push_back(address.to_string());
                                 return world.known(address);
                             });
    CHECK(asked == Words{"one@example.org", "two@example.org", "bob@example.org"});
    CHECK(view.size() == 3);
}

// --- Aliases for certificates ---

TEST_CASE("an alias for a certificate comes before the address's own", "[policy]") {
    World world({"<role@example.org>"});
    world.field("To", " role@example.org");
    world.has(entry('A', {"role@example.org"})).alias("role@example.org", entry('B', {"bob@example.org"}));
    const auto plan = world.plan();
    REQUIRE(plan.decisions.size() == 1);
    CHECK(plan.decisions[0].certificate == certificate('B'));
    CHECK(plan.decisions[0].reason == "the certificate of the alias role@example.org");
    CHECK(plan.decisions[0].address == "role@example.org");
    CHECK(plan.decisions[0].via.empty());
    CHECK_FALSE(plan.changes_recipients());
    CHECK(plan.copies == std::vector<Copy>{Copy{{0}, crypto::Protocol::openpgp, {certificate('B')}}});
}

TEST_CASE("an alias's certificate that is unusable is no reason to take another one, or none", "[policy]") {
    struct Case {
        const char* rule;
        const char* handling;
    };
    const auto [rule, handling] = GENERATE(values<Case>({
        {"require", "refused"},
        {"prefer", "refused"},
        {"prefer defer", "deferred"},
        {"prefer clear-if-unusable", "clear"},
        {"prefer smime", "sealed"}, // that of the alias is OpenPGP: it does not count
    }));
    CAPTURE(rule);
    World world({"<role@example.org>"}, {rule});
    world.has(entry('A', {"role@example.org"}))
        .has(entry('C', {"role@example.org"}, crypto::Protocol::smime))
        .alias("role@example.org", expired(entry('B', {"bob@example.org"})));
    const auto plan = world.plan();
    CHECK(to_string(plan.decisions[0].handling) == handling);
    if (plan.decisions[0].handling == Handling::refused) {
        CHECK(plan.reason ==
              "<role@example.org>: certificate expired on 2026-01-02 (alias role@example.org)");
        CHECK(plan.decisions[0].passed_over ==
              Words{fingerprint('B') + ": certificate expired on 2026-01-02 (alias role@example.org)"});
    }
}

TEST_CASE("a domain's certificate is for those of its addresses that have no usable one", "[policy]") {
    World world({"<bob@partner.example>"});
    world.alias("@partner.example", entry('F', {"gateway@partner.example"}));
    SECTION("no certificate") {
        CHECK(world.plan().decisions[0].certificate == certificate('F'));
        CHECK(world.plan().decisions[0].reason == "the certificate of the alias @partner.example");
    }
    SECTION("a usable one") {
        world.has(entry('B', {"bob@partner.example"}));
        CHECK(world.plan().decisions[0].certificate == certificate('B'));
        CHECK(world.plan().decisions[0].passed_over.empty());
    }
    SECTION("an unusable one") {
        world.has(expired(entry('B', {"bob@partner.example"})));
        CHECK(world.plan().decisions[0].certificate == certificate('F'));
        CHECK(world.plan().decisions[0].passed_over ==
              Words{fingerprint('B') + ": certificate expired on 2026-01-02"});
    }
    SECTION("an alias of its own") {
        world.alias("bob@partner.example", revoked(entry('B', {"bob@example.org"})));
        CHECK(world.plan().outcome == Outcome::refuse);
    }
    SECTION("the domain's is unusable") {
        world.aliases.front() = {world.aliases.front().name, {}, revoked(entry('F', {}))};
        CHECK(world.plan().outcome == Outcome::refuse);
        CHECK(world.plan().reason == "<bob@partner.example>: certificate revoked (alias @partner.example)");
    }
    SECTION("both are") {
        world.has(expired(entry('B', {"bob@partner.example"})));
        world.aliases.front() = {world.aliases.front().name, {}, revoked(entry('F', {}))};
        CHECK(world.plan().reason == "<bob@partner.example>: none of 2 certificates is usable: certificate "
                                     "expired on 2026-01-02");
    }
    SECTION("another domain") {
        world.transaction.recipients[0] = Path::from("<bob@sub.partner.example>");
        CHECK(world.plan().outcome == Outcome::pass);
    }
    SECTION("a member of an alias") {
        world.group("team@example.org", {"bob@partner.example"});
        world.transaction.recipients[0] = Path::from("<team@example.org>");
        CHECK(world.plan().decisions[0].certificate == certificate('F'));
    }
}

TEST_CASE("two who share their domain's certificate share a copy only where both are named", "[policy]") {
    World world({"<bob@partner.example>", "<carol@partner.example>"});
    world.alias("@partner.example", entry('F', {"gateway@partner.example"}));
    CHECK(world.plan().copies.size() == 2);
    world.field("To", " bob@partner.example, carol@partner.example");
    CHECK(world.plan().copies ==
          std::vector<Copy>{Copy{{0, 1}, crypto::Protocol::openpgp, {certificate('F')}}});
}

// --- Inbound TLS ---

TEST_CASE("a remote client without TLS is refused where the policy requires it, whatever the scope",
          "[policy]") {
    struct Case {
        const char* client;
        const char* tls;
        bool welcome;
    };
    const auto [client, tls, welcome] = GENERATE(values<Case>({
        {"203.0.113.9", "TLSv1.3", true},
        {"203.0.113.9", "", false},
        {"10.1.2.3", "", false}, // trusted, and remote all the same
        {"2001:db8::7", "", false},
        {"what is this", "", false},
        {"127.0.0.1", "", true},
        {"::1", "", true},
        {"", "", true},
    }));
    CAPTURE(client, tls);
    Policy policy;
    policy.scope = GENERATE(Scope::outgoing, Scope::incoming, Scope::all);
    policy.trusted_networks = {*Network::parse("10.0.0.0/8")};
    Origin origin;
    origin.client_address = client;
    origin.tls_version = tls;
    origin.login = "alice";
    CHECK_FALSE(why_tls_is_missing(origin, policy).has_value());
    policy.inbound_tls = InboundTls::require;
    CHECK(why_tls_is_missing(origin, policy).has_value() != welcome);
}
