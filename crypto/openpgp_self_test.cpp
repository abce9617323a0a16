// The self-test of the OpenPGP engine: a library that seals is trusted, and checked.
#include "base/error.hpp"
#include "base/handle.hpp"
#include "crypto/openpgp_seal.hpp"
#include "crypto/rnp_handles.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <string>

namespace lockbox::crypto {
namespace {

using CipherContext = Handle<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

constexpr std::size_t block_octets = 16;

[[noreturn]] void fail(std::string_view what) {
    throw Error(ErrorKind::engine, fmt::format("self-test of {} failed: {}", openpgp_engine_version(), what),
                "do not use this version of librnp: see docs/troubleshooting.md");
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

ThrowAwayKey make_throw_away_key() {
    ThrowAwayKey made;
    rnp_key_handle_t raw = nullptr;
    check_rnp(rnp_generate_key_25519(made.ffi.get(), "self-test", nullptr, &raw), "making a key");
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

std::string encrypt(OpenPgpSealer& sealer, const Recipients& recipients, std::string_view text) {
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
std::array<unsigned char, block_octets> under_zero_key(const std::array<unsigned char, block_octets>& block) {
    const std::array<unsigned char, 32> zeros{};
    std::array<unsigned char, block_octets> result{};
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
    constexpr std::size_t needed = 1 + block_octets + 2;
    mail::PacketReader reader(packets);
    while (const auto packet = reader.next()) {
        if (packet->tag != mail::packet_tag::seipd) {
            continue;
        }
        if (packet->body.size() < needed || packet->body.front() != 1) {
            return false;
        }
        std::array<unsigned char, block_octets> ciphertext{};
        for (std::size_t i = 0; i < block_octets; ++i) {
            ciphertext[i] = static_cast<unsigned char>(packet->body[1 + i]);
        }
        const auto first = under_zero_key({});
        const auto second = under_zero_key(ciphertext);
        const auto repeated = [&](std::size_t i) {
            const auto original = ciphertext[block_octets - 2 + i] ^ first[block_octets - 2 + i];
            const auto again = static_cast<unsigned char>(packet->body[1 + block_octets + i]) ^ second[i];
            return original == again;
        };
        return repeated(0) && repeated(1);
    }
    return false;
}

void self_test_openpgp() {
    const auto key = make_throw_away_key();
    const auto recipients = Recipients::from({key.certificate});
    if (!recipients) {
        fail("it made no key");
    }
    OpenPgpSealer sealer;
    std::string text;
    for (unsigned i = 0; i < 1000; ++i) {
        text += static_cast<char>(i * 37U);
    }
    const auto first = encrypt(sealer, *recipients, text);
    const auto second = encrypt(sealer, *recipients, text);
    for (const auto& packets : {first, second}) {
        const auto form = mail::read_encrypted_message(packets);
        if (!form || form->container != mail::packet_tag::seipd || form->recipient_key_ids.size() != 1) {
            fail("it does not write one PKESK and one integrity-protected container");
        }
        if (decrypt(key.ffi.get(), packets) != text) {
            fail("what it encrypted does not decrypt to the same bytes");
        }
    }
    if (looks_like_zero_session_key(first) && looks_like_zero_session_key(second)) {
        fail("its session keys are not random but zero (rnpgp/rnp#2372)");
    }
}

} // namespace lockbox::crypto
