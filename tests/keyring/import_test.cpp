#include "base/error.hpp"
#include "base/file.hpp"
#include "keyring/choice.hpp"
#include "keyring/import.hpp"
#include "keyring/revocation.hpp"
#include "tests/support/bindings.hpp"
#include "tests/support/data.hpp"

#include <algorithm>

using namespace lockbox;
using namespace lockbox::keyring;
using lockbox::test::openpgp;
using lockbox::test::test_now;

namespace {

/// An empty keyring and what is needed to fill it.
struct Importer {
    TemporaryDirectory directory;
    Keyring keyring = Keyring::open(Location{(directory.path() / "k.db").string()}, Access::create);
    crypto::Sealer sealer;

    std::vector<ImportResult> import(const std::string& bytes, Time now = test_now) {
        return import_certificates(bytes, "test", keyring, sealer, now);
    }
    ImportResult import_one(const std::string& bytes, Time now = test_now) {
        auto results = import(bytes, now);
        REQUIRE(results.size() == 1);
        return results[0];
    }
};

} // namespace

TEST_CASE("A certificate is new, then unchanged", "[keyring]") {
    Importer importer;
    const auto first = importer.import_one(openpgp("alice"));
    CHECK(first.outcome == Outcome::added);
    CHECK(first.addresses == std::vector<std::string>{"alice@example.org"});
    CHECK(first.warnings.empty());
    CHECK(importer.import_one(openpgp("alice")).outcome == Outcome::unchanged);
    const auto entries = importer.keyring.find(*mail::Address::parse("alice@example.org"));
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].binding.trust == Trust::manual);
    CHECK(entries[0].binding.source == "test");
}

TEST_CASE("A renewed certificate updates the stored one, an older copy does not take it back", "[keyring]") {
    Importer importer;
    // As it was stored before it expired: importing it today would be refused.
    REQUIRE(importer.import_one(openpgp("renewal-after")).outcome == Outcome::added);
    const auto before = std::get<crypto::JudgedCertificate>(crypto::judge_openpgp(openpgp("renewal-before")));
    auto entry = *importer.keyring.by_fingerprint(before.certificate.fingerprint);
    REQUIRE(importer.keyring.forget(before.certificate.fingerprint, test_now));
    entry.certificate = before.certificate;
    entry.expires = before.expires;
    entry.encryption_keys = before.encryption_keys;
    REQUIRE(importer.keyring.store(entry, std::nullopt, test_now));
    REQUIRE(why_unusable(entry, test_now).has_value());

    const auto renewed = importer.import_one(openpgp("renewal-after"));
    CHECK(renewed.outcome == Outcome::updated);
    CHECK(renewed.usable_until == std::chrono::sys_days(std::chrono::year(2091) / 1 / 1));
    CHECK(importer.import_one(openpgp("renewal-before")).outcome == Outcome::unchanged);
}

TEST_CASE("A revocation reaches the keyring, and nothing is sealed to it any more", "[keyring]") {
    Importer importer;
    REQUIRE(importer.import_one(openpgp("before-revocation")).outcome == Outcome::added);
    const auto revoked = importer.import_one(openpgp("revoked"));
    CHECK(revoked.outcome == Outcome::updated);
    REQUIRE_FALSE(revoked.warnings.empty());
    CHECK(revoked.warnings.back().find("certificate revoked") != std::string::npos);
    CHECK(revoked.why_unusable == "certificate revoked");
    CHECK_FALSE(revoked.usable_until.has_value());
    const auto entries = importer.keyring.find(*mail::Address::parse("rev@example.org"));
    REQUIRE(entries.size() == 1);
    CHECK_FALSE(choose(test::candidates(entries), {}, test_now).chosen.has_value());
    CHECK(importer.import_one(openpgp("before-revocation")).outcome == Outcome::unchanged);
}

TEST_CASE("Certificates that can never be sealed to are refused, with the reason", "[keyring]") {
    struct Case {
        std::string name;
        std::string reason;
    };
    const auto c = GENERATE(
        Case{"expired", "certificate expired on 2021-01-01"}, Case{"revoked", "certificate revoked"},
        Case{"subkey-expired", "certificate expired on 2021-01-01"},
        Case{"sign-only", "no encryption subkey"}, Case{"weak", "weak: rsa1024 is shorter than 2048 bit"},
        Case{"no-address", "no address"}, Case{"alice.secret", "secret key"});
    CAPTURE(c.name);
    Importer importer;
    const auto result = importer.import_one(openpgp(c.name));
    CHECK(result.outcome == Outcome::refused);
    CHECK(result.reason.find(c.reason) != std::string::npos);
    CHECK(importer.keyring.empty());
}

TEST_CASE("One bad certificate in a file does not hide the good ones", "[keyring]") {
    Importer importer;
    const auto results =
        importer.import(openpgp("alice") + openpgp("weak") + openpgp("alice.secret") + openpgp("bob"));
    REQUIRE(results.size() == 4);
    CHECK(results[0].outcome == Outcome::added);
    CHECK(results[1].outcome == Outcome::refused);
    CHECK(results[2].outcome == Outcome::refused);
    CHECK(results[3].outcome == Outcome::added);
    CHECK(importer.keyring.size() == 2);
}

TEST_CASE("Garbage behind a certificate is reported, and the certificate taken", "[keyring]") {
    Importer importer;
    const auto results = importer.import(openpgp("alice") + "garbage");
    REQUIRE(results.size() == 2);
    CHECK(results[0].outcome == Outcome::added);
    CHECK(results[1].outcome == Outcome::refused);
}

TEST_CASE("Only addresses of User IDs that are not revoked count", "[keyring]") {
    Importer importer;
    CHECK(importer.import_one(openpgp("revoked-user-id")).addresses ==
          std::vector<std::string>{"new@example.org"});
    const auto gone = importer.keyring.find(*mail::Address::parse("gone@example.org"));
    REQUIRE(gone.size() == 1); // whoever revoked a User ID was somebody for that address once
    CHECK(gone[0].binding.state == BindingState::former);
    CHECK(importer.import_one(openpgp("misleading")).addresses ==
          std::vector<std::string>{"evil@example.net"});
    CHECK(importer.keyring.find(*mail::Address::parse("bob@example.org")).empty());
}

TEST_CASE("An address whose User ID was revoked is not forgotten: whoever was sealed to is not without a "
          "certificate",
          "[keyring]") {
    Importer importer;
    REQUIRE(importer.import_one(openpgp("revoked-user-id")).outcome == Outcome::added);
    auto entry = *importer.keyring.by_fingerprint(*crypto::openpgp_fingerprint(openpgp("revoked-user-id")));
    const auto stored = entry;
    entry.bindings = test::bindings({"gone@example.org", "new@example.org"}); // as before the revocation
    REQUIRE(importer.keyring.store(entry, stored, test_now));
    REQUIRE(importer.import_one(openpgp("revoked-user-id")).outcome == Outcome::updated);
    const auto found = importer.keyring.find(*mail::Address::parse("gone@example.org"));
    REQUIRE(found.size() == 1);
    CHECK(why_unusable(found[0].entry, found[0].binding, test_now)->describe() ==
          "certificate revoked for this address");
    const auto other = importer.keyring.find(*mail::Address::parse("new@example.org")).at(0);
    CHECK_FALSE(why_unusable(other.entry, other.binding, test_now).has_value());
}

TEST_CASE("SHA-1 self-signatures that both engines accept are a warning", "[keyring]") {
    Importer importer;
    const auto result = importer.import_one(openpgp("sha1"));
    CHECK(result.outcome == Outcome::added);
    CHECK(result.warnings.size() == 1);
}

TEST_CASE("What its authority has revoked is not taken in, and what is there stays", "[keyring]") {
    Importer importer;
    const auto path = [](const std::string& name) {
        return std::string(LOCKBOX_TEST_DATA) + "/smime/" + name;
    };
    ImportOptions options;
    options.authorities = crypto::TrustedAuthorities::load({path("root.pem"), path("issuing.pem")});
    const auto import = [&](const std::string& name) {
        return import_certificates(test::data("smime/" + name), name, importer.keyring, importer.sealer,
                                   test_now, options)
            .at(0);
    };
    CHECK(import("held.pem").outcome == Outcome::added);
    options.revocations = crypto::RevocationLists::load({path("issuing.crl")});
    const auto revoked = import("revoked.pem");
    CHECK(revoked.outcome == Outcome::refused);
    CHECK(revoked.reason.starts_with("certificate revoked on 20"));
    const auto held = import("held.pem");
    CHECK(held.outcome == Outcome::unchanged);
    REQUIRE(held.warnings.size() == 1);
    CHECK(held.warnings[0] == "nothing is sealed to it any more: certificate revoked");
    CHECK(held.why_unusable == "certificate revoked");
    CHECK_FALSE(held.usable_until.has_value());
    CHECK_FALSE(importer.keyring.find(*mail::Address::parse("held@example.org")).at(0).entry.revoked);
    CHECK(import("alice.pem").outcome == Outcome::added);
}

TEST_CASE("An S/MIME bundle is imported, its authority helps, and nobody is refused because of it",
          "[keyring]") {
    Importer importer;
    ImportOptions options;
    options.authorities =
        crypto::TrustedAuthorities::load({std::string(LOCKBOX_TEST_DATA) + "/smime/root.pem"});
    const auto import = [&](const std::string& name) {
        return import_certificates(test::data("smime/" + name), name, importer.keyring, importer.sealer,
                                   test_now, options);
    };
    const auto results = import("bundle.p7b");
    REQUIRE(results.size() == 3);
    CHECK(std::count_if(results.begin(), results.end(),
                        [](const ImportResult& result) { return result.outcome == Outcome::added; }) == 2);
    CHECK(std::count_if(results.begin(), results.end(), [](const ImportResult& result) {
              return result.outcome == Outcome::authority;
          }) == 1);
    const auto alice = importer.keyring.find(*mail::Address::parse("alice@example.org"));
    REQUIRE(alice.size() == 1);
    CHECK(alice[0].binding.trust == Trust::verified);
    CHECK(alice[0].entry.chain.size() == 2);
    // The issuer is at hand from now on.
    CHECK(import("two-addresses.pem").at(0).outcome == Outcome::added);
    for (const auto* name : {"alice.pem", "alice.der", "bundle.pem", "empty-passphrase.p12",
                             "open-certificates.p12", "no-passphrase.p12"}) {
        CAPTURE(name);
        CHECK(import(name).at(0).outcome == Outcome::unchanged);
    }
    // What the reader says of itself, and when, is remembered.
    CHECK(import("signed.eml").at(0).outcome == Outcome::updated);
    CHECK(import("signed.eml").at(0).outcome == Outcome::unchanged);
    for (const auto* name : {"locked.p12", "signed-changed.eml", "alice.key", "expired.pem", "future.pem",
                             "unknown.pem", "root.pem"}) {
        CAPTURE(name);
        CHECK(import(name).at(0).outcome == Outcome::refused);
    }
    options.vouched_for = {crypto::x509_fingerprint(test::x509("unknown"))};
    CHECK(import("unknown.pem").at(0).outcome == Outcome::added);
    CHECK(importer.keyring.find(*mail::Address::parse("unknown@example.org")).at(0).binding.trust ==
          Trust::manual);
    options.content_encryption = crypto::ContentEncryption::aes256_gcm;
    CHECK(import("alice.pem").at(0).outcome == Outcome::updated);
}

TEST_CASE("A certificate below an issuer that has expired is refused, and the issuer is named", "[keyring]") {
    Importer importer;
    ImportOptions options;
    options.authorities =
        crypto::TrustedAuthorities::load({std::string(LOCKBOX_TEST_DATA) + "/x509/root.pem"});
    const auto import = [&](const std::string& name) {
        return import_certificates(test::data(name), name, importer.keyring, importer.sealer, test_now,
                                   options)
            .at(0);
    };
    CHECK(import("x509/expired-issuer.pem").reason ==
          "the certificate of its issuer 'CN=Issuer expired-issuer,O=Example' expired on 2025-07-01");
    CHECK(import("x509/future-issuer.pem").reason ==
          "the certificate of its issuer 'CN=Issuer future-issuer,O=Example' is not valid before 2080-01-01");
    CHECK(import("x509/expired.pem").reason == "certificate expired on 2025-07-01");
    CHECK(import("x509/good.pem").outcome == Outcome::added);
}

TEST_CASE("A certificate whose authority is trusted no more hangs in the air, unless a person vouches",
          "[keyring]") {
    Importer importer;
    const auto path = [](const std::string& name) { return std::string(LOCKBOX_TEST_DATA) + "/" + name; };
    ImportOptions options;
    options.authorities = crypto::TrustedAuthorities::load({path("x509/root.pem")});
    options.vouched_for = {crypto::x509_fingerprint(test::x509("unknown"))};
    const auto imported = [&](const std::string& name) {
        const auto result =
            import_certificates(test::data(name), name, importer.keyring, importer.sealer, test_now, options)
                .at(0);
        REQUIRE(result.outcome == Outcome::added);
        return *importer.keyring.by_fingerprint(result.fingerprint);
    };
    const auto good = imported("x509/good.pem");
    const auto vouched = imported("smime/unknown.pem");
    const auto other = crypto::TrustedAuthorities::load({path("smime/root.pem")});
    CHECK_FALSE(why_in_the_air(good, options.authorities, test_now));
    CHECK(why_in_the_air(good, other, test_now));
    CHECK(why_in_the_air(good, {}, test_now));
    CHECK_FALSE(why_in_the_air(vouched, other, test_now));
}

TEST_CASE("A person says for whom a certificate without an address is", "[keyring]") {
    const auto [name, protocol] =
        GENERATE(std::pair<std::string, std::string>{"openpgp/no-address.asc", "openpgp"},
                 std::pair<std::string, std::string>{"smime/no-address.pem", "smime"});
    CAPTURE(name);
    Importer importer;
    ImportOptions options;
    const auto root = std::string(LOCKBOX_TEST_DATA) + "/smime/root.pem";
    const auto issuing = std::string(LOCKBOX_TEST_DATA) + "/smime/issuing.pem";
    options.authorities = crypto::TrustedAuthorities::load({root, issuing});
    const auto import = [&] {
        return import_certificates(test::data(name), name, importer.keyring, importer.sealer, test_now,
                                   options)
            .at(0);
    };
    CHECK(import().outcome == Outcome::refused);
    options.address = mail::Address::parse("\"the company\"@example.org");
    CHECK(import().outcome == Outcome::added);
    const auto found = importer.keyring.find(*options.address);
    REQUIRE(found.size() == 1);
    CHECK(found[0].binding.state == BindingState::active);
    CHECK(found[0].binding.trust == Trust::manual);
    CHECK(choose(test::candidates(found), {}, test_now).certificate.has_value());
    // The next import of the same file needs no word any more, and takes nothing away.
    options.address.reset();
    CHECK(import().outcome == Outcome::unchanged);
    CHECK(
        importer.keyring.find(mail::Address::parse("\"the company\"@example.org").value())[0].binding.state ==
        BindingState::active);
}

TEST_CASE("More certificates than are judged at once, the same one twice among them, come out in order",
          "[keyring]") {
    Importer importer;
    std::string bytes = openpgp("alice") + openpgp("before-revocation") + openpgp("weak");
    constexpr unsigned copies = 48;
    for (unsigned i = 0; i < copies; ++i) {
        bytes += openpgp("bob");
    }
    bytes += openpgp("revoked") + openpgp("p256");
    std::vector<std::pair<std::size_t, std::size_t>> told;
    ImportOptions options;
    options.progress = [&](std::size_t done, std::size_t total) { told.emplace_back(done, total); };
    const auto results =
        import_certificates(bytes, "test", importer.keyring, importer.sealer, test_now, options);
    REQUIRE(results.size() == copies + 5);
    CHECK(results[0].outcome == Outcome::added);
    CHECK(results[2].outcome == Outcome::refused);
    CHECK(results[2].reason.starts_with("weak"));
    CHECK(results[3].outcome == Outcome::added);
    for (std::size_t i = 4; i < copies + 3; ++i) {
        CHECK(results[i].outcome == Outcome::unchanged);
    }
    CHECK(results[copies + 3].outcome == Outcome::updated); // the revocation of the second one
    CHECK_FALSE(results[copies + 3].why_unusable.empty());
    CHECK(results[copies + 4].outcome == Outcome::added);
    REQUIRE(told.size() == results.size());
    CHECK(told.front() == std::pair<std::size_t, std::size_t>(1, results.size()));
    CHECK(told.back() == std::pair(results.size(), results.size()));
}
