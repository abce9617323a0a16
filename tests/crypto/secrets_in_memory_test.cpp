// What is left in the memory of a process that has sealed a message.
#include "crypto/cms_seal.hpp"
#include "crypto/openpgp_seal.hpp"
#include "crypto/self_test_key.hpp"
#include "mail/openpgp_packet.hpp"
#include "tests/support/cms_parts.hpp"
#include "tests/support/memory.hpp"
#include "tests/support/smime_keys.hpp"

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <array>
#include <string>

using namespace lockbox;
using namespace lockbox::crypto;
using lockbox::test::HeldChild;
using lockbox::test::SmimeKeys;

namespace {

template <typename Sealer>
std::string encrypt(Sealer& sealer, const Recipients& recipients) {
    const std::array<std::string_view, 1> pieces{"text"};
    std::string written;
    sealer.encrypt(recipients, pieces, [&](std::string_view bytes) { written += bytes; });
    return written;
}

std::string rsa_decrypt(EVP_PKEY* key, std::string_view encrypted) {
    const EvpKeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    std::string decrypted(static_cast<std::size_t>(EVP_PKEY_get_size(key)), '\0');
    auto octets = decrypted.size();
    REQUIRE((context && EVP_PKEY_decrypt_init(context.get()) == 1 &&
             EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1 &&
             EVP_PKEY_decrypt(context.get(), octets_of(decrypted), &octets, octets_of(encrypted),
                              encrypted.size()) == 1));
    decrypted.resize(octets);
    return decrypted;
}

EvpKey read_key(const std::string& path) {
    const auto pem = read_file(path, 1U << 20U);
    const auto input = bio_reading(pem);
    EvpKey key(PEM_read_bio_PrivateKey(input.get(), nullptr, nullptr, nullptr));
    REQUIRE(key);
    return key;
}

/// The number of the first PKESK with RSA, as long as the key.
std::string rsa_number(std::string_view packets) {
    constexpr std::size_t algorithm_at = 9;
    constexpr std::size_t number_at = 12;
    constexpr std::size_t key_octets = 256;
    mail::PacketReader reader(packets);
    while (const auto packet = reader.next()) {
        if (packet->tag == mail::packet_tag::pkesk && packet->body[algorithm_at] == 1) {
            const auto number = packet->body.substr(number_at);
            return std::string(key_octets - number.size(), '\0').append(number);
        }
    }
    FAIL("no PKESK for RSA");
    return {};
}

} // namespace

TEST_CASE("Memory of another process is searched, freed memory too", "[crypto]") {
    // Otherwise the tests below would find nothing, whatever is there.
    const HeldChild child([] {
        std::string made(64, 'x');
        for (std::size_t i = 0; i < made.size(); ++i) {
            made[i] = static_cast<char>(i * i + 41);
        }
        return std::string(made.rbegin(), made.rend()); // so that it has to be made
    });
    REQUIRE(child.result().size() == 64);
    std::string sought;
    for (std::size_t i = 16; i < 64; ++i) {
        sought += static_cast<char>(i * i + 41);
    }
    CHECK(child.copies(sought) > 0);
}

TEST_CASE("Nothing of a content key is left in memory once a message is sealed", "[crypto]") {
    SmimeKeys keys;
    keys.make("rsa", "rsa:2048");
    keys.make("ec", "ec", "P-256");
    const auto encryption = GENERATE(ContentEncryption::aes256_cbc, ContentEncryption::aes256_gcm);
    const auto recipients =
        Recipients::from({keys.certificate("rsa", encryption), keys.certificate("ec", encryption)});
    const HeldChild child([&] {
        CmsSealer sealer;
        return encrypt(sealer, recipients.value());
    });
    const auto key =
        rsa_decrypt(read_key(keys.path("rsa.key")).get(), test::rsa_encrypted_key(child.result()));
    REQUIRE(key.size() == 32);
    CHECK(child.copies(key) == 0);
    CHECK(child.copies(std::string_view(key).substr(0, 16)) == 0);
    CHECK(child.copies(std::string_view(key).substr(16)) == 0);
}

TEST_CASE("Nothing of a session key is left in memory once a message is sealed", "[crypto]") {
    const auto recipients = Recipients::from({self_test_openpgp_certificate()});
    const HeldChild child([&] {
        OpenPgpSealer sealer;
        return encrypt(sealer, recipients.value());
    });
    const auto encoded = rsa_decrypt(self_test_rsa_key().get(), rsa_number(child.result()));
    REQUIRE(encoded.size() == 35);
    const auto key = std::string_view(encoded).substr(1, 32);
    CHECK(child.copies(key) == 0);
    CHECK(child.copies(key.substr(0, 16)) == 0);
    CHECK(child.copies(key.substr(16)) == 0);
}
