#include "mail/transfer_encoding.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"

namespace lockbox::mail {
namespace {

std::string quoted_printable_decoded(std::string_view text) {
    std::string bytes;
    bytes.reserve(text.size());
    while (!text.empty()) {
        const auto lf = text.find('\n');
        auto line = text.substr(0, lf);
        text.remove_prefix(lf == std::string_view::npos ? text.size() : lf + 1);
        const bool crlf = lf != std::string_view::npos && line.ends_with('\r');
        while (!line.empty() && is_space(line.back())) { // RFC 2045 §6.7 (3): added in transport
            line.remove_suffix(1);
        }
        const bool soft = line.ends_with('=');
        line.remove_suffix(soft ? 1U : 0U);
        for (std::size_t i = 0; i < line.size(); ++i) {
            const auto octet =
                line[i] == '=' && i + 2 < line.size() ? hex_decode(line.substr(i + 1, 2)) : std::nullopt;
            bytes += octet ? octet->front() : line[i];
            i += octet ? 2U : 0U;
        }
        if (!soft && lf != std::string_view::npos) {
            bytes += crlf ? "\r\n" : "\n";
        }
    }
    return bytes;
}

/// What is outside the alphabet is passed over (RFC 2045 §6.8), and after padding it begins anew.
std::string base64_decoded_loosely(std::string_view text) {
    std::string bytes;
    std::string digits;
    const auto flush = [&] {
        if (digits.size() % 4 == 1) {
            digits.pop_back();
        }
        digits.append((4 - digits.size() % 4) % 4, '=');
        bytes += base64_decode(digits).value_or("");
        digits.clear();
    };
    for (const char c : text) {
        if (is_alpha(c) || is_digit(c) || c == '+' || c == '/') {
            digits += c;
        } else if (c == '=') {
            flush();
        }
    }
    flush();
    return bytes;
}

} // namespace

TransferEncoding transfer_encoding_named(std::string_view name) noexcept {
    name = trim(name);
    const auto is = [&](std::string_view known) { return equal_ignoring_case(name, known); };
    if (name.empty() || is("7bit") || is("8bit") || is("binary")) {
        return TransferEncoding::identity;
    }
    return is("base64")             ? TransferEncoding::base64
           : is("quoted-printable") ? TransferEncoding::quoted_printable
                                    : TransferEncoding::unknown;
}

TransferEncoding transfer_encoding_of(const HeaderSection& header) {
    return transfer_encoding_named(header.first("Content-Transfer-Encoding").value_or(""));
}

std::string transfer_decoded(std::string_view body, TransferEncoding encoding) {
    switch (encoding) {
    case TransferEncoding::base64: {
        auto bytes = base64_decode(body);
        return bytes ? std::move(*bytes) : base64_decoded_loosely(body);
    }
    case TransferEncoding::quoted_printable:
        return quoted_printable_decoded(body);
    case TransferEncoding::identity:
    case TransferEncoding::unknown:
        break;
    }
    return std::string(body);
}

std::optional<std::string_view> strictly_decoded(std::string_view body, TransferEncoding encoding,
                                                 std::string& storage) {
    switch (encoding) {
    case TransferEncoding::identity:
        return body;
    case TransferEncoding::quoted_printable:
        storage = quoted_printable_decoded(body);
        return storage;
    case TransferEncoding::base64:
        if (auto bytes = base64_decode(body)) {
            storage = std::move(*bytes);
            return storage;
        }
        return std::nullopt;
    case TransferEncoding::unknown:
        return std::nullopt;
    }
    return std::nullopt;
}

} // namespace lockbox::mail
