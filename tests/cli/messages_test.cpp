// encrypt, decrypt and inspect as far as they need no GnuPG; tests/cli/test_messages.py has the rest.
#include "base/encoding.hpp"
#include "tests/cli/harness.hpp"

#include <nlohmann/json.hpp>

using namespace lockbox;
using lockbox::test::CommandLine;
using lockbox::test::entry;

namespace {

const std::string plain = "From: alice@example.com\nTo: bob@example.org\nSubject: lunch\n\nNoodles?\n";

std::string inline_sealed() {
    return "From: alice@example.com\nTo: bob@example.org\nSubject: lunch\n\n" +
           test::data("mail/two-recipients.asc");
}

/// Of the one recipient who is not hidden, as gpg printed it when the message was made.
std::string key_id_in_message() {
    std::istringstream file(test::data("mail/two-recipients.keyid"));
    std::string key_id;
    file >> key_id;
    return key_id;
}

} // namespace

TEST_CASE("decrypt ends with 1 for what is not sealed, and writes nothing", "[cli]") {
    CommandLine line;
    const auto input = GENERATE(as<std::string>{}, "", "\n", "text", plain, std::string("\0\xff\x80", 3),
                                "From: a@example.com\n\nlook: -----BEGIN PGP MESSAGE-----\n");
    CAPTURE(input);
    const auto file = line.path("opened");
    const auto result = line.run({"decrypt", "--output", file}, input);
    CHECK(result.status == 1);
    CHECK(result.out.empty());
    CHECK(result.err.starts_with("lockbox: error: the message is not sealed"));
    CHECK_FALSE(std::filesystem::exists(file));
}

TEST_CASE("a file that is not there ends with 66", "[cli]") {
    CommandLine line;
    const auto [command, file] = GENERATE(table<std::string, std::string>({{"decrypt", "missing"},
                                                                           {"read", "missing"},
                                                                           {"read", "."},
                                                                           {"inspect", "missing"},
                                                                           {"inspect", "."}}));
    const auto result = line.run({command, line.path(file)});
    CHECK(result.status == 66);
    CHECK(result.out.empty());
    CHECK(result.err.starts_with("lockbox: error: cannot read " + line.path(file)));
}

TEST_CASE("somebody at a terminal is told that input is awaited", "[cli]") {
    CommandLine line;
    line.environment().in_is_terminal = true;
    CHECK(line.run({"inspect"}, plain).err.find("Ctrl-D") != std::string::npos);
    line.environment().in_is_terminal = false;
    CHECK(line.run({"inspect"}, plain).err.empty());
}

TEST_CASE("encrypt names everybody who has no usable certificate", "[cli]") {
    CommandLine line;
    line.store(entry('B', "bob@example.org"));
    auto expired = entry('C', "carol@example.org");
    expired.expires = test::day(2026, 3, 4);
    line.store(expired);
    const auto file = line.path("sealed");
    const auto result = line.run({"encrypt", "--to", "bob@example.org", "--to", "carol@example.org", "--to",
                                  "dave@example.org", "--output", file},
                                 plain);
    CHECK(result.status == 67);
    CHECK(result.out.empty());
    CHECK(result.err.find("carol@example.org>: certificate expired on 2026-03-04") != std::string::npos);
    CHECK(result.err.find("dave@example.org>: no certificate") != std::string::npos);
    CHECK(result.err.find("bob@example.org") == std::string::npos);
    CHECK_FALSE(std::filesystem::exists(file));
}

TEST_CASE("encrypt refuses a message that is sealed already", "[cli]") {
    CommandLine line;
    line.store(entry('B', "bob@example.org"));
    const auto result = line.run({"encrypt", "--to", "bob@example.org"}, inline_sealed());
    CHECK(result.status == 65);
    CHECK(result.out.empty());
    CHECK(result.err.find("the message is sealed already") != std::string::npos);
    CHECK(result.err.find("lockbox: hint: ") != std::string::npos);
}

TEST_CASE("inspect shows to whom a message is sealed and what anybody can read", "[cli]") {
    CommandLine line;
    const auto key_id = key_id_in_message();
    const auto text = line.run({"inspect"}, inline_sealed());
    CHECK(text.status == 0);
    CHECK(text.err.empty());
    CHECK(text.out.find("Sealed       yes: ") == 0);
    CHECK(text.out.find("Container    SEIPDv1") != std::string::npos);
    CHECK(text.out.find("Readable     Subject: lunch") != std::string::npos);
    CHECK(text.out.find("the body") == std::string::npos);
    const auto json = nlohmann::json::parse(line.run({"inspect", "--json"}, inline_sealed()).out);
    CHECK(json.at("version") == 1);
    CHECK(json.at("sealed") == true);
    CHECK(json.at("layer") == "openpgp-inline");
    CHECK(json.at("container") == "SEIPDv1");
    REQUIRE(json.at("recipients").size() == 2);
    CHECK(text.out.find("Sealed to    " + key_id + "\n") != std::string::npos);
    CHECK(text.out.find("Sealed to    somebody whose key id is hidden\n") != std::string::npos);
    CHECK(json.at("recipients").at(0).at("key_id") == key_id);
    CHECK(json.at("recipients").at(0).at("addresses").empty());
    CHECK(json.at("recipients").at(1).at("key_id").is_null());
    CHECK(json.at("header").at(2) == nlohmann::json({{"name", "Subject"}, {"body", "lunch"}}));
}

TEST_CASE("inspect puts addresses to key ids where the keyring has them", "[cli]") {
    CommandLine line;
    const auto key_id = key_id_in_message();
    auto bob = entry('B', "bob@example.org");
    bob.encryption_keys[0].fingerprint = std::string(24, 'F') + key_id;
    line.store(bob);
    const auto result = line.run({"inspect"}, inline_sealed());
    CHECK(result.out.find(key_id + "  bob@example.org, certificate " + std::string(40, 'B')) !=
          std::string::npos);
}

TEST_CASE("inspect reads plain, signed and S/MIME messages and bare OpenPGP data", "[cli]") {
    struct Case {
        std::string input;
        bool sealed;
        bool is_signed;
        std::string layer;
    };
    const auto smime = [](const std::string& type, const std::string& file) {
        return "Content-Type: application/pkcs7-mime; smime-type=" + type +
               "\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64_encode(test::data("mail/" + file)) +
               "\r\n";
    };
    const std::vector<Case> cases{
        {plain, false, false, "none"},
        {"", false, false, "none"},
        {smime("enveloped-data", "enveloped.der"), true, false, "smime-enveloped"},
        {smime("authEnveloped-data", "auth-enveloped.der"), true, false, "smime-auth-enveloped"},
        {smime("signed-data", "signed.der"), false, true, "smime-signed"},
        {test::data("mail/partial-lengths.gpg"), true, false, "openpgp"},
        {test::data("mail/passphrase.asc"), true, false, "openpgp-inline"},
    };
    for (const auto& [input, sealed, is_signed, layer] : cases) {
        CAPTURE(layer);
        CommandLine line;
        const auto json = nlohmann::json::parse(line.run({"inspect", "--json"}, input).out);
        CHECK(json.at("sealed") == sealed);
        CHECK(json.at("signed") == is_signed);
        CHECK(json.at("layer") == layer);
        const auto text = line.run({"inspect"}, input);
        CHECK(text.status == 0);
        CHECK((text.out.find("Readable     the body") != std::string::npos) == !sealed);
    }
}

TEST_CASE("inspect writes no field that could steer a terminal", "[cli]") {
    CommandLine line;
    const std::string nasty = "From: a@example.com\nSubject: \x1b[2J\xc2\x9b gone\n\nhello\n";
    for (const auto& result : {line.run({"inspect"}, nasty), line.run({"inspect", "--json"}, nasty)}) {
        CHECK(result.status == 0);
        CHECK(result.out.find('\x1b') == std::string::npos);
        CHECK(result.out.find('\x9b') == std::string::npos);
    }
}
