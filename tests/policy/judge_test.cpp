#include "mail/layer.hpp"
#include "policy/judge.hpp"
#include "tests/policy/judging.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox;
using namespace lockbox::policy;
using namespace lockbox::policy::test;
using namespace std::chrono_literals;

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
    REQUIRE(plan.decisions.size() == 1);
    CHECK((plan.decisions[0].handling != Handling::untouched) == judged);
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
    CHECK(world.inquiry().addresses().size() == 1);
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
    CHECK(world.inquiry().addresses().empty());
}

TEST_CASE("scope incoming counts a recipient without a domain as one of its own", "[policy]") {
    World world({"<bob>"}, {"require"});
    world.policy.scope = Scope::incoming;
    world.policy.incoming_domains = {"example.org"};
    CHECK(world.plan().outcome == Outcome::refuse);
}

TEST_CASE("scope incoming counts an address literal as one of its own", "[policy]") {
    // RFC 5321 §4.1.3: the three forms. The general one has no meaning that an MTA agreed on, and what some
    // MTAs take for a literal has no brackets.
    const auto path = GENERATE(as<std::string>{}, "<bob@[127.0.0.1]>", "<bob@[IPv6:::1]>",
                               "<bob@[192.0.2.1]>", "<bob@[IPv6:2001:db8::1]>", "<bob@[x-tag:somewhere]>",
                               "<bob@[::1]>", "<bob@[localhost]>", "<bob@127.0.0.1>");
    CAPTURE(path);
    World world({path}, {"require"});
    world.policy.scope = Scope::incoming;
    world.policy.incoming_domains = {"example.org"};
    world.transaction.origin.client_address = "203.0.113.9";
    CHECK(world.plan().outcome == Outcome::refuse);
    // And beside others who are somewhere else.
    world.transaction.recipients.push_back(Path::from("<eve@example.com>"));
    CHECK(world.plan().outcome == Outcome::refuse);
    // A name is what it is: not in a domain that is listed.
    world.transaction.recipients = {Path::from("<bob@localhost>"), Path::from("<bob@mx.example.org>")};
    CHECK(world.plan().outcome == Outcome::pass);
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
    CHECK(handlings(world.plan()) == Words{"untouched"});
    CHECK(world.inquiry().addresses().empty());
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
    CHECK(decision.address == at("bob@example.org"));
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
    CHECK(judge(world.inquiry(), world.view(), second_of_january - 1s).outcome == Outcome::deliver);
    CHECK(judge(world.inquiry(), world.view(), second_of_january).outcome == Outcome::refuse);
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

TEST_CASE("a recipient who is no complete address is refused whatever the rule", "[policy]") {
    const auto path =
        GENERATE(as<std::string>{}, "<root>", "<bob%example.org@localhost>", "< bob@example.org>",
                 "<\"bob@example.org\"@localhost>", "<bob@remote>", "<>", "<Bob <bob@example.org>>");
    const auto rule = GENERATE(as<std::string>{}, "prefer", "require", "require defer",
                               "prefer clear-if-unusable", "to=@example.org never");
    CAPTURE(path, rule);
    World world({"<carol@example.com>", path}, {rule});
    world.has(entry('B', {"bob@example.org"}));
    world.has(entry('C', {"carol@example.com"}));
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::refuse);
    CHECK(plan.refuses_addresses_alone());
    CHECK(plan.copies.empty());
    REQUIRE(plan.decisions.size() == 2);
    CHECK_FALSE(plan.decisions[1].address);
    CHECK(plan.decisions[1].reason == "not a complete address: the mail system may deliver to another one");
    CHECK(plan.decisions[1].rule.empty());
    CHECK(plan.reason.find(path.substr(1, path.size() - 2)) != std::string::npos);
}

TEST_CASE("nobody is refused for an address where nothing but never applies", "[policy]") {
    World world({"<bob%example.org@localhost>", "<root>"}, {"from=alice@example.net never", "to=* require"});
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::pass);
    CHECK(handlings(plan) == Words{"clear", "clear"});
    world.transaction.reverse_path = Path::from("<carol@example.net>");
    CHECK(world.plan().outcome == Outcome::refuse);
}

TEST_CASE("an extension is no way around the rule for the address, and no way into it", "[policy]") {
    struct Case {
        std::vector<std::string> rules;
        const char* recipient;
        std::size_t rule_number;
    };
    const auto [rules, recipient, rule_number] = GENERATE(values<Case>({
        {{"to=bob@example.org require", "never"}, "<bob+tag@example.org>", 1},
        {{"to=bob@example.org prefer", "never"}, "<bob+a+b@EXAMPLE.org>", 1},
        {{"to=bob@example.org never", "require"}, "<bob+tag@example.org>", 2},
        {{"to=bob@example.org prefer", "require"}, "<bob+tag@example.org>", 2},
        {{"to=bob+tag@example.org never", "to=bob@example.org require"}, "<bob+tag@example.org>", 2},
        {{"to=bob+tag@example.org require", "to=bob@example.org never"}, "<bob+tag@example.org>", 1},
        {{"to=bob@example.org require", "never"}, "<bobby+tag@example.org>", 2},
        {{"to=bob@example.org require", "never"}, "<bob-tag@example.org>", 2},
    }));
    CAPTURE(rules, recipient);
    const World world({recipient}, rules);
    CHECK(world.plan().decisions.at(0).rule_number == rule_number);
}

TEST_CASE("a local name belongs to the default domain and to the rules for it", "[policy]") {
    World world({}, {"to=@example.org require", "never"});
    world.transaction.recipients = {Path::from("<bob>", {}, {"", "example.org"})};
    CHECK(world.plan().outcome == Outcome::refuse);
    CHECK_FALSE(world.plan().refuses_addresses_alone());
    world.has(entry('B', {"bob@example.org"}));
    CHECK(world.plan().decisions.at(0).certificate == certificate('B'));
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
          "<bob??250 ok?[2J>: not a complete address: the mail system may deliver to another one");
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

// --- Out of scope, though somebody must be sealed to ---

TEST_CASE("a message that is out of scope is warned of where a rule says require: the rule and the client",
          "[policy]") {
    struct Case {
        std::vector<std::string> rules;
        const char* client;
        const char* warning;
    };
    const auto [rules, client, warning] = GENERATE(values<Case>({
        {{"never", "require"}, "203.0.113.9", ""},
        {{"prefer"}, "203.0.113.9", ""},
        {{"to=@example.com require"}, "203.0.113.9", ""},
        {{"to=@example.com require", "to=@example.org require defer"},
         "203.0.113.9",
         "rule 2 (to=@example.org require defer) wants <bob@example.org> sealed to, but the client "
         "203.0.113.9 "
         "has not authenticated and is in none of trusted-networks"},
        {{"to=@example.org require"}, "127.0.0.1", ""}, // in scope: refused, not warned of
    }));
    CAPTURE(rules, client);
    World world({"<dave@example.net>", "<bob@example.org>"}, rules);
    world.has(entry('D', {"dave@example.net"}));
    world.transaction.origin.client_address = client;
    const auto plan = world.plan();
    CHECK(plan.warning == warning);
}

TEST_CASE("with scope incoming it is the recipient who is out of scope, and nobody was forgotten",
          "[policy]") {
    World world({"<eve@example.com>"}, {"require"});
    world.policy.scope = Scope::incoming;
    world.policy.incoming_domains = {"example.org"};
    CHECK(world.plan().outcome == Outcome::pass);
    CHECK(world.plan().warning.empty());
}

// --- Signed messages ---

TEST_CASE("of two certificates a signed message is sealed to that of its signature's protocol", "[policy]") {
    struct Case {
        const char* protocol;
        const char* rule;
        crypto::Protocol preferred;
        char chosen;
        const char* reason;
    };
    const auto [protocol, rule, preferred, chosen, reason] = GENERATE(values<Case>({
        {"application/pgp-signature", "prefer", crypto::Protocol::smime, 'A',
         "of 2 usable certificates, openpgp is the protocol of the message's signature"},
        {"application/pkcs7-signature", "prefer", crypto::Protocol::openpgp, 'B',
         "of 2 usable certificates, smime is the protocol of the message's signature"},
        {"application/pgp-signature", "prefer smime", crypto::Protocol::openpgp, 'B', "the only certificate"},
        {"application/pkcs7-signature", "prefer openpgp", crypto::Protocol::smime, 'A',
         "the only certificate"},
    }));
    CAPTURE(protocol, rule);
    World world({"<bob@example.org>"}, {rule});
    world.policy.preferred_protocol = preferred;
    world.has(entry('A', {"bob@example.org"})).has(entry('B', {"bob@example.org"}, crypto::Protocol::smime));
    world.field("MIME-Version", " 1.0");
    const auto type =
        std::string(" multipart/signed; micalg=sha-256; boundary=b; protocol=\"") + protocol + '"';
    world.field("Content-Type", type.c_str());
    world.transaction.body =
        std::string("--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\nContent-Type: ") + protocol +
        "\r\n\r\nsignature\r\n--b--\r\n";
    const auto plan = world.plan();
    CHECK(plan.decisions[0].certificate->fingerprint == fingerprint(chosen));
    CHECK(plan.decisions[0].reason == reason);
}

TEST_CASE("a signed message is sealed in the other protocol where there is nothing usable in its own",
          "[policy]") {
    World world({"<bob@example.org>"});
    world.has(revoked(entry('A', {"bob@example.org"})))
        .has(entry('B', {"bob@example.org"}, crypto::Protocol::smime));
    world.field("Content-Type", " multipart/signed; boundary=b; protocol=\"application/pgp-signature\"");
    world.transaction.body = "--b\r\n\r\nHello\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\n"
                             "signature\r\n--b--\r\n";
    CHECK(world.plan().decisions[0].certificate->fingerprint == fingerprint('B'));
}
