#include "mail/base64_lines.hpp"

#include "base/encoding.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace lockbox::mail {
namespace {

/// Two characters for each twelve bits.
constexpr auto base64_pairs = [] {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::array<std::array<char, 2>, 4096> pairs{};
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        pairs[i] = {alphabet[i >> 6U], alphabet[i & 0x3fU]};
    }
    return pairs;
}();

void write_line(char* out, const unsigned char* in) noexcept {
    for (std::size_t i = 0; i < base64_line_bytes; i += 3, in += 3, out += 4) {
        const auto bits = (std::uint32_t{in[0]} << 16U) | (std::uint32_t{in[1]} << 8U) | in[2];
        const auto& high = base64_pairs[bits >> 12U];
        const auto& low = base64_pairs[bits & 0xfffU];
        out[0] = high[0], out[1] = high[1], out[2] = low[0], out[3] = low[1];
    }
    out[0] = '\r', out[1] = '\n';
}

} // namespace

void Base64LineWriter::encode(std::string_view lines) {
    // On the stack first: growing the string by resize() would write zeros over the memory before.
    constexpr std::size_t lines_at_once = 64;
    std::array<char, lines_at_once * base64_line_octets> text;
    while (!lines.empty()) {
        const auto count = std::min(lines.size() / base64_line_bytes, lines_at_once);
        for (std::size_t i = 0; i < count; ++i) {
            write_line(text.data() + i * base64_line_octets,
                       reinterpret_cast<const unsigned char*>(lines.data()) + i * base64_line_bytes);
        }
        out_.append(text.data(), count * base64_line_octets);
        lines.remove_prefix(count * base64_line_bytes);
    }
}

void Base64LineWriter::write(std::string_view bytes) {
    if (!pending_.empty()) {
        const auto taken = std::min(base64_line_bytes - pending_.size(), bytes.size());
        pending_ += bytes.substr(0, taken);
        bytes.remove_prefix(taken);
        if (pending_.size() < base64_line_bytes) {
            return;
        }
        encode(pending_);
        pending_.clear();
    }
    const auto whole_lines = bytes.size() / base64_line_bytes * base64_line_bytes;
    encode(bytes.substr(0, whole_lines));
    pending_ += bytes.substr(whole_lines);
}

void Base64LineWriter::finish() {
    if (!pending_.empty()) {
        out_ += base64_encode(pending_);
        out_ += "\r\n";
        pending_.clear();
    }
}

} // namespace lockbox::mail
