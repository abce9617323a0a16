#include "base/error.hpp"
#include "crypto/key_file.hpp"
#include "tests/support/data.hpp"
#include "tests/support/program.hpp"

#include <filesystem>
#include <fstream>
#include <stdexcept>

using namespace lockbox;
using namespace lockbox::crypto;
using lockbox::test::contains_text;
using lockbox::test::data;
using lockbox::test::x509;

namespace {

/// Somebody who answers, and remembers for what they were asked.
struct Person {
    std::string answer;
    std::vector<std::string> asked{};

    AskPassphrase ask() {
        return [this](const std::string& file) {
            asked.push_back(file);
            return Secret(answer);
        };
    }
};

struct Folder {
    TemporaryDirectory directory;

    [[nodiscard]] std::string write(const std::string& name, const std::string& bytes) const {
        const auto path = directory.path() / name;
        std::ofstream(path, std::ios::binary) << bytes;
        std::filesystem::permissions(path, std::filesystem::perms::owner_read);
        return path.string();
    }
    /// tests/data/smime/NAME, readable for its owner only.
    [[nodiscard]] std::string copy(const std::string& name) const {
        return write(name, data("smime/" + name));
    }
};

Error failure_of(const std::string& path, const std::string& certificate, Person& person) {
    try {
        (void)read_key_file(path, certificate, person.ask());
    } catch (const Error& error) {
        return error;
    }
    FAIL("it was read");
    return {ErrorKind::io, {}};
}
Error failure_of(const std::string& path, const std::string& certificate = {}) {
    Person nobody{"nobody"};
    auto error = failure_of(path, certificate, nobody);
    CHECK(nobody.asked.empty());
    return error;
}

void check_alice(const KeyFile& file) {
    REQUIRE(file.keys.size() == 1);
    CHECK(der_of(file.keys[0].certificate.get()) == x509("alice"));
    CHECK(X509_check_private_key(file.keys[0].certificate.get(), file.keys[0].key.get()) == 1);
}

/// alice.key under the passphrase "secret", as openssl-pkcs8(1) writes it.
std::string locked_pem(const Folder& folder) {
    const auto out = (folder.directory.path() / "locked").string();
    REQUIRE(test::run_program({"openssl", "pkcs8", "-topk8", "-passout", "pass:secret"},
                              std::string(LOCKBOX_TEST_DATA) + "/smime/alice.key", out) == 0);
    return read_file(out, 1U << 20U);
}

} // namespace

TEST_CASE("A key and its certificate are found in PEM, in any order and among others", "[crypto]") {
    const Folder folder;
    const auto key = data("smime/alice.key");
    const auto own = data("smime/alice.pem");
    const auto other = data("smime/p256.pem");
    for (const auto& text : {key + own, own + key, other + key + "between\n" + own, key + other + own}) {
        Person person{"unused"};
        const auto path = folder.directory.path() / "key.pem";
        std::filesystem::remove(path);
        const auto file = read_key_file(folder.write("key.pem", text), {}, person.ask());
        check_alice(file);
        CHECK(file.name == path.string());
        CHECK(file.warnings.empty());
        CHECK(person.asked.empty());
    }
}

TEST_CASE("A file may have several keys; those without a certificate are left out", "[crypto]") {
    const Folder folder;
    Person person{"unused"};
    const auto bob = data("smime/rfc9216/bob-decrypt.key");
    const auto two = read_key_file(folder.write("two.pem", data("smime/alice.key") + bob +
                                                               data("smime/rfc9216/bob-encrypt.pem") +
                                                               data("smime/alice.pem")),
                                   {}, person.ask());
    CHECK(two.keys.size() == 2);
    check_alice(read_key_file(
        folder.write("one.pem", bob + data("smime/alice.key") + data("smime/alice.pem")), {}, person.ask()));
}

TEST_CASE("The certificate may be in a file of its own, PEM or DER", "[crypto]") {
    const Folder folder;
    const auto key = folder.copy("alice.key");
    for (const auto* name : {"alice.pem", "alice.der", "alice-chain.pem"}) {
        Person person{"unused"};
        check_alice(read_key_file(key, folder.copy(name), person.ask()));
    }
}

TEST_CASE("PKCS#12 opens with its passphrase, and without one where it needs none", "[crypto]") {
    const Folder folder;
    Person person{"secret"};
    const auto locked = folder.copy("locked.p12");
    check_alice(read_key_file(locked, {}, person.ask()));
    CHECK(person.asked == std::vector<std::string>{locked});
    Person nobody{"wrong"};
    check_alice(read_key_file(folder.copy("empty-passphrase.p12"), {}, nobody.ask()));
    CHECK(nobody.asked.empty());
    check_alice(read_key_file(folder.copy("open-certificates.p12"), {}, person.ask()));
}

TEST_CASE("An encrypted key in PEM opens with its passphrase, which is asked for once", "[crypto]") {
    const Folder folder;
    Person person{"secret"};
    const auto locked = locked_pem(folder);
    const auto path = folder.write("key.pem", locked + locked + data("smime/alice.pem"));
    const auto file = read_key_file(path, {}, person.ask());
    CHECK(file.keys.size() == 2);
    CHECK(person.asked == std::vector<std::string>{path});
}

TEST_CASE("A wrong passphrase is said to be one, and asked for once", "[crypto]") {
    const Folder folder;
    for (const auto& path :
         {folder.copy("locked.p12"), folder.write("key.pem", locked_pem(folder) + data("smime/alice.pem"))}) {
        for (const auto& answer : {std::string("wrong"), std::string(), std::string("Secret"),
                                   std::string(passphrase_octets_max + 1, 'x')}) {
            CAPTURE(path, answer.size());
            Person person{answer};
            const auto error = failure_of(path, {}, person);
            CHECK(error.kind() == ErrorKind::no_secret_key);
            CHECK_THAT(error.what(), contains_text("passphrase"));
            CHECK(person.asked.size() == 1);
        }
    }
}

TEST_CASE("What asking throws is passed on", "[crypto]") {
    const Folder folder;
    const AskPassphrase nobody = [](const std::string&) -> Secret { throw std::logic_error("no terminal"); };
    CHECK_THROWS_AS(read_key_file(folder.copy("locked.p12"), {}, nobody), std::logic_error);
    CHECK_THROWS_AS(
        read_key_file(folder.write("key.pem", locked_pem(folder) + data("smime/alice.pem")), {}, nobody),
        std::logic_error);
}

TEST_CASE("Files without what is needed say what is missing, and where", "[crypto]") {
    const Folder folder;
    const auto key = folder.copy("alice.key");
    const auto check = [](const Error& error, ErrorKind kind, const std::string& words,
                          const std::string& path) {
        CHECK(error.kind() == kind);
        CHECK_THAT(error.what(), contains_text(words));
        CHECK_THAT(error.what(), contains_text(path));
    };
    check(failure_of(key), ErrorKind::malformed, "there is no certificate in", key);
    const auto other = folder.copy("p256.pem");
    check(failure_of(other), ErrorKind::malformed, "there is no secret key in", other);
    check(failure_of(key, other), ErrorKind::malformed, "belongs to the secret key in", other);
    const auto empty = folder.write("empty", "");
    check(failure_of(empty), ErrorKind::malformed, "there is no secret key in", empty);
    check(failure_of(key, empty), ErrorKind::malformed, "there is no certificate in", empty);
    const auto missing = (folder.directory.path() / "missing").string();
    check(failure_of(missing), ErrorKind::no_input, "cannot read", missing);
    check(failure_of(key, missing), ErrorKind::no_input, "cannot read", missing);
    const auto without_key = folder.copy("no-passphrase.p12");
    check(failure_of(without_key), ErrorKind::malformed, "there is no secret key in", without_key);
}

TEST_CASE("A damaged key is named, whatever else is in the file", "[crypto]") {
    const Folder folder;
    auto text = data("smime/alice.key");
    text.replace(text.find('\n') + 1, 8, "AAAAAAAA");
    const auto path = folder.write("damaged.pem", text + data("smime/alice.pem"));
    const auto error = failure_of(path);
    CHECK(error.kind() == ErrorKind::malformed);
    CHECK_THAT(error.what(), contains_text("the secret key in " + path + " cannot be read"));
    const auto cut = data("smime/locked.p12");
    CHECK(failure_of(folder.write("cut.p12", cut.substr(0, cut.size() - 1))).kind() == ErrorKind::malformed);
}

TEST_CASE("Files that are too large are not read, and ones that all can read are warned of", "[crypto]") {
    const Folder folder;
    const auto large =
        folder.write("large", data("smime/alice.key") + std::string(key_file_octets_max, '\n'));
    const auto error = failure_of(large);
    CHECK(error.kind() == ErrorKind::too_large);
    CHECK_THAT(error.what(), contains_text(large));
    const auto open = folder.write("open.pem", data("smime/alice.key") + data("smime/alice.pem"));
    std::filesystem::permissions(open, std::filesystem::perms::others_read,
                                 std::filesystem::perm_options::add);
    Person person{"unused"};
    const auto file = read_key_file(open, {}, person.ask());
    REQUIRE(file.warnings.size() == 1);
    CHECK_THAT(file.warnings[0], contains_text("everybody on this machine can read " + open));
}

TEST_CASE("Certificates are read from PEM with text around them, and from DER", "[crypto]") {
    CHECK(certificates_in(data("smime/alice-chain.pem")).size() == 3);
    CHECK(certificates_in("text\n" + data("smime/alice.pem") + "text\n").size() == 1);
    CHECK(certificates_in(data("smime/alice.der")).size() == 1);
    CHECK(certificates_in(data("smime/alice.key")).empty());
    CHECK(certificates_in("").empty());
}
