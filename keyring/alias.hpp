// Aliases: an address that stands for other addresses, or an address or a domain that stands for a
// certificate.
#pragma once

#include "keyring/entry.hpp"
#include "mail/address.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockbox::keyring {

constexpr std::size_t alias_members_max = 1000; ///< of one alias
/// Addresses that one recipient may become, aliases on the way to them counted too.
constexpr std::size_t alias_expansion_max = 1000;
constexpr std::size_t alias_depth_max = 10; ///< aliases between a recipient and who gets the message

/// What an alias is called: an address, or `@domain` for every address of that domain and of no other.
class AliasName {
public:
    /// nullopt: neither.
    [[nodiscard]] static std::optional<AliasName> parse(std::string_view text);
    [[nodiscard]] static AliasName of(const mail::Address& address);
    [[nodiscard]] static AliasName of_domain(const mail::Address& address);

    [[nodiscard]] bool is_domain() const noexcept { return text_.front() == '@'; }
    /// Normalised: parse(text()) gives an equal name.
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    /// The same for names that differ in nothing but the case of A-Z: only one of these can be an alias.
    [[nodiscard]] const std::string& folded() const noexcept { return folded_; }
    bool operator==(const AliasName&) const = default;

private:
    AliasName(std::string text, std::string folded) : text_(std::move(text)), folded_(std::move(folded)) {}
    std::string text_;
    std::string folded_;
};

/// It stands for its members or for its certificate: one of them is there.
struct Alias {
    AliasName name;
    std::vector<mail::Address> members; ///< each once, in the order in which they were added
    std::optional<Entry> certificate;
    bool operator==(const Alias&) const = default;
};

/// All that a keyring knows about an address.
struct Known {
    std::vector<Bound> bound;          ///< as Keyring::find() returns them
    std::optional<Alias> alias;        ///< its own
    std::optional<Alias> domain_alias; ///< its domain's: always one that stands for a certificate
    bool operator==(const Known&) const = default;
};

/// Somebody an address comes down to.
struct Member {
    mail::Address address;
    std::vector<mail::Address> via; ///< the aliases on the way, outermost first; empty: the address itself
    bool operator==(const Member&) const = default;
};

struct Expansion {
    std::vector<Member> members; ///< each address once, by the first way to it
    std::string problem;         ///< why the alias cannot be used; otherwise empty
    bool operator==(const Expansion&) const = default;
};

/// The alias that holds for an address; null: none. What it points to must last as long as the expansion.
using AliasLookup = std::function<const Alias*(const mail::Address&)>;

/// Who gets what is sent to the address: itself where it is no alias for others, otherwise the members of its
/// alias, and theirs. `alias_of` is asked about the address and about every address that is found on the way.
[[nodiscard]] Expansion expand(const mail::Address& address, const AliasLookup& alias_of);

} // namespace lockbox::keyring
