#include "base/encoding.hpp"
#include "base/error.hpp"
#include "crypto/openpgp_recipient.hpp"
#include "crypto/openpgp_seal.hpp"
#include "crypto/rnp_handles.hpp"
#include "crypto/rnp_seal.hpp"
#include "tests/support/data.hpp"
#include "tests/support/gnupg_home.hpp"

#include <array>
#include <filesystem>
#include <fstream>
#include <set>

using namespace lockbox;
using namespace lockbox::crypto;
using lockbox::test::certificate;
using lockbox::test::run_program;

namespace {

std::string encrypt(const Certificate& to, std::string_view text) {
    OpenPgpSealer sealer;
    const auto recipients = Recipients::from({to});
    const std::array<std::string_view, 1> pieces{text};
    std::string packets;
    sealer.encrypt(recipients.value(), pieces, [&](std::string_view bytes) { packets += bytes; });
    return packets;
}

/// The packet of the certificate's encryption key.
std::string_view encryption_key_packet(const Certificate& certificate) {
    mail::PacketReader reader(certificate.bytes);
    while (const auto packet = reader.next()) {
        if (openpgp_key_fingerprint(packet->body) == certificate.encryption_key) {
            return packet->body;
        }
    }
    throw std::logic_error("no such key");
}

/// A certificate of one packet, whose fingerprint is right.
Certificate with_key(const std::string& body) {
    const auto fingerprint = openpgp_key_fingerprint(body).value();
    return {Protocol::openpgp, fingerprint,
            mail::packet_header(mail::packet_tag::public_subkey, body.size()) + body, fingerprint};
}

/// A key that GnuPG makes, with its secret part in a file.
class MadeKey {
public:
    MadeKey(const std::string& primary, const std::string& encryption) {
        gpg({"--passphrase", "", "--quick-generate-key", "Kind <kind@example.org>", primary, "default",
             "never"});
        gpg({"--export", "kind@example.org"}, "primary");
        const auto fingerprint = openpgp_fingerprint(read("primary")).value();
        gpg({"--passphrase", "", "--quick-add-key", fingerprint, encryption, "encr", "never"});
        gpg({"--export", fingerprint}, "public");
        gpg({"--passphrase", "", "--pinentry-mode", "loopback", "--export-secret-keys", fingerprint},
            "secret");
        const auto judged = std::get<JudgedCertificate>(judge_openpgp(read("public")));
        certificate_ = judged.certificate;
        certificate_.encryption_key = judged.encryption_keys.at(0).fingerprint;
    }
    ~MadeKey() {
        (void)run_program({"gpgconf", "--homedir", path(""), "--kill", "all"}, "/dev/null", "/dev/null");
    }
    MadeKey(const MadeKey&) = delete;
    MadeKey& operator=(const MadeKey&) = delete;

    [[nodiscard]] const Certificate& certificate() const { return certificate_; }

    /// What a program makes of the packets; it finds them in a file that is named last.
    [[nodiscard]] std::string opened_by(std::vector<std::string> program, const std::string& packets) const {
        std::ofstream(path("sealed"), std::ios::binary) << packets;
        program.push_back(path("sealed"));
        REQUIRE(run_program(std::move(program), "/dev/null", path("opened")) == 0);
        return read("opened");
    }
    [[nodiscard]] std::string path(const std::string& name) const {
        return (directory_.path() / name).string();
    }

private:
    void gpg(std::vector<std::string> arguments, const std::string& out = "ignored") {
        arguments.insert(arguments.begin(), {"gpg", "--homedir", path(""), "--batch", "--yes", "--quiet"});
        REQUIRE(run_program(std::move(arguments), "/dev/null", path(out)) == 0);
    }
    [[nodiscard]] std::string read(const std::string& name) const { return read_file(path(name), 1U << 20U); }

    TemporaryDirectory directory_;
    Certificate certificate_;
};

struct Kind {
    std::string primary;
    std::string encryption;
    bool for_sq; ///< sq is built with Nettle, which has no Brainpool curves
};

} // namespace

TEST_CASE("gpg, sq and rnp open what is encrypted to each kind of key that GnuPG makes", "[crypto]") {
    const auto kind =
        GENERATE(Kind{"ed25519", "cv25519", true}, Kind{"ed25519", "nistp256", true},
                 Kind{"nistp384", "nistp384", true}, Kind{"nistp521", "nistp521", true},
                 Kind{"ed25519", "brainpoolP256r1", false}, Kind{"ed25519", "brainpoolP384r1", false},
                 Kind{"ed25519", "brainpoolP512r1", false}, Kind{"rsa2048", "rsa2048", true},
                 Kind{"ed25519", "rsa3072", true});
    CAPTURE(kind.encryption);
    const MadeKey key(kind.primary, kind.encryption);
    REQUIRE(OpenPgpRecipient::from(key.certificate()).has_value()); // librnp does not write it
    // Debian 12's sq is older than its first stable release.
    const bool old_sq = run_program({"sq", "--version"}, "/dev/null", key.path("version")) == 0;
    const auto sq = old_sq ? std::vector<std::string>{"sq", "decrypt", "--recipient-key", key.path("secret")}
                           : std::vector<std::string>{"sq",      "--home",           key.path("sq"),
                                                      "decrypt", "--recipient-file", key.path("secret")};
    for (const auto& text : {std::string(), std::string("NUL \0 inside", 12), std::string(100'000, 'x')}) {
        CAPTURE(text.size());
        const auto packets = encrypt(key.certificate(), text);
        CHECK(key.opened_by({"gpg", "--homedir", key.path(""), "--batch", "--quiet", "--decrypt"}, packets) ==
              text);
        CHECK(key.opened_by({"rnp", "--homedir", key.path("rnp"), "--keyfile", key.path("secret"),
                             "--password", "", "--decrypt", "--output", "-"},
                            packets) == text);
        if (kind.for_sq) {
            CHECK(key.opened_by(sq, packets) == text);
        }
    }
}

TEST_CASE("librnp opens each of many messages, whose numbers are not all of one length", "[crypto]") {
    // One number in 256 begins with an octet of zeros, which is not written (RFC 9580 §3.2).
    const std::string name = "bob"; // RSA
    const auto ffi = make_rnp_ffi();
    const auto secret = mail::dearmor(test::data("openpgp/" + name + ".secret.asc")).value().bytes;
    const auto input = rnp_read_from(secret);
    check_rnp(rnp_load_keys(ffi.get(), "GPG", input.get(), RNP_LOAD_SAVE_SECRET_KEYS), "loading a key");
    const auto to = certificate(name);
    for (unsigned i = 0; i < 300; ++i) {
        const auto packets = encrypt(to, "text");
        const auto sealed = rnp_read_from(packets);
        const auto opened = rnp_collect();
        REQUIRE(rnp_decrypt(ffi.get(), sealed.get(), opened.get()) == RNP_SUCCESS);
        REQUIRE(rnp_collected(opened.get()) == "text");
    }
}

TEST_CASE("Every key that RFC 9580 has a curve for, and RSA, is read; others are left to librnp",
          "[crypto]") {
    for (const auto* name : {"alice", "bob", "p256", "p521", "brainpool", "sha1"}) {
        CAPTURE(name);
        CHECK(OpenPgpRecipient::from(certificate(name)).has_value());
    }
    CHECK_FALSE(OpenPgpRecipient::from(certificate("elgamal")).has_value());
}

TEST_CASE("A key whose packet was changed anywhere is no key of that fingerprint", "[crypto]") {
    const auto original = certificate(GENERATE(as<std::string>{}, "alice", "bob", "p256", "brainpool"));
    const auto packet = encryption_key_packet(original);
    const auto begin = static_cast<std::size_t>(packet.data() - original.bytes.data());
    for (std::size_t at = begin; at < begin + packet.size(); ++at) {
        auto changed = original;
        changed.bytes[at] = static_cast<char>(changed.bytes[at] ^ 1);
        CAPTURE(at);
        CHECK_FALSE(OpenPgpRecipient::from(changed).has_value());
    }
    for (std::size_t octets = 0; octets < begin + packet.size(); ++octets) {
        auto cut = original;
        cut.bytes.resize(octets);
        CHECK_FALSE(OpenPgpRecipient::from(cut).has_value());
    }
    auto of_another = original;
    of_another.encryption_key = certificate("p521").encryption_key;
    CHECK_FALSE(OpenPgpRecipient::from(of_another).has_value());
}

TEST_CASE("A point beside its curve, and a key cut short, are not read whatever the fingerprint",
          "[crypto]") {
    const auto name = GENERATE(as<std::string>{}, "p256", "p521", "brainpool");
    const auto original = certificate(name);
    const std::string body(encryption_key_packet(original));
    REQUIRE(OpenPgpRecipient::from(with_key(body)).has_value());
    auto beside = body;
    constexpr std::size_t kdf_octets = 4;
    auto& last_of_point = beside[beside.size() - kdf_octets - 1];
    last_of_point = static_cast<char>(last_of_point ^ 1);
    CHECK_FALSE(OpenPgpRecipient::from(with_key(beside)).has_value());
    CHECK_THROWS_AS(encrypt(with_key(beside), "text"), Error);
    CHECK_FALSE(OpenPgpRecipient::from(with_key(body.substr(0, body.size() - 1))).has_value());
    CHECK_FALSE(OpenPgpRecipient::from(with_key(body + '\0')).has_value());
}

TEST_CASE("KDF parameters that RFC 9580 does not allow are not read", "[crypto]") {
    const std::string body(encryption_key_packet(certificate("alice")));
    const auto before = body.substr(0, body.size() - 4);
    using namespace std::string_literals;
    REQUIRE(body.substr(body.size() - 4) == "\3\1\10\7"s); // SHA-256, AES-128
    for (const auto& kdf :
         {"\3\1\2\7"s, "\3\1\10\2"s, "\3\2\10\7"s, "\2\1\10"s, "\4\1\10\7\0"s, "\3\1\13\7"s}) {
        CAPTURE(hex_encode(kdf));
        CHECK_FALSE(OpenPgpRecipient::from(with_key(before + kdf)).has_value());
    }
    CHECK(OpenPgpRecipient::from(with_key(before + "\3\1\12\11"s)).has_value()); // SHA-512, AES-256
}

TEST_CASE("A point of Curve25519 that has nothing in common with anybody is an error", "[crypto]") {
    auto body = std::string(encryption_key_packet(certificate("alice")));
    constexpr std::size_t point_octets = 32;
    constexpr std::size_t kdf_octets = 4;
    body.replace(body.size() - kdf_octets - point_octets, point_octets, point_octets, '\0');
    const auto zero = with_key(body);
    const auto recipient = OpenPgpRecipient::from(zero);
    REQUIRE(recipient.has_value());
    Aes256Key key;
    key.make_random();
    try {
        (void)recipient->pkesk(key);
        FAIL("encrypted");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::malformed); // of the key, not a failure of OpenSSL
        CHECK(std::string(error.what()).find(zero.fingerprint) != std::string::npos);
    }
}

TEST_CASE("No two messages have a session key or an ephemeral key in common", "[crypto]") {
    const auto to = certificate("alice");
    std::set<std::string> keys;
    std::set<std::string> containers;
    for (unsigned i = 0; i < 20; ++i) {
        const auto packets = encrypt(to, "text");
        mail::PacketReader reader(packets);
        keys.emplace(reader.next().value().body);
        containers.emplace(reader.next().value().body);
    }
    CHECK(keys.size() == 20);
    CHECK(containers.size() == 20);
}

TEST_CASE("librnp's own check refuses what is not bound, expired or not there", "[crypto]") {
    CHECK_NOTHROW(RnpSealer::check(certificate("alice")));
    auto unbound = certificate("alice");
    const std::string other(encryption_key_packet(certificate("p256")));
    unbound.bytes += mail::packet_header(mail::packet_tag::public_subkey, other.size()) + other;
    unbound.encryption_key = openpgp_key_fingerprint(other).value();
    CHECK_THROWS_AS(RnpSealer::check(unbound), Error);
    Certificate expired{Protocol::openpgp,
                        openpgp_fingerprint(test::openpgp("expired")).value(),
                        test::openpgp("expired"),
                        {}};
    mail::PacketReader reader(expired.bytes);
    while (const auto packet = reader.next()) {
        if (packet->tag == mail::packet_tag::public_subkey) {
            expired.encryption_key = openpgp_key_fingerprint(packet->body).value();
        }
    }
    CHECK_THROWS_AS(RnpSealer::check(expired), Error);
    auto missing = certificate("alice");
    missing.encryption_key = certificate("bob").encryption_key;
    CHECK_THROWS_AS(RnpSealer::check(missing), Error);
}
