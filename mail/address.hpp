// Mailboxes: RFC 5321 §4.1.2 with RFC 6531's UTF-8, and the address lists of RFC 5322 §3.4.
#pragma once

#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockbox::mail {

constexpr std::size_t local_part_octets_max = 64; // RFC 5321 §4.5.3.1.1
constexpr std::size_t domain_octets_max = 255;    // RFC 5321 §4.5.3.1.2

/// An RFC 5321 Mailbox. Always valid: the only way to get one is parse().
///
/// The domain is kept normalised: A-labels (IDNA2008 through UTS #46), lower case, no final dot; an address
/// literal keeps its brackets. A quoted local part is kept without quotes where a dot-string would do
/// (RFC 5321 §4.1.2: "should be treated as equivalent"). Two addresses are equal when both are, byte for
/// byte.
class Address {
public:
    /// Exactly `local-part@domain`, no angle brackets, no white space around it. nullopt: not a Mailbox.
    [[nodiscard]] static std::optional<Address> parse(std::string_view text);

    /// What a MTA hands over as MAIL or RCPT argument: with or without angle brackets, white space around it
    /// and source routes dropped. nullopt also for the null reverse-path `<>` and for a local part without
    /// domain.
    [[nodiscard]] static std::optional<Address> parse_path(std::string_view text);

    /// Unquoted: the bytes the local part means.
    [[nodiscard]] const std::string& local_part() const noexcept { return local_part_; }
    [[nodiscard]] const std::string& domain() const noexcept { return domain_; }

    /// `local-part@domain`, quoted again where it must be. parse(to_string()) gives an equal address.
    [[nodiscard]] std::string to_string() const;

    /// to_string() with A-Z of the local part in lower case: what two spellings of one mailbox have in common
    /// in practice (RFC 5321 §2.4 leaves it to the receiving domain).
    [[nodiscard]] std::string folded() const;

    auto operator<=>(const Address&) const = default;

private:
    Address(std::string local_part, std::string domain)
        : local_part_(std::move(local_part)), domain_(std::move(domain)) {}
    std::string local_part_;
    std::string domain_;
};

/// A domain name as Address keeps it. nullopt: not a domain name.
[[nodiscard]] std::optional<std::string> normalised_domain(std::string_view text);

/// Every addr-spec in the body of a From, To, Cc, … field: comments, display names, groups, folding and
/// obsolete routes are read as RFC 5322 has them. What is not an address is passed over: never throws.
[[nodiscard]] std::vector<Address> addresses_in(std::string_view field_body);

} // namespace lockbox::mail
