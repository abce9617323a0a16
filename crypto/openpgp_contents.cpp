#include "crypto/openpgp_contents.hpp"

#include "base/encoding.hpp"
#include "crypto/openssl_handles.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <array>
#include <charconv>

namespace lockbox::crypto {
namespace {

namespace tag = mail::packet_tag;

constexpr std::size_t aes_block_octets = 16; // of AES
constexpr std::size_t seipd_prefix_octets =
    aes_block_octets + 2;                         // random, its last two repeated (RFC 9580 §5.13.1)
constexpr std::size_t mdc_packet_octets = 2 + 20; // the header of the MDC packet and SHA-1

/// RFC 9580 §9.3.
const EVP_CIPHER* cfb_cipher_of(unsigned algorithm) noexcept {
    switch (algorithm) {
    case 7:
        return EVP_aes_128_cfb128();
    case 8:
        return EVP_aes_192_cfb128();
    case 9:
        return EVP_aes_256_cfb128();
    default:
        return nullptr;
    }
}

std::optional<Secret> decrypted_cfb(const EVP_CIPHER* cipher, std::string_view key,
                                    std::string_view ciphertext) {
    const CipherContext context(EVP_CIPHER_CTX_new());
    check_openssl(context != nullptr, "making a cipher");
    const std::array<unsigned char, aes_block_octets> zeros{};
    const auto* const key_octets = reinterpret_cast<const unsigned char*>(key.data());
    std::string plaintext(ciphertext.size(), '\0');
    int octets = 0;
    check_openssl(EVP_DecryptInit_ex(context.get(), cipher, nullptr, key_octets, zeros.data()) == 1 &&
                      EVP_DecryptUpdate(context.get(), reinterpret_cast<unsigned char*>(plaintext.data()),
                                        &octets, reinterpret_cast<const unsigned char*>(ciphertext.data()),
                                        static_cast<int>(ciphertext.size())) == 1,
                  "decrypting");
    return Secret(std::move(plaintext));
}

std::string sha1_of(std::string_view bytes) {
    std::string digest(20, '\0');
    unsigned octets = 0;
    check_openssl(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()),
                             &octets, EVP_sha1(), nullptr) == 1,
                  "hashing");
    return digest;
}

} // namespace

std::optional<Secret> authenticated_contents(std::string_view packets, std::string_view session_key) {
    constexpr std::size_t octets_max = 1U << 30U; // OpenSSL counts in int
    const auto colon = session_key.find(':');
    unsigned algorithm = 0;
    if (colon == std::string_view::npos || packets.size() > octets_max) {
        return std::nullopt;
    }
    (void)std::from_chars(session_key.data(), session_key.data() + colon, algorithm);
    const auto* const cipher = cfb_cipher_of(algorithm);
    const auto key = hex_decode(session_key.substr(colon + 1));
    if (cipher == nullptr || !key ||
        key->size() != static_cast<std::size_t>(EVP_CIPHER_get_key_length(cipher))) {
        return std::nullopt;
    }
    const Secret key_octets(*key);
    mail::PacketReader reader(packets);
    while (const auto packet = reader.next()) {
        if (packet->tag != tag::seipd) {
            continue;
        }
        const auto body = mail::joined_body(packet->whole);
        if (body.size() < 1 + seipd_prefix_octets + mdc_packet_octets || body.front() != '\x01') {
            return std::nullopt;
        }
        const auto plaintext = decrypted_cfb(cipher, key_octets.expose(), std::string_view(body).substr(1));
        const auto all = plaintext->expose();
        const auto covered = all.substr(0, all.size() - 20);
        if (!covered.ends_with("\xd3\x14") ||
            CRYPTO_memcmp(sha1_of(covered).data(), all.data() + covered.size(), 20) != 0) {
            return std::nullopt;
        }
        return Secret(
            std::string(covered.substr(seipd_prefix_octets, covered.size() - seipd_prefix_octets - 2)));
    }
    return std::nullopt;
}

std::optional<std::string> unknown_to_gnupg(std::string_view contents) {
    constexpr unsigned last_compression = 3;    // BZip2 (RFC 9580 §9.4)
    constexpr unsigned last_known_tag = 21;     // padding
    constexpr unsigned first_not_critical = 40; // RFC 9580 §4.3
    mail::PacketReader reader(contents);
    while (const auto packet = reader.next()) {
        const auto first = packet->body.empty() ? 0U : static_cast<unsigned char>(packet->body.front());
        if ((packet->tag == tag::signature || packet->tag == tag::one_pass_signature) && first >= 6) {
            return fmt::format("a signature of version {} (RFC 9580)", first);
        }
        if (packet->tag == tag::compressed && first > last_compression) {
            return fmt::format("data compressed with algorithm {}", first);
        }
        if (packet->tag > last_known_tag && packet->tag < first_not_critical) {
            return fmt::format("a packet of type {}", packet->tag);
        }
    }
    return std::nullopt;
}

} // namespace lockbox::crypto
