// IP networks in CIDR notation.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lockbox::policy {

class Network {
public:
    /// `192.0.2.0/24`, `2001:db8::/32`, `[2001:db8::]/32` or a single address. nullopt: not a network, or
    /// bits set behind the prefix.
    [[nodiscard]] static std::optional<Network> parse(std::string_view text);

    /// False for text that is no IP address. An IPv4-mapped IPv6 address counts as the IPv4 address, and no
    /// network of IPv6 contains it, not even `::/0`. `IPv6:` before an address (RFC 5321 §4.1.3) and `%zone`
    /// behind one (RFC 4007 §11) are passed over.
    [[nodiscard]] bool contains(std::string_view address) const;

    /// In one form for all ways to write it: no brackets, RFC 5952, no prefix length for a single address.
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    bool operator==(const Network&) const = default;

private:
    Network() = default;
    std::array<std::uint8_t, 16> octets_{}; ///< IPv4 as ::ffff:a.b.c.d
    unsigned prefix_bits_ = 0;
    std::string text_;
};

/// Whether the text is an IP address that Network::contains() can read.
[[nodiscard]] bool is_ip_address(std::string_view text);

/// In 127.0.0.0/8 (RFC 1122 §3.2.1.3) or ::1 (RFC 4291 §2.5.3).
[[nodiscard]] bool is_loopback(std::string_view address);

} // namespace lockbox::policy
