#include "policy/network.hpp"

#include "base/ascii.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>

namespace lockbox::policy {
namespace {

using Octets = std::array<std::uint8_t, 16>;

constexpr unsigned bits_max = 128;
constexpr unsigned mapped_bits = 96; // ::ffff:0:0/96, RFC 4291 §2.5.5.2
constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool is_mapped(const Octets& octets) {
    return std::equal(mapped_prefix.begin(), mapped_prefix.end(), octets.begin());
}

std::optional<Octets> octets_of_ipv4(const std::string& text) {
    Octets octets{};
    std::copy(mapped_prefix.begin(), mapped_prefix.end(), octets.begin());
    if (::inet_pton(AF_INET, text.c_str(), octets.data() + mapped_prefix.size()) != 1) {
        return std::nullopt;
    }
    return octets;
}

std::optional<Octets> octets_of_ipv6(const std::string& text) {
    Octets octets{};
    if (::inet_pton(AF_INET6, text.c_str(), octets.data()) != 1) {
        return std::nullopt;
    }
    return octets;
}

/// As the system or an MTA writes the address of a client.
std::optional<Octets> octets_of_client(std::string_view text) {
    constexpr std::string_view tag = "IPv6:";
    if (starts_with_ignoring_case(text, tag)) {
        text.remove_prefix(tag.size());
    }
    if (text.find(':') != std::string_view::npos) {
        text = text.substr(0, text.find('%'));
    }
    if (text.find('\0') != std::string_view::npos) {
        return std::nullopt; // inet_pton() would stop there
    }
    const std::string address(text);
    const auto ipv4 = octets_of_ipv4(address);
    return ipv4 ? ipv4 : octets_of_ipv6(address);
}

std::optional<unsigned> prefix_length(std::string_view digits, unsigned maximum) {
    unsigned length = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    const bool whole = error == std::errc() && end == digits.data() + digits.size();
    const bool leading_zero = digits.size() > 1 && digits.front() == '0';
    if (!whole || leading_zero || length > maximum) {
        return std::nullopt;
    }
    return length;
}

bool equal_bits(const Octets& left, const Octets& right, unsigned bits) {
    const auto whole = bits / 8;
    if (!std::equal(left.begin(), left.begin() + whole, right.begin())) {
        return false;
    }
    const auto rest = bits % 8;
    return rest == 0 || ((left[whole] ^ right[whole]) >> (8 - rest)) == 0;
}

/// All bits from `first` on are zero.
bool zero_from(const Octets& octets, unsigned first) {
    for (auto bit = first; bit < bits_max; ++bit) {
        if ((octets[bit / 8] >> (7 - bit % 8) & 1) != 0) {
            return false;
        }
    }
    return true;
}

std::string text_of(const Octets& octets, unsigned prefix_bits) {
    const bool ipv4 = is_mapped(octets) && prefix_bits >= mapped_bits;
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    if (ipv4) {
        ::inet_ntop(AF_INET, octets.data() + mapped_prefix.size(), buffer.data(), buffer.size());
    } else {
        ::inet_ntop(AF_INET6, octets.data(), buffer.data(), buffer.size());
    }
    if (prefix_bits == bits_max) {
        return buffer.data();
    }
    return fmt::format("{}/{}", buffer.data(), ipv4 ? prefix_bits - mapped_bits : prefix_bits);
}

} // namespace

std::optional<Network> Network::parse(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    const auto slash = text.find('/');
    std::string address(text.substr(0, slash));
    const bool bracketed = address.size() > 2 && address.front() == '[' && address.back() == ']';
    if (bracketed) {
        address = address.substr(1, address.size() - 2);
    }

    auto octets = bracketed ? std::nullopt : octets_of_ipv4(address);
    const unsigned family_bits = octets ? bits_max - mapped_bits : bits_max;
    if (!octets) {
        octets = octets_of_ipv6(address);
    }
    const auto length = slash == std::string_view::npos ? std::optional(family_bits)
                                                        : prefix_length(text.substr(slash + 1), family_bits);
    if (!octets || !length) {
        return std::nullopt;
    }

    Network network;
    network.octets_ = *octets;
    network.prefix_bits_ = bits_max - family_bits + *length;
    if (!zero_from(network.octets_, network.prefix_bits_)) {
        return std::nullopt;
    }
    network.text_ = text_of(network.octets_, network.prefix_bits_);
    return network;
}

bool Network::contains(std::string_view address) const {
    const auto octets = octets_of_client(address);
    if (!octets || (is_mapped(*octets) && prefix_bits_ < mapped_bits)) {
        return false;
    }
    return equal_bits(octets_, *octets, prefix_bits_);
}

bool is_ip_address(std::string_view text) {
    return octets_of_client(text).has_value();
}

bool is_loopback(std::string_view address) {
    static const auto ipv4 = Network::parse("127.0.0.0/8");
    static const auto ipv6 = Network::parse("::1");
    return ipv4->contains(address) || ipv6->contains(address);
}

} // namespace lockbox::policy
