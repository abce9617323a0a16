// Addresses: the Mailbox of RFC 5321 §4.1.2 with RFC 6531's UTF-8. Lists of them: mail/mailboxes.hpp.
#pragma once

#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace lockbox::mail {

/// What an Address may hold. RFC 5321 §4.5.3.1.1 makes every server take 64 octets and asks for no limit;
/// reply tokens are longer, and MTAs deliver to them.
constexpr std::size_t local_part_octets_max = 255;
constexpr std::size_t domain_octets_max = 255; // RFC 5321 §4.5.3.1.2

/// An RFC 5321 Mailbox. Always valid: the only way to get one is parse().
///
/// The domain is kept normalised: A-labels (IDNA2008 through UTS #46), lower case, no final dot; an address
/// literal keeps its brackets. A quoted local part is kept without quotes where a dot-string would do
/// (RFC 5321 §4.1.2: "should be treated as equivalent"), and in Unicode's form C (RFC 6532 §3.1). Two
/// addresses are equal when both are, byte for byte.
class Address {
public:
    /// Exactly `local-part@domain`, no angle brackets, no white space around it. nullopt: not a Mailbox.
    [[nodiscard]] static std::optional<Address> parse(std::string_view text);

    /// The mailbox of a path as an MTA hands it to a milter, with or without angle brackets, where every MTA
    /// delivers to that very mailbox. nullopt: the MTA may clean, rewrite or complete the path later, so
    /// nobody can tell from it who gets the message. That is everything but `local-part@domain` in the strict
    /// grammar of RFC 5321 §4.1.2: white space, comments, names, source routes, and also
    /// - a local part with `%`, `!` or `@`, quoted or not: Postfix and Sendmail read another domain in it
    ///   where the domain behind it is their own;
    /// - a quoted local part outside of angle brackets: Postfix's sendmail(1) takes the quotes away, so what
    ///   looks like quotes there is part of the name;
    /// - a domain of one label, which MTAs complete with their own domain, but for `localhost`. The full
    ///   stops of other scripts do not count, because they do not count for Postfix;
    /// - a domain that ends in `.uucp`, which Sendmail takes for a UUCP host.
    ///
    /// Also nullopt for the null reverse-path `<>`.
    [[nodiscard]] static std::optional<Address> parse_path(std::string_view text);

    /// Unquoted: the bytes the local part means.
    [[nodiscard]] const std::string& local_part() const noexcept { return local_part_; }
    [[nodiscard]] const std::string& domain() const noexcept { return domain_; }

    /// `local-part@domain`, quoted again where it must be. parse(to_string()) gives an equal address.
    [[nodiscard]] std::string to_string() const;

    /// to_string() with the case of the local part folded, whatever its script: what two spellings of one
    /// mailbox have in common in practice (RFC 5321 §2.4 leaves it to the receiving domain).
    [[nodiscard]] std::string folded() const;

    /// The address without what follows the first `separator` of the local part (RFC 5233). nullopt: there is
    /// none, or nothing stands before it.
    [[nodiscard]] std::optional<Address> without_extension(char separator) const;

    auto operator<=>(const Address&) const = default;

private:
    Address(std::string local_part, std::string domain)
        : local_part_(std::move(local_part)), domain_(std::move(domain)) {}
    std::string local_part_;
    std::string domain_;
};

/// What a path names that is not `local-part@domain` and that the MTA completes with a domain of its own.
struct IncompletePath {
    std::string local_part;
    std::string domain; ///< of one label; empty: the path is a plain local name such as `root`
};

/// nullopt: the path is no dot-string, alone or with a domain of one label, or has `%` or `!` in it.
[[nodiscard]] std::optional<IncompletePath> incomplete_path(std::string_view text);

/// A domain name as Address keeps it. nullopt: not a domain name.
[[nodiscard]] std::optional<std::string> normalised_domain(std::string_view text);

} // namespace lockbox::mail
