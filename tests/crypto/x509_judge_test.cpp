#include "base/ascii.hpp"
#include "base/error.hpp"
#include "crypto/x509_judge.hpp"
#include "tests/support/data.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

using namespace lockbox;
using namespace lockbox::crypto;
using lockbox::test::test_now;
using lockbox::test::x509;

namespace {

std::string path_of(const std::string& name) {
    return std::string(LOCKBOX_TEST_DATA) + "/smime/" + name;
}

/// The tests' root is trusted, and the intermediates below it are at hand.
struct Judge {
    TrustedAuthorities authorities = TrustedAuthorities::load({path_of("root.pem")});
    X509Options options{
        &authorities, {x509("issuing"), x509("servers"), x509("short"), x509("pretender")}, {}, false};

    Judgement operator()(const std::string& name) const { return judge_x509(x509(name), options, test_now); }
    JudgedCertificate accepted(const std::string& name) const {
        auto judgement = (*this)(name);
        CAPTURE(name);
        if (const auto* refusal = std::get_if<Refusal>(&judgement)) {
            FAIL(refusal->reason);
        }
        return std::get<JudgedCertificate>(judgement);
    }
    Refusal refused(const std::string& name) const {
        auto judgement = (*this)(name);
        CAPTURE(name);
        REQUIRE(std::holds_alternative<Refusal>(judgement));
        return std::get<Refusal>(judgement);
    }
};

constexpr Time day(int year, unsigned month, unsigned day_of_month) {
    return std::chrono::sys_days(std::chrono::year(year) / std::chrono::month(month) /
                                 std::chrono::day(day_of_month));
}

std::vector<std::string> addresses_of(const JudgedCertificate& judged) {
    std::vector<std::string> addresses;
    for (const auto& user_id : judged.user_ids) {
        if (!user_id.address.empty()) {
            addresses.push_back(user_id.address);
        }
    }
    return addresses;
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("A certificate below a trusted root is judged with its names, dates and chain", "[crypto]") {
    const Judge judge;
    const auto judged = judge.accepted("alice");
    CHECK(judged.certificate.protocol == Protocol::smime);
    CHECK(judged.certificate.bytes == x509("alice"));
    CHECK(judged.certificate.fingerprint == x509_fingerprint(x509("alice")));
    CHECK(judged.algorithm == "rsa2048");
    CHECK(judged.created == day(2026, 1, 1));
    CHECK(judged.expires == day(2088, 1, 1));
    CHECK_FALSE(judged.vouched);
    CHECK(judged.chain == std::vector<std::string>{x509("issuing"), x509("root")});
    CHECK(judged.user_ids == std::vector<UserId>{{"CN=Alice M\xc3\xbcller,O=Example", "", false},
                                                 {"alice@example.org", "alice@example.org", false}});
    CHECK(judged.encryption_keys == std::vector<EncryptionKey>{{judged.certificate.fingerprint, "rsa2048",
                                                                judged.created, judged.expires, false}});
}

TEST_CASE("Keys and usages that allow encryption are accepted", "[crypto]") {
    struct Case {
        std::string name;
        std::string algorithm;
    };
    const auto c = GENERATE(Case{"rsa4096", "rsa4096"}, Case{"p256", "nistp256"}, Case{"p384", "nistp384"},
                            Case{"p521", "nistp521"}, Case{"p256-encipherment", "nistp256"},
                            Case{"no-usage", "rsa2048"}, Case{"any-usage", "rsa2048"});
    const Judge judge;
    CHECK(judge.accepted(c.name).algorithm == c.algorithm);
}

TEST_CASE("What is said of a key is what is wrong with it, whoever vouches for it", "[crypto]") {
    struct Case {
        std::string name;
        std::string reason; ///< empty: it is taken
    };
    const auto c =
        GENERATE(Case{"brainpoolP256r1", ""}, Case{"brainpoolP384r1", ""}, Case{"brainpoolP512r1", ""},
                 Case{"brainpoolP256t1", "unsupported key: the curve brainpoolP256t1"},
                 Case{"secp192k1", "unsupported key: the curve secp192k1"},
                 Case{"rsa2047", "weak: its RSA key has 2047 bit, fewer than 2048"},
                 Case{"exponent-1", "weak: its RSA exponent is 1, smaller than 65537"},
                 Case{"exponent-3", "weak: its RSA exponent is 3, smaller than 65537"},
                 Case{"exponent-even", "damaged key: its RSA exponent is even"},
                 Case{"modulus-even", "damaged key: its RSA modulus is even"});
    const auto der = x509("../x509/" + c.name);
    CAPTURE(c.name);
    Judge judge;
    judge.authorities = TrustedAuthorities::load({std::string(LOCKBOX_TEST_DATA) + "/x509/root.pem"});
    for (const bool vouched : {false, true}) {
        judge.options.vouched_for.clear();
        if (vouched) {
            judge.options.vouched_for.push_back(x509_fingerprint(der));
        }
        const auto judgement = judge_x509(der, judge.options, test_now);
        if (const auto* refusal = std::get_if<Refusal>(&judgement)) {
            CHECK_FALSE(c.reason.empty());
            CHECK(refusal->reason.starts_with(c.reason));
        } else {
            CHECK(c.reason.empty());
            CHECK(std::get<JudgedCertificate>(judgement).algorithm == c.name);
        }
    }
}

TEST_CASE("Certificates that cannot be encrypted to are refused, with the reason", "[crypto]") {
    struct Case {
        std::string name;
        std::string reason;
    };
    const auto c = GENERATE(
        Case{"issuing", "certification authority"}, Case{"root", "certification authority"},
        Case{"sign-only", "key usage does not allow encryption: it is digitalSignature, and keyEncipherment"},
        Case{"p256-sign-only",
             "key usage does not allow encryption: it is digitalSignature, and keyAgreement"},
        Case{"server", "extended key usage does not allow mail: it is for TLS Web Server Authentication"},
        Case{"critical", "critical extension"}, Case{"no-address", "no address"},
        Case{"subject-address", "no address"},
        Case{"weak", "weak: its RSA key has 1024 bit, fewer than 2048"},
        Case{"ed25519", "unsupported key: Ed25519 signs"}, Case{"x25519", "unsupported key: X25519"},
        Case{"dsa", "unsupported key: DSA signs"}, Case{"secp256k1", "unsupported key: the curve secp256k1"},
        Case{"unknown", "'CN=Stranger Root,O=Stranger' has issued 'CN=Unknown'"},
        Case{"self-signed", "self-signed"}, Case{"for-servers", "does not issue certificates for mail"},
        Case{"by-pretender", "Example Pretender"}, Case{"sha1", "weak: the signature on 'CN=Sha'"},
        Case{"rfc9216/dana-encrypt", "X25519"}, Case{"rfc9216/dana-sign", "Ed25519"},
        Case{"rfc9216/carlos-encrypt", "X25519"}, Case{"rfc9216/alice-sign", "key usage"});
    const Judge judge;
    const auto refusal = judge.refused(c.name);
    CAPTURE(refusal.reason);
    CHECK(contains(refusal.reason, c.reason));
    CHECK(refusal.fingerprint == x509_fingerprint(x509(c.name)));
}

TEST_CASE("Of a missing intermediate and of an unknown authority the name is said", "[crypto]") {
    Judge judge;
    judge.options.intermediates = {x509("stranger")};
    CHECK(contains(judge.refused("alice").reason, "'CN=Example Issuing CA,O=Example' has issued"));
    CHECK(contains(judge.refused("unknown").reason,
                   "unknown CA: nothing says that the authority 'CN=Stranger Root"));
    CHECK(contains(judge.refused("unknown").hint, "smime-ca"));
    judge.options.authorities = nullptr;
    CHECK(contains(judge.refused("expired").reason, "'CN=Example Root,O=Example' has issued 'CN=Old'"));
}

TEST_CASE("An intermediate may itself be what is trusted", "[crypto]") {
    Judge judge;
    judge.authorities = TrustedAuthorities::load({path_of("issuing.pem")});
    judge.options.intermediates.clear();
    CHECK(judge.accepted("alice").chain == std::vector<std::string>{x509("issuing")});
}

TEST_CASE("Dates do not decide here, and those of intermediates count", "[crypto]") {
    const Judge judge;
    CHECK(judge.accepted("expired").expires == day(2021, 1, 1));
    CHECK(judge.accepted("future").created == day(2080, 1, 1));
    CHECK(judge.accepted("short-chain").expires == day(2028, 1, 1));
    CHECK_FALSE(judge.accepted("endless").expires.has_value());
}

TEST_CASE("Addresses come from the subject alternative name, and from the subject where a person says so",
          "[crypto]") {
    Judge judge;
    CHECK(addresses_of(judge.accepted("two-addresses")) ==
          std::vector<std::string>{"two@example.org", "Second@Example.ORG"});
    CHECK(addresses_of(judge.accepted("utf8")) == std::vector<std::string>{"gr\xc3\xbc\xc3\x9f"
                                                                           "e@example.org"});
    const auto refusal = judge.refused("subject-address");
    CHECK(contains(refusal.hint, "--subject-address"));
    CHECK(contains(refusal.hint, "subject@example.org"));
    judge.options.subject_address = true;
    CHECK(addresses_of(judge.accepted("subject-address")) == std::vector<std::string>{"subject@example.org"});
    CHECK(contains(judge.refused("no-address").reason, "no address"));
}

TEST_CASE("A person who vouches for a fingerprint replaces the authorities, and nothing else", "[crypto]") {
    Judge judge;
    judge.options.authorities = nullptr;
    judge.options.intermediates.clear();
    const auto vouch = [&](const std::string& name) {
        judge.options.vouched_for = {x509_fingerprint(x509(name))};
    };
    for (const auto* name : {"alice", "unknown", "self-signed", "sha1", "for-servers"}) {
        vouch(name);
        const auto judged = judge.accepted(name);
        CHECK(judged.vouched);
        CHECK(judged.chain.empty());
    }
    for (const auto* name : {"root", "weak", "sign-only", "server", "no-address", "ed25519"}) {
        vouch(name);
        (void)judge.refused(name);
    }
    vouch("critical"); // OpenSSL says so of chains only, and nobody asks for one here
    CHECK(judge.refused("critical").reason == "it has a critical extension that is not understood");
    vouch("alice");
    (void)judge.refused("unknown");
}

TEST_CASE("RFC 9216's samples with RSA keys are accepted below their own authority", "[crypto]") {
    Judge judge;
    judge.authorities = TrustedAuthorities::load({path_of("rfc9216/ca-rsa.pem")});
    CHECK(addresses_of(judge.accepted("rfc9216/alice-encrypt")) ==
          std::vector<std::string>{"alice@smime.example"});
    CHECK(addresses_of(judge.accepted("rfc9216/bob-encrypt")) ==
          std::vector<std::string>{"bob@smime.example"});
}

TEST_CASE("What is no certificate is refused", "[crypto]") {
    const Judge judge;
    const auto alice = x509("alice");
    for (const auto& bytes : {std::string(), std::string("text"), alice.substr(0, alice.size() - 1),
                              alice + "x", std::string(certificate_octets_max + 1, '0')}) {
        CHECK(std::holds_alternative<Refusal>(judge_x509(bytes, judge.options, test_now)));
    }
}

TEST_CASE("A fingerprint is read as people copy it", "[crypto]") {
    const auto fingerprint = x509_fingerprint(x509("alice"));
    std::string colons;
    std::string lower;
    for (std::size_t i = 0; i < fingerprint.size(); i += 2) {
        colons += (i > 0 ? ":" : "") + fingerprint.substr(i, 2);
        lower += (i > 0 ? " " : "") + fingerprint.substr(i, 2);
    }
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return to_lower(c); });
    CHECK(x509_fingerprint_from(fingerprint) == fingerprint);
    CHECK(x509_fingerprint_from(colons) == fingerprint);
    CHECK(x509_fingerprint_from(lower) == fingerprint);
    for (const auto* text : {"", "AB", "XY", "sha256"}) {
        CHECK_FALSE(x509_fingerprint_from(text).has_value());
    }
    CHECK_FALSE(x509_fingerprint_from(fingerprint + "00").has_value());
}

TEST_CASE("A file of OpenPGP that is named as an authority is said to be one", "[crypto]") {
    const TemporaryDirectory directory;
    const auto binary = directory.path() / "alice.pgp";
    std::ofstream(binary, std::ios::binary) << test::openpgp("alice");
    for (const auto& path : {std::string(LOCKBOX_TEST_DATA) + "/openpgp/alice.asc", binary.string()}) {
        CHECK_THROWS_WITH(TrustedAuthorities::load({path}),
                          path + " is for OpenPGP, which has no authorities");
    }
}

TEST_CASE("Authorities are read from files and directories, and what is none is named", "[crypto]") {
    const TemporaryDirectory directory;
    const auto folder = directory.path() / "cas";
    std::filesystem::create_directory(folder);
    const auto error_of = [](const std::string& path) {
        try {
            (void)TrustedAuthorities::load({path});
        } catch (const Error& error) {
            CHECK(contains(error.what(), path));
            return error.kind();
        }
        FAIL("no error");
        return ErrorKind::io;
    };
    CHECK(error_of(folder.string()) == ErrorKind::configuration);
    std::ofstream(folder / "README") << "nothing here\n";
    CHECK(error_of((folder / "README").string()) == ErrorKind::configuration);
    CHECK(error_of((folder / "missing.pem").string()) == ErrorKind::no_input);
    CHECK(error_of(path_of("alice.key")) == ErrorKind::configuration);
    CHECK(error_of(std::string(LOCKBOX_TEST_DATA) + "/openpgp/alice.asc") == ErrorKind::configuration);
    CHECK_FALSE(TrustedAuthorities::load({path_of("alice.der")}).empty());
    std::filesystem::copy(path_of("root.pem"), folder / "root.pem");
    Judge judge;
    judge.authorities = TrustedAuthorities::load({folder.string()});
    (void)judge.accepted("alice");
    std::ofstream(folder / "bad.pem") << "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n";
    CHECK(error_of(folder.string()) == ErrorKind::configuration);
    CHECK(TrustedAuthorities::load({}).empty());
    const auto crowded = directory.path() / "crowded";
    std::filesystem::create_directory(crowded);
    for (std::size_t i = 0; i <= authority_files_max; ++i) {
        std::ofstream(crowded / std::to_string(i)) << "";
    }
    CHECK(error_of(crowded.string()) == ErrorKind::too_large);
}
