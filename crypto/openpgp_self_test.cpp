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
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <string>

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

template <typename Sealer>
void test(Sealer& sealer, const ThrowAwayKey& key, const Engine& engine) {
    const auto recipients = Recipients::from({key.certificate});
    std::string text;
    for (unsigned i = 0; i < 1000; ++i) {
        text += static_cast<char>(i * 37U);
    }
    const auto first = encrypt(sealer, recipients.value(), text);
    const auto second = encrypt(sealer, recipients.value(), text);
    for (const auto& packets : {first, second}) {
        const auto form = mail::read_encrypted_message(packets);
        if (!form || form->container != mail::packet_tag::seipd || form->recipient_key_ids.size() != 1) {
            fail(engine, "it does not write one PKESK and one integrity-protected container");
        }
        if (packets.find(text.substr(0, 64)) != std::string::npos) {
            fail(engine, "what it should have encrypted can be read");
        }
        if (decrypt(key.ffi.get(), packets) != text) {
            fail(engine, "what it encrypted does not decrypt to the same bytes");
        }
    }
    if (looks_like_zero_session_key(first) && looks_like_zero_session_key(second)) {
        fail(engine, "its session keys are not random but zero (rnpgp/rnp#2372)");
    }
}

} // namespace

void self_test_openpgp() {
    const Engine by_librnp{openpgp_engine_version(), "librnp"};
    const Engine by_openssl{cms_engine_version() + " for OpenPGP", "OpenSSL"};
    RnpSealer rnp;
    OpenPgpSealer own;
    for (const auto make : {make_25519, make_p256}) {
        const auto key = make_throw_away_key(make);
        if (!OpenPgpRecipient::from(key.certificate)) {
            fail(by_openssl, "it does not read the key of a new certificate");
        }
        test(rnp, key, by_librnp);
        test(own, key, by_openssl);
    }
}

} // namespace lockbox::crypto
