#include "tests/cli/harness.hpp"

#include <nlohmann/json.hpp>

using namespace lockbox;
using lockbox::test::CommandLine;
using lockbox::test::day;
using lockbox::test::entry;

namespace {

test::Result explain(CommandLine& line, std::initializer_list<std::string_view> more) {
    std::vector<std::string_view> arguments{"explain", "--from", "alice@example.com"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    cli::Io io{in, out, err};
    const int status = cli::run(arguments, io, line.environment());
    return {status, out.str(), err.str()};
}

void fill(const CommandLine& line) {
    line.store(entry('B', "bob@example.org"));
    auto expired = entry('C', "carol@example.org");
    expired.expires = day(2026, 3, 4);
    line.store(expired);
    auto newer = entry('D', "bob@example.org");
    newer.encryption_keys[0].created = day(2026, 4, 1);
    line.store(newer);
}

} // namespace

TEST_CASE("explain names the certificate, why it is the one, and those passed over", "[cli]") {
    CommandLine line;
    fill(line);
    const auto result = explain(line, {"--to", "bob@example.org"});
    CHECK(result.status == 0);
    CHECK(result.out.find("to openpgp " + std::string(40, 'D') + ", newest of 2 usable certificates") !=
          std::string::npos);
    CHECK(result.out.find("passed over") != std::string::npos);
    CHECK(result.out.find(std::string(40, 'B') + ": ") != std::string::npos);
    CHECK(result.out.find("none matches, so the default: to=* prefer") != std::string::npos);
    CHECK(result.out.find("Outcome      deliver: ") != std::string::npos);
}

TEST_CASE("explain's exit status says whether the message would be sent", "[cli]") {
    struct Case {
        std::string config;
        std::string recipient;
        int status;
        std::string outcome;
    };
    const auto [config, recipient, status, outcome] = GENERATE(values<Case>({
        {"rule = require\n", "bob@example.org", 0, "deliver"},
        {"rule = require\n", "nobody@example.org", 67, "refuse"},
        {"rule = require defer\n", "nobody@example.org", 67, "defer"},
        {"rule = prefer\n", "nobody@example.org", 0, "pass"},
        {"rule = prefer\n", "carol@example.org", 67, "refuse"},
        {"rule = prefer clear-if-unusable\n", "carol@example.org", 0, "pass"},
        {"rule = never\n", "bob@example.org", 0, "pass"},
        {"rule = to=@example.net never\nrule = to=bob@example.org require\n", "bob@example.org", 0,
         "deliver"},
        {"rule = require smime\n", "bob@example.org", 67, "refuse"},
    }));
    CAPTURE(config, recipient);
    CommandLine line;
    fill(line);
    (void)line.write("lockbox.conf", config);
    const auto result = explain(line, {"--to", recipient});
    CHECK(result.status == status);
    CHECK(result.out.find("Outcome      " + outcome + ": ") != std::string::npos);
    const auto json = nlohmann::json::parse(explain(line, {"--to", recipient, "--json"}).out);
    CHECK(json.at("version") == 1);
    CHECK(json.at("outcome") == outcome);
    CHECK(json.at("recipients").at(0).at("address") == recipient);
}

TEST_CASE("explain names the rule that decides by its number", "[cli]") {
    CommandLine line;
    fill(line);
    (void)line.write("lockbox.conf", "rule = to=@example.net never\nrule = to=bob@example.org require\n");
    CHECK(explain(line, {"--to", "bob@example.org"}).out.find("2: to=bob@example.org require") !=
          std::string::npos);
}

TEST_CASE("an S/MIME certificate that has ended is said to have ended, by list, show and explain", "[cli]") {
    CommandLine lockbox;
    const auto bundle =
        lockbox.write("short.pem", test::data("smime/short.pem") + test::data("smime/short-chain.pem"));
    const auto root = std::string(LOCKBOX_TEST_DATA) + "/smime/root.pem";
    REQUIRE(lockbox.run({"import", "--smime-ca", root, bundle}).status == 0);
    const auto explain = [&] {
        return lockbox.run({"explain", "--from", "a@example.com", "--to", "short@example.org"});
    };
    CHECK(explain().status == 0);
    // The certificate is valid until 2088, the one of its issuer until 2028.
    lockbox.environment().now = day(2028, 1, 2);
    const std::string words =
        "the certificate of its issuer 'CN=Example Short CA,O=Example' expired on 2028-01-01";
    CHECK(lockbox.run({"list"}).out.find(words) != std::string::npos);
    CHECK(lockbox.run({"show", "short@example.org"}).out.find(words) != std::string::npos);
    const auto result = explain(); // by the rule "to=* prefer": not in clear
    CHECK(result.status == 67);
    CHECK(result.out.find(words) != std::string::npos);
}

TEST_CASE("explain says that a message in several copies is deferred", "[cli]") {
    CommandLine line;
    fill(line);
    const auto result = explain(line, {"--to", "bob@example.org", "--to", "nobody@example.org"});
    CHECK(result.status == 75);
    CHECK(result.out.find("Copy 1       sealed with openpgp for bob@example.org") != std::string::npos);
    CHECK(result.out.find("Copy 2       clear for nobody@example.org") != std::string::npos);
    CHECK(result.out.find("Outcome      defer: ") != std::string::npos);
}

TEST_CASE("explain says who shares a copy and why, and through which alias they get it", "[cli]") {
    CommandLine line;
    fill(line);
    line.store(entry('E', "eve@example.org"));
    {
        auto keyring = line.keyring();
        const auto members = std::vector{*mail::Address::parse("eve@example.org"),
                                         *mail::Address::parse("nobody@example.org")};
        keyring.add_members(*keyring::AliasName::parse("team@example.org"), members, test::test_now);
        keyring.add_members(*keyring::AliasName::parse("all@example.org"),
                            {*mail::Address::parse("team@example.org")}, test::test_now);
    }
    const auto said = explain(line, {"--to", "bob@example.org", "--to", "all@example.org"}).out;
    CAPTURE(said);
    CHECK(said.find("Recipient    eve@example.org\n  via        all@example.org > team@example.org\n") !=
          std::string::npos);
    CHECK(
        said.find("Copy 1       sealed with openpgp for bob@example.org\n  because    named in To or Cc\n") !=
        std::string::npos);
    CHECK(said.find("Copy 2       sealed with openpgp for eve@example.org\n"
                    "  because    not named in To or Cc: a copy of their own\n") != std::string::npos);
    CHECK(said.find("Copy 3       clear for nobody@example.org\n  because    the original\n") !=
          std::string::npos);

    const auto result = explain(line, {"--to", "bob@example.org", "--to", "all@example.org", "--json"});
    const auto json = nlohmann::json::parse(result.out);
    CHECK(json.at("recipients").at(0).at("via").empty());
    CHECK(json.at("recipients").at(1).at("address") == "eve@example.org");
    CHECK(json.at("recipients").at(1).at("via") ==
          std::vector<std::string>{"all@example.org", "team@example.org"});
    CHECK(json.at("copies").at(0).at("hidden") == false);
    CHECK(json.at("copies").at(1).at("hidden") == true);
    CHECK(json.at("copies").at(1).at("recipients") == std::vector<std::string>{"eve@example.org"});

    const auto covered =
        explain(line, {"--to", "team@example.org", "--to", "eve@example.org", "--to", "nobody@example.org"});
    CHECK(covered.out.find("Recipient    team@example.org\n"
                           "  alias      for nobody who does not get the message anyway\n") !=
          std::string::npos);
}

TEST_CASE("explain names the limit on copies, which is no recipient's fault", "[cli]") {
    CommandLine line;
    fill(line);
    (void)line.write("lockbox.conf", "copies-max = 1\n");
    const auto result = explain(line, {"--to", "bob@example.org", "--to", "nobody@example.org"});
    CHECK(result.status == 75);
    CHECK(
        result.out.find("Outcome      defer: it needs 2 different copies for its recipients, and copies-max "
                        "permits 1") != std::string::npos);
}

TEST_CASE("explain says which way a message takes that needs one copy", "[cli]") {
    CommandLine line;
    fill(line);
    std::string fields;
    for (std::size_t i = 0; i < 1001; ++i) {
        fields += "X-Own: text\r\n";
    }
    const auto few = line.write("few", "To: bob@example.org\r\nX-Own: text\r\n\r\ntext\r\n");
    const auto many = line.write("many", "To: bob@example.org\r\n" + fields + "\r\ntext\r\n");
    const std::string reinject = "reinject = 127.0.0.1:10026\n";
    const std::string secret = "route-secret = 0123456789abcdef\n";
    struct Case {
        std::string config;
        std::string message;
        int status;
        const char* delivery; ///< null: none
    };
    for (const auto& [config, message, status, delivery] :
         {Case{"", few, 0, "in-place"}, Case{reinject, few, 0, "in-place"},
          Case{reinject + secret, few, 0, "reinject"},
          Case{reinject + secret + "delivery = in-place\n", few, 0, "in-place"},
          Case{reinject, many, 0, "reinject"}, Case{"", many, 65, nullptr}}) {
        CAPTURE(config, message);
        (void)line.write("lockbox.conf", config);
        const auto result = explain(line, {"--to", "bob@example.org", "--json", message});
        CHECK(result.status == status);
        const auto json = nlohmann::json::parse(result.out);
        CHECK(json.at("outcome") == (status == 0 ? "deliver" : "refuse"));
        CHECK(json.at("delivery") == (delivery != nullptr ? nlohmann::json(delivery) : nlohmann::json()));
        const auto text = explain(line, {"--to", "bob@example.org", message}).out;
        CHECK((text.find("Delivery ") != std::string::npos) == (delivery != nullptr));
        CHECK((text.find("more than 1000 header fields") != std::string::npos) == (status == 65));
    }
}

TEST_CASE("explain plays other origins", "[cli]") {
    CommandLine line;
    fill(line);
    const auto stranger = explain(line, {"--to", "bob@example.org", "--client", "192.0.2.7"});
    CHECK(stranger.status == 0);
    CHECK(stranger.out.find("Scope        outgoing: not judged") != std::string::npos);
    CHECK(stranger.out.find("Outcome      pass: ") != std::string::npos);
    const auto customer =
        explain(line, {"--to", "bob@example.org", "--client", "192.0.2.7", "--login", "alice"});
    CHECK(customer.out.find("Outcome      deliver: ") != std::string::npos);

    (void)line.write("lockbox.conf", "inbound-tls = require\n");
    const auto in_clear =
        explain(line, {"--to", "bob@example.org", "--client", "192.0.2.7", "--login", "alice"});
    CHECK(in_clear.status == 77);
    CHECK(in_clear.out.find("Outcome      refuse: ") != std::string::npos);
    const auto with_tls = explain(
        line, {"--to", "bob@example.org", "--client", "192.0.2.7", "--login", "alice", "--tls", "TLSv1.3"});
    CHECK(with_tls.status == 0);
}

TEST_CASE("explain reads a message, and needs no keyring for one that is sealed already", "[cli]") {
    CommandLine line;
    const auto sealed = line.write("sealed.eml", "From: alice@example.com\r\nTo: bob@example.org\r\n\r\n" +
                                                     test::data("mail/two-recipients.asc"));
    const auto result = explain(line, {"--to", "bob@example.org", sealed});
    CHECK(result.status == 0);
    CHECK(result.out.find("Outcome      pass: already sealed") != std::string::npos);
    const auto plain =
        line.write("plain.eml", "From: alice@example.com\r\nTo: bob@example.org\r\n\r\nhello\r\n");
    CHECK(explain(line, {"--to", "bob@example.org", plain}).status == 69); // there is no keyring
    CHECK(explain(line, {"--to", "bob@example.org", line.path("none.eml")}).status == 66);
}

TEST_CASE("explain lists the fields that would stay readable, and those that would not", "[cli]") {
    CommandLine line;
    fill(line);
    const std::string head =
        "Received: from a by b\r\nFrom: alice@example.com\r\nTo: bob@example.org\r\n"
        "Thread-Topic: dawn\r\nX-Spam-Flag: NO\r\nSubject: dawn\r\nthread-topic: dawn\r\n";
    const auto message = line.write("message.eml", head + "\r\nhello\r\n");
    (void)line.write("lockbox.conf", "outer-field = X-Spam-Flag\n");
    const auto text = explain(line, {"--to", "bob@example.org", message}).out;
    CHECK(text.find("  subject    inside only\n") != std::string::npos);
    CHECK(text.find("  outside    Received, From, To, X-Spam-Flag\n") != std::string::npos);
    CHECK(text.find("  inside only Thread-Topic, Subject\n") != std::string::npos);
    CHECK(text.find("dawn") == std::string::npos);
    const auto copy = nlohmann::json::parse(explain(line, {"--to", "bob@example.org", "--json", message}).out)
                          .at("copies")
                          .at(0);
    CHECK(copy.at("outside") == nlohmann::json({"Received", "From", "To", "X-Spam-Flag"}));
    CHECK(copy.at("inside_only") == nlohmann::json({"Thread-Topic", "Subject"}));

    // The Subject of a signed message stays, whatever the protocol.
    const auto is_signed = line.write(
        "signed.eml", head + "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
                             "Content-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n");
    const auto of_signed = explain(line, {"--to", "bob@example.org", is_signed}).out;
    CHECK(of_signed.find("  subject    readable outside") != std::string::npos);
    CHECK(of_signed.find("  outside    Received, From, To, X-Spam-Flag, Subject\n") != std::string::npos);
    CHECK(of_signed.find("  inside only Thread-Topic\n") != std::string::npos);
}

TEST_CASE("explain takes the null reverse-path and what is no address", "[cli]") {
    CommandLine line;
    fill(line);
    const auto bounce = line.run({"explain", "--from", "<>", "--to", "bob@example.org"});
    CHECK(bounce.status == 0);
    CHECK(bounce.out.find("from <>, submitted on this machine") != std::string::npos);
    // What an MTA would complete in a way that is not known here goes to nobody knows whom.
    const auto path =
        GENERATE(as<std::string>{}, "bob@example", "bob%example.org@example.net", "< bob@example.org>");
    CAPTURE(path);
    const auto refused = explain(line, {"--to", path});
    CHECK(refused.status == 67);
    CHECK(refused.out.find("not a complete address") != std::string::npos);
}

TEST_CASE("explain reads a plain local name with the default domain", "[cli]") {
    CommandLine line;
    fill(line);
    (void)line.write("lockbox.conf", "default-domain = example.org\n");
    const auto result = explain(line, {"--to", "bob"});
    CHECK(result.status == 0);
    CHECK(result.out.find("bob@example.org") != std::string::npos);
    CHECK(result.out.find("to openpgp " + std::string(40, 'D')) != std::string::npos);
}
