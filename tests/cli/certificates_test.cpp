// list, show, export and remove on a keyring that was filled without GnuPG.
#include "cli/selection.hpp"
#include "mail/openpgp_packet.hpp"
#include "tests/cli/harness.hpp"

#include <nlohmann/json.hpp>

using namespace lockbox;
using lockbox::test::CommandLine;
using lockbox::test::day;
using lockbox::test::entry;

namespace {

const std::string bob_fingerprint(40, 'B');

/// alice, bob, bob again (expired), and carol at another domain.
void fill(const CommandLine& line) {
    line.store(entry('A', "alice@example.org", "Alice"));
    line.store(entry('B', "bob@example.org", "Bob \x1b[31mRed"));
    auto old = entry('C', "bob@example.org", "Bob");
    old.expires = day(2026, 3, 4);
    line.store(old);
    auto carol = entry('D', "carol@example.net", "Carol");
    carol.bindings.push_back(lockbox::test::binding("carol@work.example"));
    carol.user_ids.push_back({"Carol at work <carol@work.example>", "carol@work.example", false});
    for (auto& binding : carol.bindings) {
        binding.trust = keyring::Trust::verified;
    }
    line.store(carol);
}

std::size_t lines_in(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

} // namespace

TEST_CASE("an empty keyring lists nothing", "[cli]") {
    CommandLine line;
    (void)line.keyring();
    const auto result = line.run({"list"});
    CHECK(result.status == 0);
    CHECK(result.out.empty());
    CHECK(result.err.empty());
    CHECK(nlohmann::json::parse(line.run({"list", "--json"}).out) ==
          nlohmann::json({{"version", 1},
                          {"certificates", nlohmann::json::array()},
                          {"warnings", nlohmann::json::array()}}));
}

TEST_CASE("list has a line for each address of a certificate", "[cli]") {
    CommandLine line;
    fill(line);
    const auto result = line.run({"list"});
    CHECK(result.status == 0);
    CHECK(lines_in(result.out) == 6);
    CHECK(result.out.starts_with("ADDRESS             PROTOCOL  FINGERPRINT "));
    CHECK(result.out.find("bob@example.org     openpgp   CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC  "
                          "certificate expired on 2026-03-04  manual    active  somebody.asc\n") !=
          std::string::npos);
    CHECK(result.out.find("carol@work.example  openpgp   DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD  "
                          "no expiry                          verified  active  test.asc\n") !=
          std::string::npos);
}

TEST_CASE("list finds by address, domain, name and fingerprint", "[cli]") {
    struct Case {
        std::string query;
        std::size_t lines; ///< the head included
    };
    const auto [query, lines] = GENERATE(values<Case>({
        {"bob@example.org", 3},
        {"BOB@Example.ORG", 3},
        {"@example.org", 4},
        {"@EXAMPLE.net", 2},
        {"carol@work.example", 2},
        {"example", 6},
        {"Carol", 3},
        {"at work", 3},
        {"AAAAAAAA", 2},
        {"aaaa aaaa", 2},
        {"0xDDDDDDDDDDDDDDDD", 3},
    }));
    CAPTURE(query);
    CommandLine line;
    fill(line);
    const auto result = line.run({"list", query});
    CHECK(result.status == 0);
    CHECK(lines_in(result.out) == lines);
}

TEST_CASE("list ends with 67 where nothing is found", "[cli]") {
    const auto query = GENERATE(as<std::string>{}, "nobody@example.org", "@nowhere.example", "ample.org@",
                                "xyz", "bob@example.org.");
    CAPTURE(query);
    CommandLine line;
    line.store(entry('A', "alice@example.org"));
    const auto result = line.run({"list", query});
    CHECK(result.status == 67);
    CHECK(result.out.empty());
    CHECK(result.err.starts_with("lockbox: error: the keyring has no certificate for " + query + "\n"));
    CHECK(nlohmann::json::parse(line.run({"list", "--json", query}).out).at("certificates").empty());
}

TEST_CASE("list --json has everything, certificate by certificate", "[cli]") {
    CommandLine line;
    fill(line);
    const auto result = line.run({"list", "--json"});
    CHECK(lines_in(result.out) == 6);
    const auto json = nlohmann::json::parse(result.out);
    CHECK(json.at("version") == 1);
    REQUIRE(json.at("certificates").size() == 4);
    const auto& old = json.at("certificates").at(2);
    CHECK(old.at("fingerprint") == std::string(40, 'C'));
    CHECK(old.at("protocol") == "openpgp");
    CHECK(old.at("addresses") == nlohmann::json({"bob@example.org"}));
    CHECK(old.at("usable") == false);
    CHECK(old.at("why_unusable") == "certificate expired on 2026-03-04");
    CHECK(old.at("expires") == "2026-03-04T00:00:00Z");
    CHECK(old.at("encryption_keys").at(0).at("algorithm") == "cv25519");
    CHECK(old.at("trust") == "manual");
    CHECK(old.at("source") == "somebody.asc");
}

TEST_CASE("User IDs cannot steer a terminal", "[cli]") {
    CommandLine line;
    fill(line);
    for (const auto& result :
         {line.run({"list"}), line.run({"list", "--json"}), line.run({"show", bob_fingerprint}),
          line.run({"show", "--json", bob_fingerprint})}) {
        CHECK(result.status == 0);
        CHECK(result.out.find('\x1b') == std::string::npos);
    }
    CHECK(line.run({"show", bob_fingerprint}).out.find("Bob ?[31mRed <bob@example.org>") !=
          std::string::npos);
}

TEST_CASE("show has all details, and all certificates of an address", "[cli]") {
    CommandLine line;
    fill(line);
    const auto one = line.run({"show", "cccccccc"});
    CHECK(one.status == 0);
    for (const auto* part :
         {"openpgp CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC\n", "Bob <bob@example.org>",
          "certificate expired on 2026-03-04", "ed25519, created 2026-01-01, expires 2026-03-04",
          "ECCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC, cv25519, created 2026-01-01, does not expire", "manual",
          "somebody.asc", "Imported        2026-"}) {
        CAPTURE(part);
        CHECK(one.out.find(part) != std::string::npos);
    }
    const auto both = line.run({"show", "bob@example.org"});
    CHECK(both.out.find(std::string(40, 'B')) != std::string::npos);
    CHECK(both.out.find(std::string(40, 'C')) != std::string::npos);
    CHECK(line.run({"show", "E" + std::string(39, 'C')}).out == one.out); // by its encryption key
}

TEST_CASE("show goes on after what is not there, and the first failure decides", "[cli]") {
    CommandLine line;
    fill(line);
    const auto result = line.run({"show", "nobody@example.org", "short", "alice@example.org"});
    CHECK(result.status == 67);
    CHECK(result.out.find("alice@example.org") != std::string::npos);
    CHECK(result.err.find("no certificate for nobody@example.org") != std::string::npos);
    CHECK(result.err.find("'short' is neither an address nor a fingerprint") != std::string::npos);
    CHECK(line.run({"show", "short", "nobody@example.org"}).status == 64);
}

TEST_CASE("export writes armor, or exactly the bytes", "[cli]") {
    CommandLine line;
    fill(line);
    const auto armored = line.run({"export", "alice@example.org"});
    CHECK(armored.status == 0);
    CHECK(armored.out.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n"));
    CHECK(armored.out.find('\r') == std::string::npos);
    const auto armor = mail::dearmor(armored.out, "PGP PUBLIC KEY BLOCK");
    REQUIRE(armor.has_value());
    CHECK(armor->bytes == test::openpgp("alice"));

    CHECK(line.run({"export", "--binary", "alice@example.org"}).out == test::openpgp("alice"));
    CHECK(line.run({"export", "--binary", "alice@example.org", std::string(40, 'A')}).out ==
          test::openpgp("alice"));

    const auto file = line.path("alice.asc");
    CHECK(line.run({"export", "--output", file, "alice@example.org"}).out.empty());
    CHECK(read_file(file, 1U << 20U) == armored.out);
}

TEST_CASE("export writes nothing where anything is missing", "[cli]") {
    CommandLine line;
    fill(line);
    const auto file = line.path("out.asc");
    const auto result = line.run({"export", "-o", file, "alice@example.org", "nobody@example.org"});
    CHECK(result.status == 67);
    CHECK_FALSE(std::filesystem::exists(file));
    CHECK(line.run({"export", "alice@example.org", "nobody@example.org"}).out.empty());
    line.environment().out_is_terminal = true;
    CHECK(line.run({"export", "--binary", "alice@example.org"}).status == 64);
}

TEST_CASE("export ends with 74 where the file cannot be written", "[cli]") {
    CommandLine line;
    fill(line);
    CHECK(line.run({"export", "-o", line.path("missing/alice.asc"), "alice@example.org"}).status == 74);
}

TEST_CASE("remove takes one certificate, and several with --all only", "[cli]") {
    CommandLine line;
    fill(line);
    const auto refused = line.run({"remove", "bob@example.org"});
    CHECK(refused.status == 64);
    CHECK(refused.err.find(std::string(40, 'B') + " " + std::string(40, 'C')) != std::string::npos);
    CHECK(line.keyring().size() == 4);

    const auto one = line.run({"remove", std::string(40, 'C')});
    CHECK(one.status == 0);
    CHECK(one.out == "removed  " + std::string(40, 'C') + "  bob@example.org\n" +
                         "           mail to bob@example.org is sealed to " + std::string(40, 'B') +
                         " from now on\n");
    CHECK(line.keyring().size() == 3);
    CHECK(line.run({"remove", std::string(40, 'C')}).status == 67);

    line.store(entry('E', "bob@example.org"));
    CHECK(line.run({"remove", "--all", "bob@example.org"}).status == 0);
    CHECK(line.keyring().size() == 2);
}

TEST_CASE("remove says what becomes of mail, and needs --yes where it is sent in clear", "[cli]") {
    CommandLine line;
    line.store(entry('B', "bob@example.org"));
    const auto fingerprint = std::string(40, 'B');
    SECTION("the address is remembered: nobody who could be sealed to yesterday is sent plaintext today") {
        const auto removed = line.run({"remove", "bob@example.org"});
        CHECK(removed.status == 0);
        CHECK(removed.out.find("mail to bob@example.org is refused (certificate removed by a person)") !=
              std::string::npos);
        CHECK(line.run({"explain", "--from", "a@example.net", "--to", "bob@example.org"}).status == 67);
        CHECK(line.run({"list", "--state", "former"}).out.find("bob@example.org") != std::string::npos);
        CHECK(line.run({"remove", "bob@example.org"}).status == 67);
    }
    SECTION("forgotten, mail would be sent in clear") {
        const auto refused = line.run({"remove", "--forget", "bob@example.org"});
        CHECK(refused.status == 64);
        CHECK(refused.err.find("mail to bob@example.org would be sent in clear") != std::string::npos);
        CHECK(line.keyring().size() == 1);
        const auto forgotten = line.run({"remove", "--forget", "--yes", "bob@example.org"});
        CHECK(forgotten.status == 0);
        CHECK(forgotten.out.find("sent in clear (no certificate)") != std::string::npos);
        CHECK_FALSE(line.keyring().by_fingerprint(fingerprint).has_value());
    }
    SECTION("a rule sends in clear then") {
        const auto config = line.path("lockbox.conf");
        std::ofstream(config) << "rule = prefer clear-if-unusable\n";
        CHECK(line.run({"remove", "--config", config, "bob@example.org"}).status == 64);
        CHECK(line.run({"remove", "--config", config, "--yes", "bob@example.org"}).status == 0);
    }
}

TEST_CASE("import at a terminal shows the old and the new certificate, and asks", "[cli]") {
    CommandLine line;
    line.store(entry('A', "alice@example.org"));
    const auto file = line.write("alice.asc", test::data("openpgp/alice.asc"));
    const std::string offered = "E169307C57B9E3B7FB27F3B61A4454CC87D11D52";
    line.environment().in_is_terminal = true;
    line.environment().err_is_terminal = true;
    const auto no = GENERATE(as<std::string>{}, "", "n\n", "perhaps\n");
    const auto refused = line.run({"import", file}, no);
    CHECK(refused.status == 2);
    CHECK(refused.err.find("now " + std::string(40, 'A')) != std::string::npos);
    CHECK(refused.err.find("new " + offered) != std::string::npos);
    CHECK(line.run({"pending"}).status == 1);
    const auto taken = line.run({"import", file}, "y\n");
    CHECK(taken.status == 0);
    CHECK(taken.out.find("approved   " + offered) != std::string::npos);
    CHECK(line.run({"pending"}).status == 0);
    CHECK(line.run({"explain", "--from", "a@example.net", "--to", "alice@example.org"}).out.find(offered) !=
          std::string::npos);
}

TEST_CASE("remove makes no keyring", "[cli]") {
    CommandLine line;
    CHECK(line.run({"remove", "bob@example.org"}).status == 69);
    CHECK_FALSE(std::filesystem::exists(line.path("keyring.db")));
}

TEST_CASE("fingerprints are read as people write them", "[cli]") {
    CHECK(cli::fingerprint_digits("0xdeadBEEF") == "DEADBEEF");
    CHECK(cli::fingerprint_digits("DEAD BEEF  0123") == "DEADBEEF0123");
    const auto text =
        GENERATE(as<std::string>{}, "", "deadbee", "deadbeefg", "0x", "bob@example.org", "dead\nbeef");
    CAPTURE(text);
    CHECK(cli::fingerprint_digits(text).empty());
}

TEST_CASE("an address that a certificate has no more is listed as such", "[cli]") {
    CommandLine line;
    auto bob = entry('B', "bob@example.org");
    bob.bindings.push_back(lockbox::test::binding("bob@work.example", keyring::BindingState::former));
    line.store(bob);
    const auto all = line.run({"list"});
    CHECK(lines_in(all.out) == 3);
    const auto former = line.run({"list", "bob@work.example"});
    CHECK(former.status == 0);
    CHECK(lines_in(former.out) == 2);
    CHECK(former.out.find("revoked") != std::string::npos);
    CHECK(line.run({"list", "bob@example.org"}).out.find("revoked") == std::string::npos);
    const auto json = nlohmann::json::parse(line.run({"list", "--json"}).out).at("certificates").at(0);
    CHECK(json.at("former_addresses") == nlohmann::json({"bob@work.example"}));
    CHECK(json.at("usable") == true);
    CHECK(line.run({"show", "bob@work.example"}).out.find("Once used for   bob@work.example") !=
          std::string::npos);
}
