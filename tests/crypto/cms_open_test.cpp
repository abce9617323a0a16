#include "base/encoding.hpp"
#include "base/error.hpp"
#include "crypto/cms_form.hpp"
#include "crypto/cms_open.hpp"
#include "tests/support/data.hpp"
#include "tests/support/der.hpp"
#include "tests/support/program.hpp"

#include <array>
#include <fstream>

using namespace lockbox;
using namespace lockbox::crypto;
using lockbox::test::contains_text;
using lockbox::test::data;
using lockbox::test::Der;

namespace {

/// What tests/data/smime/make.sh has sealed.
constexpr std::string_view plaintext = "Content-Type: text/plain\r\n\r\nsealed by openssl\r\n";

std::string hex(std::string_view digits) {
    return hex_decode(digits).value();
}

// RFC 5652 §4 and §14, RFC 5083 §2, RFC 3565 §4.1, RFC 5084 §3.2.
const std::string id_data = hex("2a864886f70d010701");
const std::string id_signed_data = hex("2a864886f70d010702");
const std::string content_type_attribute = hex("2a864886f70d010903");
const std::string aes256_cbc = hex("60864801650304012a");
const std::string aes256_gcm = hex("60864801650304012e");
const std::string rc2_cbc = hex("2a864886f70d0302");

AskPassphrase nobody_to_ask() {
    return [](const std::string&) -> Secret { throw Error(ErrorKind::engine, "a passphrase was asked for"); };
}

/// The keys in tests/data/smime/NAME.key, each with a certificate in NAME.pem.
KeyFile keys_of(const std::vector<std::pair<std::string, std::string>>& names) {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "keys.pem";
    std::ofstream file(path);
    for (const auto& [key, certificate] : names) {
        file << data("smime/" + key + ".key") << data("smime/" + certificate + ".pem");
    }
    file.close();
    return read_key_file(path, {}, nobody_to_ask());
}
KeyFile alice() {
    return keys_of({{"alice", "alice"}});
}
KeyFile bob_of_rfc9216() {
    return keys_of({{"rfc9216/bob-decrypt", "rfc9216/bob-encrypt"}});
}

Error failure_of(std::string_view cms, const KeyFile& keys) {
    try {
        (void)decrypt_cms(cms, keys);
    } catch (const Error& error) {
        return error;
    }
    FAIL("it opened");
    return {ErrorKind::io, {}};
}
ErrorKind kind_of_failure(std::string_view cms, const KeyFile& keys) {
    return failure_of(cms, keys).kind();
}

/// One EnvelopedData or AuthEnvelopedData in DER, taken apart.
struct Envelope {
    Der content_info;

    explicit Envelope(const std::string& cms) : content_info(Der::parse(cms)) {}
    std::string& type() { return content_info.elements[0].octets; }
    std::vector<Der>& members() { return content_info.elements[1].elements[0].elements; }
    std::vector<Der>& recipients() { return members()[1].elements; }
    /// EncryptedContentInfo.
    std::vector<Der>& content() { return members()[2].elements; }
    std::string& content_type() { return content()[0].octets; }
    std::string& algorithm() { return content()[1].elements[0].octets; }
    std::vector<Der>& gcm_parameters() { return content()[1].elements[1].elements; }
    std::string& ciphertext() { return content()[2].octets; }
    std::string& tag() { return members().back().octets; }
    [[nodiscard]] std::string encode() const { return content_info.encode(); }
};
Envelope gcm_envelope() {
    return Envelope(data("smime/sealed-gcm.der"));
}

} // namespace

TEST_CASE("What openssl has sealed opens, and how it was sealed is told", "[crypto]") {
    struct Case {
        std::string name;
        Integrity integrity;
        std::string algorithm;
    };
    const auto c =
        GENERATE(Case{"sealed-cbc.der", Integrity::none, "AES-256-CBC"},
                 Case{"sealed-gcm.der", Integrity::authenticated, "AES-256-GCM"},
                 Case{"sealed-streamed.ber", Integrity::none, "AES-128-CBC"}); // with the subject key id
    const auto opened = decrypt_cms(data("smime/" + c.name), alice());
    CHECK(opened.plaintext.expose() == plaintext);
    CHECK(opened.integrity == c.integrity);
    CHECK(opened.content_encryption == c.algorithm);
    REQUIRE(opened.recipients.size() == 1);
    CHECK_THAT(opened.recipients[0],
               contains_text(c.name == "sealed-streamed.ber" ? "subject key id "
                                                             : "of CN=Example Issuing CA,O=Example"));
}

TEST_CASE("Each of several recipients opens, and any of several keys in a file does", "[crypto]") {
    const auto message = data("smime/rfc9788/c.3.1.eml");
    const auto base64 = message.substr(message.find("\n\n") + 2);
    const auto cms = base64_decode(base64);
    REQUIRE(cms.has_value());
    const auto alices = decrypt_cms(*cms, keys_of({{"rfc9216/alice-decrypt", "rfc9216/alice-encrypt"}}));
    const auto bobs = decrypt_cms(*cms, bob_of_rfc9216());
    CHECK(alices.plaintext.expose() == bobs.plaintext.expose());
    CHECK_THAT(std::string(bobs.plaintext.expose()), contains_text("smime-type=\"signed-data\""));
    CHECK(bobs.content_encryption == "AES-128-CBC");
    // As `openssl x509 -serial` prints those of Alice and Bob.
    CHECK(bobs.recipients ==
          std::vector<std::string>{"serial 0F2D25BD1139974ACE425487A1EE3D34068AB4 of CN=Sample LAMPS RSA "
                                   "Certification Authority,OU=LAMPS WG,O=IETF",
                                   "serial 307C47400F86263A1C62D2EB832F96C0D78694 of CN=Sample LAMPS RSA "
                                   "Certification Authority,OU=LAMPS WG,O=IETF"});
    const auto many = keys_of({{"alice", "alice"}, {"rfc9216/bob-decrypt", "rfc9216/bob-encrypt"}});
    CHECK(decrypt_cms(*cms, many).plaintext.expose() == bobs.plaintext.expose());
    CHECK(decrypt_cms(data("smime/sealed-cbc.der"), many).plaintext.expose() == plaintext);
}

TEST_CASE("A key that the message does not name is said to be another, with whose it is", "[crypto]") {
    for (const auto* name : {"smime/sealed-cbc.der", "smime/sealed-gcm.der", "smime/sealed-streamed.ber"}) {
        const auto error = failure_of(data(name), bob_of_rfc9216());
        CHECK(error.kind() == ErrorKind::no_secret_key);
        CHECK_THAT(error.what(), contains_text("307C47400F86263A1C62D2EB832F96C0D78694"));
    }
    const auto error = failure_of(data("smime/sealed-to-p256.der"), alice()); // key agreement
    CHECK(error.kind() == ErrorKind::no_secret_key);
    CHECK_THAT(error.what(), contains_text("of CN=Example Issuing CA,O=Example"));
}

TEST_CASE("A message for whoever knows a passphrase is not tried with a key", "[crypto]") {
    const TemporaryDirectory directory;
    const auto out = (directory.path() / "out").string();
    REQUIRE(test::run_program({"openssl", "cms", "-encrypt", "-binary", "-aes-256-cbc", "-outform", "DER",
                               "-pwri_password", "secret"},
                              "/dev/null", out) == 0);
    const auto error = failure_of(read_file(out, 1U << 20U), alice());
    CHECK(error.kind() == ErrorKind::no_secret_key);
    CHECK_THAT(error.what(), contains_text("whoever knows a passphrase"));
}

TEST_CASE("Re-labelled modes are refused before anything is decrypted", "[crypto]") {
    // RFC 8551 §6: GCM in EnvelopedData would be counter mode, CBC in AuthEnvelopedData without a tag.
    auto as_cbc = gcm_envelope();
    as_cbc.algorithm() = aes256_cbc;
    CHECK_THAT(failure_of(as_cbc.encode(), alice()).what(),
               contains_text("AES-256-CBC does not belong into AuthEnvelopedData"));
    Envelope as_gcm(data("smime/sealed-cbc.der"));
    as_gcm.algorithm() = aes256_gcm;
    CHECK_THAT(failure_of(as_gcm.encode(), alice()).what(),
               contains_text("AES-256-GCM does not belong into EnvelopedData"));
    // A whole AuthEnvelopedData without its tag, called EnvelopedData.
    auto renamed = gcm_envelope();
    renamed.type() = Envelope(data("smime/sealed-cbc.der")).type();
    renamed.members().pop_back();
    CHECK_THAT(failure_of(renamed.encode(), alice()).what(), contains_text("does not belong into"));
}

TEST_CASE("A changed octet of anything that AES-GCM covers is noticed, and always in the same words",
          "[crypto]") {
    const auto keys = alice();
    const auto check = [&](const Envelope& changed) {
        const auto error = failure_of(changed.encode(), keys);
        CHECK(error.kind() == ErrorKind::malformed);
        return std::string(error.what());
    };
    REQUIRE(decrypt_cms(gcm_envelope().encode(), keys).plaintext.expose() == plaintext);
    auto tag = gcm_envelope();
    tag.tag().front() ^= 1;
    auto first = gcm_envelope();
    first.ciphertext().front() ^= 1;
    auto last = gcm_envelope();
    last.ciphertext().back() ^= 1;
    auto shorter = gcm_envelope();
    shorter.ciphertext().pop_back();
    auto nonce = gcm_envelope();
    nonce.gcm_parameters()[0].octets.front() ^= 1;
    // Bleichenbacher: that the session key cannot be decrypted must not look different (RFC 3218 §2.3).
    auto session_key = gcm_envelope();
    session_key.recipients()[0].elements[3].octets.back() ^= 1;
    const auto words = check(tag);
    for (const auto& changed : {first, last, shorter, nonce, session_key}) {
        CHECK(check(changed) == words);
    }
}

TEST_CASE("A tag that is too short, or not as long as announced, is refused", "[crypto]") {
    const auto keys = alice();
    const auto with_tag = [](std::size_t octets, std::optional<char> announced) {
        auto envelope = gcm_envelope();
        envelope.tag().resize(octets);
        if (announced) {
            envelope.gcm_parameters().at(1).octets = *announced;
        } else {
            envelope.gcm_parameters().resize(1); // RFC 5084 §3.2: then it is 12
        }
        return envelope.encode();
    };
    for (const std::size_t octets : {0U, 1U, 4U, 8U, 11U}) {
        CAPTURE(octets);
        const auto announced = static_cast<char>(octets);
        CHECK_THAT(failure_of(with_tag(octets, announced), keys).what(),
                   contains_text("authentication tag of " + std::to_string(octets) + " octets"));
        CHECK(kind_of_failure(with_tag(octets, 16), keys) == ErrorKind::malformed);
        CHECK(kind_of_failure(with_tag(octets, std::nullopt), keys) == ErrorKind::malformed);
    }
    CHECK(kind_of_failure(with_tag(12, 16), keys) == ErrorKind::malformed);
    CHECK(kind_of_failure(with_tag(16, 12), keys) == ErrorKind::malformed);
    CHECK(kind_of_failure(with_tag(17, 17), keys) == ErrorKind::malformed);
    // AES-GCM's shorter tags are the beginnings of the longer ones (SP 800-38D §7.1): 12 octets are allowed.
    // (OpenSSL 3.0 wants their number to be written down; DER leaves it out, RFC 5084 §3.2.)
    CHECK(decrypt_cms(with_tag(12, 12), keys).plaintext.expose() == plaintext);
}

namespace {

using CipherContext = Handle<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using KeyContext = Handle<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

unsigned char* bytes_of(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}
const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

std::string session_key_of(Envelope& envelope, EVP_PKEY* key) {
    const auto& encrypted = envelope.recipients()[0].elements[3].octets;
    const KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
    REQUIRE(EVP_PKEY_decrypt_init(context.get()) == 1);
    std::string session_key(512, '\0');
    auto octets = session_key.size();
    REQUIRE(EVP_PKEY_decrypt(context.get(), bytes_of(session_key), &octets,
                             bytes_of(std::string_view(encrypted)), encrypted.size()) == 1);
    session_key.resize(octets);
    return session_key;
}

/// Seals the same text anew, the tag covering `additional` too.
void seal_again(Envelope& envelope, EVP_PKEY* key, const std::string& additional) {
    const auto session_key = session_key_of(envelope, key);
    const CipherContext context(EVP_CIPHER_CTX_new());
    const auto& nonce = envelope.gcm_parameters()[0].octets;
    REQUIRE(nonce.size() == 12);
    int octets = 0;
    std::string ciphertext(plaintext.size(), '\0');
    REQUIRE(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr,
                               bytes_of(std::string_view(session_key)),
                               bytes_of(std::string_view(nonce))) == 1);
    REQUIRE(EVP_EncryptUpdate(context.get(), nullptr, &octets, bytes_of(std::string_view(additional)),
                              static_cast<int>(additional.size())) == 1);
    REQUIRE(EVP_EncryptUpdate(context.get(), bytes_of(ciphertext), &octets, bytes_of(plaintext),
                              static_cast<int>(plaintext.size())) == 1);
    std::array<unsigned char, 16> rest{};
    REQUIRE(EVP_EncryptFinal_ex(context.get(), rest.data(), &octets) == 1);
    std::string tag(16, '\0');
    REQUIRE(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, 16, tag.data()) == 1);
    envelope.ciphertext() = ciphertext;
    envelope.tag() = tag;
}

} // namespace

TEST_CASE("The tag covers authenticated attributes: none can be added, changed or taken away", "[crypto]") {
    // RFC 5083 §2.1 and §2.2: [1] in the message, a SET where the tag is computed.
    const auto keys = alice();
    const auto attributes = [](unsigned char tag, const std::string& content_type) {
        return Der::constructed(
            tag, {Der::constructed(0x30, {Der::primitive(0x06, content_type_attribute),
                                          Der::constructed(0x31, {Der::primitive(0x06, content_type)})})});
    };
    const auto with = [](Envelope envelope, Der element) {
        envelope.members().insert(envelope.members().end() - 1, std::move(element));
        return envelope.encode();
    };
    auto sealed = gcm_envelope();
    seal_again(sealed, keys.keys.front().key.get(), attributes(0x31, id_data).encode());
    const auto honest = with(sealed, attributes(0xa1, id_data));
    try {
        const auto opened = decrypt_cms(honest, keys);
        CHECK(opened.plaintext.expose() == plaintext);
    } catch (const Error& error) {
        // OpenSSL 3.0.19 leaves them out of what the tag is computed over, and refuses what is right.
        CHECK(error.kind() == ErrorKind::malformed);
        constexpr unsigned long has_attributes = 0x30000160UL; // 3.0.22
        constexpr unsigned long next_series = 0x30100000UL;
        CHECK((OpenSSL_version_num() < has_attributes || OpenSSL_version_num() >= next_series));
    }
    CHECK(kind_of_failure(with(sealed, attributes(0xa1, id_signed_data)), keys) == ErrorKind::malformed);
    CHECK(kind_of_failure(sealed.encode(), keys) == ErrorKind::malformed);
    CHECK(kind_of_failure(with(gcm_envelope(), attributes(0xa1, id_data)), keys) == ErrorKind::malformed);
}

TEST_CASE("Anything but one whole container of a form that is known is refused", "[crypto]") {
    const auto keys = alice();
    const auto good = data("smime/sealed-gcm.der");
    for (const auto size :
         {std::size_t{0}, std::size_t{1}, std::size_t{20}, good.size() / 2, good.size() - 1}) {
        CAPTURE(size);
        CHECK(kind_of_failure(good.substr(0, size), keys) == ErrorKind::malformed);
    }
    CHECK(kind_of_failure(good + '\0', keys) == ErrorKind::malformed);
    CHECK(kind_of_failure(good + good, keys) == ErrorKind::malformed);
    CHECK(kind_of_failure("no CMS", keys) == ErrorKind::malformed);
    for (const auto* other : {"mail/signed.der", "mail/data.der", "smime/alice.der"}) {
        CHECK(kind_of_failure(data(other), keys) == ErrorKind::malformed);
    }
    auto signed_content = gcm_envelope();
    signed_content.content_type() = id_signed_data;
    CHECK_THAT(failure_of(signed_content.encode(), keys).what(), contains_text("1.2.840.113549.1.7.2"));
    Envelope rc2(data("smime/sealed-cbc.der"));
    rc2.algorithm() = rc2_cbc;
    CHECK_THAT(failure_of(rc2.encode(), keys).what(), contains_text("1.2.840.113549.3.2"));
    auto without_content = gcm_envelope();
    without_content.content().pop_back();
    CHECK(kind_of_failure(without_content.encode(), keys) == ErrorKind::malformed);
}

TEST_CASE("Limits: more recipients or octets are not looked at", "[crypto]") {
    const auto keys = alice();
    auto many = gcm_envelope();
    const auto own = many.recipients().front();
    many.recipients().assign(cms_recipients_max + 1, own);
    CHECK(kind_of_failure(many.encode(), keys) == ErrorKind::too_large);
    many.recipients().assign(100, own);
    CHECK(decrypt_cms(many.encode(), keys).recipients.size() == 100);
    CHECK(kind_of_failure(std::string(cms_octets_max + 1, '0'), keys) == ErrorKind::too_large);
}

TEST_CASE("CBC opens changed text, and says that it proves nothing", "[crypto]") {
    // EFAIL: that is how it is; who opens it must know.
    Envelope changed(data("smime/sealed-cbc.der"));
    changed.ciphertext().front() ^= 1;
    const auto opened = decrypt_cms(changed.encode(), alice());
    CHECK(opened.integrity == Integrity::none);
    CHECK(opened.plaintext.expose() != plaintext);
    CHECK(opened.plaintext.size() == plaintext.size());
}

TEST_CASE("Encrypted CMS is recognised by its content type", "[crypto]") {
    for (const auto* name : {"smime/sealed-cbc.der", "smime/sealed-gcm.der", "smime/sealed-streamed.ber"}) {
        CHECK(is_encrypted_cms(data(name)));
        CHECK(is_encrypted_cms(data(name).substr(0, 40)));
    }
    for (const auto* name : {"mail/signed.der", "mail/data.der", "smime/alice.der", "smime/bundle.p7b"}) {
        CHECK_FALSE(is_encrypted_cms(data(name)));
    }
    CHECK_FALSE(is_encrypted_cms(""));
}
