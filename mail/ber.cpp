#include "mail/ber.hpp"

#include <algorithm>
#include <cstdint>

namespace lockbox::mail::ber {

std::optional<Header> header(std::string_view bytes) noexcept {
    const auto octet = [&](std::size_t i) {
        return static_cast<unsigned>(static_cast<unsigned char>(bytes[i]));
    };
    if (bytes.size() < 2 || (octet(0) & 0x1fU) == 0x1fU) {
        return std::nullopt;
    }
    Header header{octet(0), 2, octet(1), false};
    if (header.length < 0x80) {
        return header;
    }
    const std::size_t length_octets = header.length & 0x7fU;
    header.length = 0;
    if (length_octets == 0) {
        header.indefinite = true;
        return (header.tag & 0x20U) != 0 ? std::optional<Header>(header) : std::nullopt;
    }
    if (length_octets > sizeof(header.length) || bytes.size() < 2 + length_octets) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < length_octets; ++i) {
        header.length = (header.length << 8U) | octet(2 + i);
    }
    header.octets += length_octets;
    return header;
}

std::optional<std::size_t> extent(std::string_view bytes) noexcept {
    constexpr std::size_t nesting_max = 64;
    constexpr std::string_view end_of_contents("\0\0", 2);
    std::size_t open = 0; // elements of indefinite length
    std::size_t at = 0;
    do {
        const auto rest = bytes.substr(at);
        if (open > 0 && rest.starts_with(end_of_contents)) {
            at += end_of_contents.size();
            --open;
            continue;
        }
        const auto next = header(rest);
        if (!next || next->length > rest.size() - next->octets || open == nesting_max) {
            return std::nullopt;
        }
        at += next->octets + next->length;
        open += next->indefinite ? 1U : 0U;
    } while (open > 0);
    return at;
}

bool Reader::at(unsigned tag) const noexcept {
    const auto next = header(rest_);
    return next && next->tag == tag;
}

std::optional<Header> Reader::enter(unsigned tag) noexcept {
    const auto next = header(rest_);
    if (!next || next->tag != tag) {
        return std::nullopt;
    }
    rest_.remove_prefix(next->octets);
    return next;
}

bool Reader::skip(unsigned tag) noexcept {
    const auto octets = extent(rest_);
    if (!octets || !at(tag)) {
        return false;
    }
    rest_.remove_prefix(*octets);
    return true;
}

std::optional<std::string_view> Reader::take(unsigned tag) noexcept {
    const auto next = header(rest_);
    if (!next || next->tag != tag || next->indefinite || next->length > rest_.size() - next->octets) {
        return std::nullopt;
    }
    const auto contents = rest_.substr(next->octets, next->length);
    rest_.remove_prefix(next->octets + next->length);
    return contents;
}

std::string dotted_decimal(std::string_view oid) {
    std::string text;
    std::uint64_t arc = 0;
    bool first = true;
    for (std::size_t i = 0; i < oid.size(); ++i) {
        const auto octet = static_cast<unsigned char>(oid[i]);
        if (arc > (UINT64_MAX >> 7U)) {
            return {};
        }
        arc = (arc << 7U) | (octet & 0x7fU);
        if ((octet & 0x80U) != 0) {
            if (i + 1 == oid.size()) {
                return {};
            }
            continue;
        }
        if (first) { // X.690 §8.19.4: two arcs in one
            const auto root = std::min<std::uint64_t>(arc / 40, 2);
            text = std::to_string(root) + '.' + std::to_string(arc - 40 * root);
        } else {
            text += '.' + std::to_string(arc);
        }
        first = false;
        arc = 0;
    }
    return text;
}

} // namespace lockbox::mail::ber
