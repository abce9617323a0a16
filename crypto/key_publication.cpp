#include "crypto/key_publication.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "crypto/openssl_handles.hpp"

#include <array>
#include <cstdint>

namespace lockbox::crypto {
namespace {

constexpr std::size_t sha1_octets = 20;

std::string z_base_32(const std::array<unsigned char, sha1_octets>& bytes) {
    constexpr std::string_view alphabet = "ybndrfg8ejkmcpqxot1uwisza345h769";
    std::string text;
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const auto octet : bytes) {
        bits = bits << 8U | octet;
        count += 8;
        while (count >= 5) {
            count -= 5;
            text += alphabet[bits >> count & 0x1fU];
        }
    }
    return text; // 160 bits are 32 characters
}

} // namespace

std::string wkd_hash(const mail::Address& address) {
    const auto local_part = lockbox::to_lower(address.local_part());
    std::array<unsigned char, sha1_octets> digest{};
    check_openssl(
        EVP_Digest(local_part.data(), local_part.size(), digest.data(), nullptr, EVP_sha1(), nullptr) == 1,
        "computing the name in a Web Key Directory");
    return z_base_32(digest);
}

WkdPaths wkd_paths(const mail::Address& address, WkdMethod method) {
    auto root = std::filesystem::path(".well-known") / "openpgpkey";
    if (method == WkdMethod::advanced) {
        root /= address.domain();
    }
    return {root / "hu" / wkd_hash(address), root / "policy"};
}

std::string autocrypt_field(const mail::Address& address, std::string_view certificate, bool prefer_encrypt) {
    constexpr std::size_t line_octets = 72;
    auto field = "Autocrypt: addr=" + address.to_string() + ";" +
                 (prefer_encrypt ? " prefer-encrypt=mutual;" : "") + " keydata=";
    const auto base64 = base64_encode(certificate);
    for (std::size_t at = 0; at < base64.size(); at += line_octets) {
        field += "\n " + base64.substr(at, line_octets);
    }
    return field + '\n';
}

} // namespace lockbox::crypto
