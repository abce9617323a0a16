#include "base/encoding.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "base/handle.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdint>

namespace lockbox {
namespace {

constexpr unsigned char not_base64 = 0xff;

constexpr auto base64_values = [] {
    std::array<unsigned char, 256> values{};
    for (auto& value : values) {
        value = not_base64;
    }
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t i = 0; i < alphabet.size(); ++i) {
        values[static_cast<unsigned char>(alphabet[i])] = static_cast<unsigned char>(i);
    }
    return values;
}();

int hex_value(char c) noexcept {
    if (is_digit(c)) {
        return c - '0';
    }
    const char lower = to_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

} // namespace

std::string base64_encode(std::string_view bytes) {
    // EVP_EncodeBlock takes an int and adds a NUL; 3 octets a quantum keeps the pieces aligned.
    constexpr std::size_t piece = 3U * (1U << 20U);
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
    std::size_t written = 0;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        const auto part = bytes.substr(at, piece);
        written += static_cast<std::size_t>(EVP_EncodeBlock(
            reinterpret_cast<unsigned char*>(text.data() + written),
            reinterpret_cast<const unsigned char*>(part.data()), static_cast<int>(part.size())));
    }
    text.resize(written);
    return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    std::uint32_t quantum = 0;
    unsigned digits = 0;
    unsigned padding = 0;
    for (const char c : text) {
        if (is_space(c)) {
            continue;
        }
        if (c == '=') {
            ++padding;
            continue;
        }
        const auto value = base64_values[static_cast<unsigned char>(c)];
        if (value == not_base64 || padding > 0) {
            return std::nullopt;
        }
        quantum = (quantum << 6U) | value;
        if (++digits == 4) {
            bytes += static_cast<char>(quantum >> 16U);
            bytes += static_cast<char>(quantum >> 8U);
            bytes += static_cast<char>(quantum);
            digits = 0;
            quantum = 0;
        }
    }
    const bool complete = digits == 0 ? padding == 0 : digits + padding == 4 && digits >= 2;
    if (!complete) {
        return std::nullopt;
    }
    if (digits == 3) {
        bytes += static_cast<char>(quantum >> 10U);
        bytes += static_cast<char>(quantum >> 2U);
    } else if (digits == 2) {
        bytes += static_cast<char>(quantum >> 4U);
    }
    return bytes;
}

std::string hex_encode(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        const auto octet = static_cast<unsigned char>(c);
        text += digits[octet >> 4U];
        text += digits[octet & 0x0fU];
    }
    return text;
}

std::optional<std::string> hex_decode(std::string_view text) {
    if (text.size() % 2 != 0) {
        return std::nullopt;
    }
    std::string bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = hex_value(text[i]);
        const int low = hex_value(text[i + 1]);
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        bytes += static_cast<char>(high * 16 + low);
    }
    return bytes;
}

std::string sha256(std::string_view bytes) {
    return sha256(std::span(&bytes, 1));
}

std::string sha256(std::span<const std::string_view> pieces) {
    const Handle<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
    bool ok = context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
    for (const auto piece : pieces) {
        ok = ok && EVP_DigestUpdate(context.get(), piece.data(), piece.size()) == 1;
    }
    std::string digest(static_cast<std::size_t>(EVP_MAX_MD_SIZE), '\0');
    unsigned octets = 0;
    if (!ok ||
        EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), &octets) != 1) {
        throw Error(ErrorKind::engine, "OpenSSL cannot compute SHA-256");
    }
    digest.resize(octets);
    return digest;
}

std::string random_bytes(std::size_t octets) {
    std::string bytes(octets, '\0');
    if (octets > INT_MAX ||
        RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(octets)) != 1) {
        throw Error(ErrorKind::engine, "OpenSSL's random generator gives no bytes");
    }
    return bytes;
}

} // namespace lockbox
