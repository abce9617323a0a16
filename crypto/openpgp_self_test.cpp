// The self-test of the OpenPGP engine: a library that seals is trusted, and checked.
#include "base/error.hpp"
#include "base/handle.hpp"
#include "crypto/aes_key.hpp"
#include "crypto/cms_seal.hpp"
#include "crypto/openpgp_recipient.hpp"
#include "crypto/openpgp_seal.hpp"
#include "crypto/openssl_handles.hpp"
#include "crypto/rnp_handles.hpp"
#include "crypto/rnp_seal.hpp"
#include "crypto/self_test_key.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lockbox::crypto {
namespace {

/// What encrypts, and what decrypts it again.
struct Engine {
    std::string name;
    std::string library; ///< whose version is to be changed when it fails
};

[[noreturn]] void fail(const Engine& engine, std::string_view what) {
    throw Error(ErrorKind::engine, fmt::format("self-test of {} failed: {}", engine.name, what),
                fmt::format("do not use this version of {}: see docs/troubleshooting.md", engine.library));
}

/// A key pair that lives as long as the self-test.
struct ThrowAwayKey {
    RnpFfi ffi = make_rnp_ffi();
    Certificate certificate;
};

std::string fingerprint_of(rnp_key_handle_t key) {
    char* raw = nullptr;
    check_rnp(rnp_key_get_fprint(key, &raw), "reading a fingerprint");
    const Handle<char, rnp_buffer_destroy> text(raw);
    return text.get();
}

using MakeKey = rnp_result_t (*)(rnp_ffi_t, rnp_key_handle_t*);

rnp_result_t make_25519(rnp_ffi_t ffi, rnp_key_handle_t* made) {
    return rnp_generate_key_25519(ffi, "self-test", nullptr, made);
}
rnp_result_t make_p256(rnp_ffi_t ffi, rnp_key_handle_t* made) {
    return rnp_generate_key_ec(ffi, "NIST P-256", "self-test", nullptr, made);
}

ThrowAwayKey make_throw_away_key(MakeKey make) {
    ThrowAwayKey made;
    rnp_key_handle_t raw = nullptr;
    check_rnp(make(made.ffi.get(), &raw), "making a key");
    const RnpKey primary(raw);
    check_rnp(rnp_key_get_subkey_at(primary.get(), 0, &raw), "making a subkey");
    const RnpKey subkey(raw);
    const auto exported = rnp_collect();
    check_rnp(rnp_key_export(primary.get(), exported.get(), RNP_KEY_EXPORT_PUBLIC | RNP_KEY_EXPORT_SUBKEYS),
              "exporting a certificate");
    made.certificate = {Protocol::openpgp, fingerprint_of(primary.get()), rnp_collected(exported.get()),
                        fingerprint_of(subkey.get())};
    return made;
}

template <typename Sealer>
std::string encrypt(Sealer& sealer, const Recipients& recipients, std::string_view text) {
    std::string packets;
    const std::array<std::string_view, 2> pieces{text.substr(0, text.size() / 2),
                                                 text.substr(text.size() / 2)};
    sealer.encrypt(recipients, pieces, [&](std::string_view bytes) { packets += bytes; });
    return packets;
}

/// nullopt: it does not decrypt.
std::optional<std::string> decrypt(rnp_ffi_t ffi, std::string_view packets) {
    const auto input = rnp_read_from(packets);
    const auto output = rnp_collect();
    if (rnp_decrypt(ffi, input.get(), output.get()) != RNP_SUCCESS) {
        return std::nullopt;
    }
    return rnp_collected(output.get());
}

/// AES-256 of one block under a key of zeros.
std::array<unsigned char, aes_block_octets>
under_zero_key(const std::array<unsigned char, aes_block_octets>& block) {
    const std::array<unsigned char, 32> zeros{};
    std::array<unsigned char, aes_block_octets> result{};
    const CipherContext context(EVP_CIPHER_CTX_new());
    int octets = 0;
    if (!context ||
        EVP_EncryptInit_ex(context.get(), EVP_aes_256_ecb(), nullptr, zeros.data(), nullptr) != 1 ||
        EVP_EncryptUpdate(context.get(), result.data(), &octets, block.data(),
                          static_cast<int>(block.size())) != 1) {
        throw Error(ErrorKind::engine, "OpenSSL cannot compute AES-256");
    }
    return result;
}

} // namespace

bool looks_like_zero_session_key(std::string_view packets) {
    // SEIPDv1 is CFB with a zero IV over 16 random octets, the last two of them again, and the plaintext (RFC
    // 9580 §5.13.1).
    constexpr std::size_t needed = 1 + aes_block_octets + 2;
    mail::PacketReader reader(packets);
    while (const auto packet = reader.next()) {
        if (packet->tag != mail::packet_tag::seipd) {
            continue;
        }
        if (packet->body.size() < needed || packet->body.front() != 1) {
            return false;
        }
        std::array<unsigned char, aes_block_octets> ciphertext{};
        for (std::size_t i = 0; i < aes_block_octets; ++i) {
            ciphertext[i] = static_cast<unsigned char>(packet->body[1 + i]);
        }
        const auto first = under_zero_key({});
        const auto second = under_zero_key(ciphertext);
        const auto repeated = [&](std::size_t i) {
            const auto original = ciphertext[aes_block_octets - 2 + i] ^ first[aes_block_octets - 2 + i];
            const auto again = static_cast<unsigned char>(packet->body[1 + aes_block_octets + i]) ^ second[i];
            return original == again;
        };
        return repeated(0) && repeated(1);
    }
    return false;
}

namespace {

/// What is to be another in each message.
struct Fresh {
    std::string session_key;
    std::string prefix; ///< what CFB has instead of an IV: 16 random octets
    std::string ciphertext;
    std::string plaintext; ///< of the container's first chunk, from behind the prefix
};

/// RFC 9580 §5.1.1 and §5.1.3: AES-256, the session key, its checksum.
std::string session_key(std::string_view pkesk, EVP_PKEY* rsa_key, const Engine& engine) {
    constexpr std::size_t before_number = 1 + 8 + 1 + 2; // version, key ID, algorithm, length of the number
    constexpr std::size_t checksum_octets = 2;
    constexpr char aes256 = 9; // RFC 9580 §9.3
    const EvpKeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, rsa_key, nullptr));
    const auto key_octets = static_cast<std::size_t>(EVP_PKEY_get_size(rsa_key));
    const auto number = pkesk.substr(std::min(before_number, pkesk.size()));
    std::string encrypted(key_octets - std::min(key_octets, number.size()), '\0');
    encrypted += number;
    std::string decrypted(key_octets, '\0');
    std::size_t octets = decrypted.size();
    if (!context || EVP_PKEY_decrypt_init(context.get()) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_decrypt(context.get(), octets_of(decrypted), &octets, octets_of(std::string_view(encrypted)),
                         encrypted.size()) != 1) {
        fail(engine, "its session key does not decrypt with RSA: " + take_openssl_error());
    }
    if (octets != 1 + aes256_key_octets + checksum_octets || decrypted.front() != aes256) {
        fail(engine, "its session key is none of AES-256");
    }
    return decrypted.substr(1, aes256_key_octets);
}

/// RFC 9580 §5.13.1.
std::string decrypt_container(std::string_view ciphertext, std::string_view key) {
    const std::array<unsigned char, aes_block_octets> zeros{};
    const CipherContext context(EVP_CIPHER_CTX_new());
    std::string plaintext(ciphertext.size(), '\0');
    int octets = 0;
    check_openssl(context != nullptr &&
                      EVP_DecryptInit_ex(context.get(), EVP_aes_256_cfb128(), nullptr, octets_of(key),
                                         zeros.data()) == 1 &&
                      EVP_DecryptUpdate(context.get(), octets_of(plaintext), &octets, octets_of(ciphertext),
                                        static_cast<int>(ciphertext.size())) == 1,
                  "decrypting with AES-256");
    return plaintext;
}

/// nullopt: nobody with an RSA key reads the message.
std::optional<Fresh> fresh_parts(std::string_view packets, EVP_PKEY* rsa_key, const Engine& engine) {
    constexpr std::size_t algorithm_at = 1 + 8;
    constexpr char rsa = 1; // RFC 9580 §9.1
    std::optional<Fresh> fresh;
    mail::PacketReader reader(packets);
    while (const auto packet = reader.next()) {
        if (packet->tag == mail::packet_tag::pkesk && packet->body.size() > algorithm_at &&
            packet->body[algorithm_at] == rsa) {
            fresh.emplace().session_key = session_key(packet->body, rsa_key, engine);
        } else if (packet->tag == mail::packet_tag::seipd && fresh) {
            fresh->ciphertext = packet->body.substr(1);
            const auto plaintext = decrypt_container(fresh->ciphertext, fresh->session_key);
            fresh->prefix = plaintext.substr(0, aes_block_octets);
            fresh->plaintext = plaintext.substr(std::min(plaintext.size(), aes_block_octets + 2));
        }
    }
    return fresh;
}

void check_fresh(const std::optional<Fresh>& first, const std::optional<Fresh>& second, std::string_view text,
                 const Engine& engine) {
    if (!first || !second) {
        fail(engine, "it does not encrypt the session key to RSA");
    }
    for (const auto& fresh : {*first, *second}) {
        if (fresh.plaintext.find(text) == std::string::npos) {
            fail(engine, "what it encrypted to RSA does not decrypt to the same bytes");
        }
    }
    if (first->session_key == second->session_key) {
        fail(engine, "two messages have the same session key");
    }
    if (first->prefix == second->prefix) {
        fail(engine, "two messages have the same random prefix");
    }
    if (first->ciphertext == second->ciphertext) {
        fail(engine, "two messages have the same ciphertext");
    }
}

/// Keys of RSA are OpenSSL's to decrypt with, `with_rsa`; those of others librnp's.
template <typename Sealer>
void test(Sealer& sealer, std::span<const ThrowAwayKey* const> keys, EVP_PKEY* with_rsa,
          const Engine& engine) {
    std::vector<Certificate> certificates;
    for (const auto* key : keys) {
        certificates.push_back(key->certificate);
    }
    if (with_rsa != nullptr) {
        certificates.push_back(self_test_openpgp_certificate());
    }
    const auto recipients = Recipients::from(std::move(certificates));
    std::string text;
    for (unsigned i = 0; i < 1000; ++i) {
        text += static_cast<char>(i * 37U);
    }
    const auto first = encrypt(sealer, recipients.value(), text);
    const auto second = encrypt(sealer, recipients.value(), text);
    for (const auto& packets : {first, second}) {
        const auto form = mail::read_encrypted_message(packets);
        if (!form || form->container != mail::packet_tag::seipd ||
            form->recipient_key_ids.size() != recipients->all().size()) {
            fail(engine, "it does not write a PKESK for each and one integrity-protected container");
        }
        if (packets.find(text.substr(0, 64)) != std::string::npos) {
            fail(engine, "what it should have encrypted can be read");
        }
        for (const auto* key : keys) {
            if (decrypt(key->ffi.get(), packets) != text) {
                fail(engine, "what it encrypted does not decrypt to the same bytes");
            }
        }
    }
    if (looks_like_zero_session_key(first) && looks_like_zero_session_key(second)) {
        fail(engine, "its session keys are not random but zero (rnpgp/rnp#2372)");
    }
    if (with_rsa != nullptr) {
        // librnp's first chunk is shorter than the container (RFC 9580 §4.2.1.4), and has half of the text.
        check_fresh(fresh_parts(first, with_rsa, engine), fresh_parts(second, with_rsa, engine),
                    std::string_view(text).substr(0, 256), engine);
    }
}

} // namespace

void self_test_openpgp() {
    const Engine by_librnp{openpgp_engine_version(), "librnp"};
    const Engine by_openssl{cms_engine_version() + " for OpenPGP", "OpenSSL"};
    RnpSealer rnp;
    OpenPgpSealer own;
    const auto on_25519 = make_throw_away_key(make_25519);
    const auto on_p256 = make_throw_away_key(make_p256);
    const auto rsa = self_test_rsa_key();
    for (const auto& certificate :
         {on_25519.certificate, on_p256.certificate, self_test_openpgp_certificate()}) {
        if (!OpenPgpRecipient::from(certificate)) {
            fail(by_openssl, "it does not read the key of a new certificate");
        }
    }
    const auto test_both = [&](std::span<const ThrowAwayKey* const> keys, EVP_PKEY* with_rsa) {
        test(rnp, keys, with_rsa, by_librnp);
        test(own, keys, with_rsa, by_openssl);
    };
    test_both(std::array{&on_25519}, nullptr);
    test_both(std::array{&on_p256}, nullptr);
    test_both({}, rsa.get());
    test_both(std::array{&on_25519, &on_p256}, rsa.get());
}

} // namespace lockbox::crypto
