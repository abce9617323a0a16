#include "base/error.hpp"
#include "milter/outgoing_copy.hpp"
#include "tests/support/data.hpp"

#include <regex>

using namespace lockbox;
using namespace lockbox::milter;

namespace {

const SmtpExtensions everything{{"SIZE", "10240000"}, {"8BITMIME", ""},        {"SMTPUTF8", ""},
                                {"DSN", ""},          {"REQUIRETLS", ""},      {"MT-PRIORITY", ""},
                                {"DELIVERBY", "60"},  {"FUTURERELEASE", "1 2"}};

OutgoingRecipient recipient(const std::string& path, std::vector<std::string> parameters = {},
                            policy::Handling handling = policy::Handling::clear) {
    return {policy::Path::from(path, std::move(parameters)), handling};
}

OutgoingCopy clear_copy(std::vector<OutgoingRecipient> recipients) {
    return {std::move(recipients), Original{}};
}

const OutgoingCopy to_bob = clear_copy({recipient("<bob@example.org>")});

std::string mail_for(const std::string& path, const std::vector<std::string>& parameters = {},
                     const SmtpExtensions& extensions = everything,
                     const CopyContent& content = {1234, false, false}, const OutgoingCopy& copy = to_bob) {
    return mail_command(policy::Path::from(path, parameters), copy, content, extensions);
}

ErrorKind complaint(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.kind();
    }
    FAIL("nothing went wrong");
    return ErrorKind::usage;
}

crypto::Certificate certificate(const std::string& fingerprint) {
    crypto::Certificate certificate;
    certificate.fingerprint = fingerprint;
    return certificate;
}

policy::Decision decision(std::size_t recipient, const std::string& address) {
    policy::Decision decision;
    decision.recipient = recipient;
    decision.address = mail::Address::parse(address);
    decision.handling = policy::Handling::clear;
    return decision;
}

policy::Decision sealed(std::size_t recipient, const std::string& address, const std::string& fingerprint) {
    auto one = decision(recipient, address);
    one.handling = policy::Handling::sealed;
    one.certificate = certificate(fingerprint);
    return one;
}

crypto::Recipients certificates(const std::vector<std::string>& fingerprints) {
    std::vector<crypto::Certificate> all;
    for (const auto& fingerprint : fingerprints) {
        all.push_back(certificate(fingerprint));
    }
    return crypto::Recipients::from(std::move(all)).value();
}

bool passes_the_last_look(const OutgoingCopy& copy) {
    try {
        check_recipients(copy);
        return true;
    } catch (const std::logic_error&) {
        return false;
    }
}

policy::Plan plan_of(std::vector<policy::Decision> decisions, std::vector<policy::Copy> copies) {
    policy::Plan plan;
    plan.outcome = policy::Outcome::deliver;
    plan.decisions = std::move(decisions);
    plan.copies = std::move(copies);
    return plan;
}

policy::Transaction transaction_for(const std::vector<std::string>& recipients) {
    policy::Transaction transaction;
    for (const auto& recipient : recipients) {
        transaction.recipients.push_back(policy::Path::from(recipient, {"NOTIFY=NEVER"}));
    }
    return transaction;
}

policy::Origin origin() {
    policy::Origin origin;
    origin.client_name = "client.example.net";
    origin.client_address = "192.0.2.1";
    origin.helo = "laptop.example.net";
    origin.mta_name = "mail.example.org";
    return origin;
}

std::string received(const policy::Origin& from, const std::string& queue_id = "4Zk3Qv1yTgz",
                     const std::vector<std::string>& parameters = {}) {
    policy::Transaction transaction;
    transaction.origin = from;
    transaction.queue_id = queue_id;
    transaction.reverse_path = policy::Path::from("<a@example.org>", parameters);
    return received_field(transaction, test::test_now);
}

/// RFC 5321 §4.4 and RFC 5322 §3.2.2 and §3.3, as narrow as Lockbox uses them.
bool is_received_field(const std::string& body) {
    const std::string domain =
        "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*";
    const std::string literal = "\\[([0-9]{1,3}(\\.[0-9]{1,3}){3}|IPv6:[0-9A-Fa-f:.]+)\\]";
    const std::regex whole(
        "^ from (" + domain + "|" + literal + ")( \\((" + domain + " )?" + literal +
        "\\))?(\r\n\t\\(HELO [ -'*-\\[\\]-~]*\\))?\r\n\tby " + domain +
        " \\(Lockbox\\) with (ESMTP|UTF8SMTP)S?A?( id [A-Za-z0-9.-]+)?;\r\n"
        "\t[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} \\+0000$");
    return std::regex_match(body, whole);
}

} // namespace

TEST_CASE("The copies of a plan, each recipient with the MTA's own bytes and parameters", "[milter]") {
    const auto transaction =
        transaction_for({"<Alice@Example.org>", "<bob@example.org>", "carol@example.org"});
    const auto plan = plan_of({decision(0, "Alice@example.org"), sealed(1, "bob@example.org", "B"),
                               sealed(2, "carol@example.org", "C")},
                              {policy::SealedCopy{{2, 1}, certificates({"B", "C"})}, policy::ClearCopy{{0}}});
    using policy::Handling;
    const std::vector<OutgoingCopy> expected{
        {{recipient("carol@example.org", {"NOTIFY=NEVER"}, Handling::sealed),
          recipient("<bob@example.org>", {"NOTIFY=NEVER"}, Handling::sealed)},
         Sealing{certificates({"B", "C"})}},
        clear_copy({recipient("<Alice@Example.org>", {"NOTIFY=NEVER"})})};
    CHECK(copies_of(transaction, plan) == expected);
    CHECK(rcpt_command(expected[0].recipients[0], everything) == "RCPT TO:<carol@example.org> NOTIFY=NEVER");
}

TEST_CASE("Whoever was served is in no copy", "[milter]") {
    const auto transaction = transaction_for({"<bob@example.org>", "<dave@example.org>"});
    auto plan = plan_of({sealed(0, "bob@example.org", "B"), decision(1, "dave@example.org")},
                        {policy::ClearCopy{{1}}});
    plan.decisions[0].handling = policy::Handling::served;
    plan.decisions[0].certificate.reset();
    const auto copies = copies_of(transaction, plan);
    REQUIRE(copies.size() == 1);
    CHECK(copies[0] == clear_copy({recipient("<dave@example.org>", {"NOTIFY=NEVER"})}));
    plan.copies = {policy::ClearCopy{{0, 1}}};
    CHECK_THROWS_AS(copies_of(transaction, plan), std::logic_error);
}

TEST_CASE("A sealed recipient without a certificate is a fault, not a clear copy", "[milter]") {
    const auto transaction = transaction_for({"<alice@example.org>"});
    auto plan =
        plan_of({sealed(0, "alice@example.org", "A")}, {policy::SealedCopy{{0}, certificates({"A"})}});
    CHECK_NOTHROW(copies_of(transaction, plan));
    plan.decisions[0].certificate.reset();
    CHECK_THROWS_AS(copies_of(transaction, plan), std::logic_error);
    plan.copies = {policy::ClearCopy{{0}}};
    CHECK_THROWS_AS(copies_of(transaction, plan), std::logic_error);
}

TEST_CASE("The last look before MAIL: a copy goes to those alone who were decided to get it", "[milter]") {
    using policy::Handling;
    const Sealing sealing{certificates({"A"})};
    for (const auto handling : {Handling::sealed, Handling::clear, Handling::untouched, Handling::served,
                                Handling::refused, Handling::deferred}) {
        CAPTURE(policy::to_string(handling));
        OutgoingCopy copy{{recipient("<a@example.org>", {}, handling)}, sealing};
        const bool may_be_sealed = handling == Handling::sealed;
        const bool may_be_clear = handling == Handling::clear || handling == Handling::untouched;
        CHECK(passes_the_last_look(copy) == may_be_sealed);
        copy.content = Original{};
        CHECK(passes_the_last_look(copy) == may_be_clear);
    }
    CHECK_THROWS_AS(check_recipients({{OutgoingRecipient()}, Original{}}), std::logic_error);
}

TEST_CASE("An alias member gets the copy under their own address, and reports name the alias", "[milter]") {
    auto transaction = transaction_for({"<team+x@example.org>"});
    auto plan = plan_of({decision(0, "bob@example.org")}, {policy::ClearCopy{{0}}});
    plan.decisions[0].via = {mail::Address::parse("team+x@example.org").value()};
    // RFC 3461 §4: xtext.
    CHECK(copies_of(transaction, plan).at(0).recipients.at(0) ==
          recipient("<bob@example.org>", {"NOTIFY=NEVER", "ORCPT=rfc822;team+2Bx@example.org"}));
    transaction.recipients[0].parameters = {"orcpt=rfc822;first@example.org"};
    CHECK(copies_of(transaction, plan).at(0).recipients.at(0).path.parameters ==
          std::vector<std::string>{"orcpt=rfc822;first@example.org"});
}

TEST_CASE("The journal knows a recipient without the angle brackets", "[milter]") {
    CHECK(recipient("<alice@example.org>").mailbox() == "alice@example.org");
    CHECK(recipient("<>").mailbox().empty());
}

TEST_CASE("MAIL carries what the listener can do", "[milter]") {
    struct Case {
        std::string path;
        std::vector<std::string> parameters;
        SmtpExtensions extensions;
        std::string command;
    };
    const auto [path, parameters, extensions, command] = GENERATE(values<Case>({
        {"<a@example.org>", {}, {}, "MAIL FROM:<a@example.org>"},
        {"a@example.org", {}, {}, "MAIL FROM:<a@example.org>"},
        {"<>", {}, {}, "MAIL FROM:<>"},
        {"", {}, {}, "MAIL FROM:<>"},
        {"<>", {}, {{"SIZE", ""}}, "MAIL FROM:<> SIZE=1234"},
        // The copy's own size and form, not those of the original.
        {"<>", {"SIZE=99", "BODY=8BITMIME"}, {{"SIZE", "1"}, {"8BITMIME", ""}}, "MAIL FROM:<> SIZE=1234"},
        {"<>", {"RET=HDRS", "ENVID=QQ314159"}, {}, "MAIL FROM:<>"},
        {"<>", {"RET=HDRS", "ENVID=QQ314159"}, {{"DSN", ""}}, "MAIL FROM:<> RET=HDRS ENVID=QQ314159"},
        {"<>", {"ret=hdrs"}, {{"DSN", ""}}, "MAIL FROM:<> ret=hdrs"},
        {"<>", {"REQUIRETLS"}, {{"REQUIRETLS", ""}}, "MAIL FROM:<> REQUIRETLS"},
        {"<>", {"MT-PRIORITY=3"}, {{"MT-PRIORITY", "MIXER"}}, "MAIL FROM:<> MT-PRIORITY=3"},
        {"<>", {"MT-PRIORITY=3"}, {}, "MAIL FROM:<>"},
        {"<>", {"BY=120;R"}, {{"DELIVERBY", ""}}, "MAIL FROM:<> BY=120;R"},
        {"<>", {"HOLDFOR=120"}, {{"FUTURERELEASE", ""}}, "MAIL FROM:<> HOLDFOR=120"},
        {"<>",
         {"HOLDUNTIL=2027-01-01T00:00:00Z"},
         {{"FUTURERELEASE", ""}},
         "MAIL FROM:<> HOLDUNTIL=2027-01-01T00:00:00Z"},
        {"<>",
         {"AUTH=<a@b>", "X-UNKNOWN=1", "TRANSID=<x>"},
         {{"AUTH", ""}, {"X-UNKNOWN", ""}},
         "MAIL FROM:<>"},
        {"<>", {"SMTPUTF8"}, {{"SMTPUTF8", ""}}, "MAIL FROM:<>"}, // nothing in it needs it any more
        {"<\xc3\xbc@example.org>",
         {"SMTPUTF8"},
         {{"SMTPUTF8", ""}},
         "MAIL FROM:<\xc3\xbc@example.org> SMTPUTF8"},
        {"<\xc3\xbc@example.org>", {}, {{"SMTPUTF8", ""}}, "MAIL FROM:<\xc3\xbc@example.org> SMTPUTF8"},
    }));
    CAPTURE(path, parameters);
    CHECK(mail_for(path, parameters, extensions) == command);
}

TEST_CASE("MAIL says what the copy is: 8 bit, or with UTF-8 in its header", "[milter]") {
    CHECK(mail_for("<>", {}, {{"8BITMIME", ""}}, {1, true, false}) == "MAIL FROM:<> BODY=8BITMIME");
    CHECK(mail_for("<>", {}, {}, {1, true, false}) == "MAIL FROM:<>");
    CHECK(mail_for("<>", {"SMTPUTF8"}, {{"SMTPUTF8", ""}}, {1, false, true}) == "MAIL FROM:<> SMTPUTF8");
    CHECK(mail_for("<>", {}, {{"SMTPUTF8", ""}}, {1, false, true}) ==
          "MAIL FROM:<>"); // old software's 8 bit header
    const auto to_umlaut = clear_copy({recipient("<a@example.org>"), recipient("<\xc3\xbc@example.org>")});
    CHECK(mail_for("<>", {}, {{"SMTPUTF8", ""}}, {1, false, false}, to_umlaut) == "MAIL FROM:<> SMTPUTF8");
}

TEST_CASE("What must not be left out is not left out: the listener has to learn it", "[milter]") {
    CHECK(complaint([] { (void)mail_for("<\xc3\xbc@example.org>", {"SMTPUTF8"}, {}); }) ==
          ErrorKind::unavailable);
    CHECK(complaint([] {
              (void)mail_for("<>", {}, {}, {}, clear_copy({recipient("<\xc3\xbc@example.org>")}));
          }) == ErrorKind::unavailable);
    // RFC 8689 §4.2.1: not to be relayed without.
    CHECK(complaint([] { (void)mail_for("<>", {"requiretls"}, {}); }) == ErrorKind::unavailable);
}

TEST_CASE("RCPT carries NOTIFY and ORCPT where the listener offers DSN", "[milter]") {
    const auto bob = recipient("<bob@example.org>", {"NOTIFY=SUCCESS,FAILURE",
                                                     "ORCPT=rfc822;bob+2B@example.org", "X=1", "RET=FULL"});
    CHECK(rcpt_command(bob, {{"DSN", ""}}) ==
          "RCPT TO:<bob@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob+2B@example.org");
    CHECK(rcpt_command(bob, {}) == "RCPT TO:<bob@example.org>");
}

TEST_CASE("Quoted local parts and address literals are paths", "[milter]") {
    const auto path = GENERATE(as<std::string>{}, "<\"a b\"@example.org>", "<\"a>b\"@example.org>",
                               "<\"a\\\" <b\"@example.org>", "<a@[IPv6:2001:db8::1]>", "<postmaster>",
                               "<@a.example:b@example.org>");
    CAPTURE(path);
    CHECK(rcpt_command(recipient(path), {}) == "RCPT TO:" + path);
    CHECK(mail_for(path, {}, {}) == "MAIL FROM:" + path);
}

TEST_CASE("An address cannot become parameters, nor a parameter another one", "[milter]") {
    const auto path =
        GENERATE(as<std::string>{}, "<a@example.org> NOTIFY=NEVER ORCPT=<x>",
                 "<a@example.org> <b@example.org>", "<a b@example.org>", "<\"a@example.org> SIZE=1 <b>",
                 "<\"a\\\"@example.org> SIZE=1 <b>", "a@example.org> SIZE=1", "<<a@example.org>>");
    CAPTURE(path);
    CHECK(complaint([&] { (void)rcpt_command(recipient(path), {}); }) == ErrorKind::malformed);
    CHECK(complaint([&] { (void)mail_for(path); }) == ErrorKind::malformed);
    CHECK(complaint([] { (void)mail_for("<>", {"ENVID=a RET=HDRS"}); }) == ErrorKind::malformed);
    CHECK(complaint([] {
              (void)rcpt_command(recipient("<a@example.org>", {"ORCPT=rfc822;a NOTIFY=NEVER"}), everything);
          }) == ErrorKind::malformed);
}

TEST_CASE("XFORWARD: what is offered, as the listener wants it", "[milter]") {
    const SmtpExtensions offered{{"XFORWARD", "NAME ADDR PROTO HELO SOURCE IDENT"}};
    policy::Transaction transaction;
    transaction.origin = origin();
    transaction.queue_id = "4ABC";
    CHECK(xforward_command(transaction, offered) ==
          "XFORWARD NAME=client.example.net ADDR=192.0.2.1 HELO=laptop.example.net "
          "PROTO=ESMTP IDENT=4ABC SOURCE=REMOTE");
    CHECK(xforward_command(transaction, {{"XFORWARD", "ADDR SOURCE"}}) ==
          "XFORWARD ADDR=192.0.2.1 SOURCE=REMOTE");
    CHECK(xforward_command(transaction, {{"XFORWARD", "ADDRESS"}}).empty());
    CHECK(xforward_command(transaction, everything).empty());
    transaction.origin.client_address = "2001:db8::1";
    CHECK(xforward_command(transaction, {{"XFORWARD", "ADDR"}}) == "XFORWARD ADDR=IPV6:2001:db8::1");
    transaction.origin.client_address = "::1";
    CHECK(xforward_command(transaction, {{"XFORWARD", "SOURCE"}}) == "XFORWARD SOURCE=LOCAL");
    transaction.origin = {};
    CHECK(xforward_command(transaction, offered) ==
          "XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] HELO=[UNAVAILABLE] "
          "PROTO=ESMTP IDENT=4ABC SOURCE=LOCAL");
    transaction.origin.helo = "a b+c=\r\nRSET\xc3\xbc";
    CHECK(xforward_command(transaction, {{"XFORWARD", "HELO"}}) ==
          "XFORWARD HELO=a+20b+2Bc+3D+0D+0ARSET+C3+BC");
    transaction.origin.helo = std::string(5000, '+');
    CHECK(xforward_command(transaction, offered).size() < 512);
}

TEST_CASE("The Received field says where the message came from", "[milter]") {
    auto from = origin();
    CHECK(received(from) ==
          " from laptop.example.net (client.example.net [192.0.2.1])\r\n\tby mail.example.org (Lockbox) "
          "with ESMTP id 4Zk3Qv1yTgz;\r\n\tMon, 01 Jun 2026 00:00:00 +0000");
    from.tls_version = "TLSv1.3";
    CHECK(received(from).find(" with ESMTPS id ") != std::string::npos); // RFC 3848
    from.login = "alice";
    CHECK(received(from).find(" with ESMTPSA id ") != std::string::npos);
    CHECK(received(from).find("alice") == std::string::npos);
    CHECK(received(from, "4ABC", {"SMTPUTF8"}).find(" with UTF8SMTPSA id ") !=
          std::string::npos); // RFC 6531 §4.3
    from.tls_version.clear();
    CHECK(received(from).find(" with ESMTPA id ") != std::string::npos);
    from.client_address = "2001:db8::1";
    from.helo = "[IPv6:2001:db8::1]";
    CHECK(received(from).find(" from [IPv6:2001:db8::1] (client.example.net [IPv6:2001:db8::1])\r\n") == 0);
    from.client_name = "[2001:db8::1]"; // Sendmail, where nobody has that address
    CHECK(received(from).find(" from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n") == 0);
    CHECK(received({}, "") ==
          " from unknown\r\n\tby localhost (Lockbox) with ESMTP;\r\n\tMon, 01 Jun 2026 00:00:00 +0000");
}

TEST_CASE("Whatever a client says of itself, the Received field is one", "[milter]") {
    const auto said = GENERATE(
        as<std::string>{}, "", "unknown", "laptop.example.net", "LAPTOP_7", "a b", ".", "a..b", "-a", "a-",
        "a.", "evil.example by bank.example with ESMTP id 1; Mon, 01 Jun 2026 00:00:00 +0000", "a;b", "a) (b",
        "a(b", "a\\", "\"a\"", "<a>", "a@b", "a,b", "a:b", "a\r\nX-Injected: yes", "a\n\tb",
        std::string("a\0b", 3), "\x1b[2J", "\xc3\xbc.example", "\xff\xfe", "[192.0.2.1]", "[192.0.2.1",
        "[IPv6:192.0.2.1]", "[2001:db8::1]", "[IPv6:fe80::1%a b]", "[IPv6:IPv6:2001:db8::1]", "[]", "[a]",
        std::string(300, 'a'), std::string(5000, '('), "=?utf-8?q?a?=");
    CAPTURE(said);
    auto from = origin();
    from.helo = said;
    CHECK(is_received_field(received(from)));
    from = origin();
    from.client_name = said;
    CHECK(is_received_field(received(from)));
    from.client_address = said;
    CHECK(is_received_field(received(from)));
    from.helo = said;
    from.mta_name = said;
    const auto body = received(from, said);
    CHECK(is_received_field(body));
    for (std::size_t at = 0, end = 0; at < body.size(); at = end + 1) { // RFC 5322 §2.1.1
        end = std::min(body.find('\n', at), body.size());
        CHECK(end - at <= 998);
    }
}

TEST_CASE("A name that is no domain is told as a comment", "[milter]") {
    auto from = origin();
    from.helo = "LAPTOP_7 (mine)";
    CHECK(received(from).find(
              " from unknown (client.example.net [192.0.2.1])\r\n\t(HELO LAPTOP_7 ?mine?)\r\n\tby ") == 0);
}
