// BER (X.690): as much of it as it takes to walk through a CMS structure without believing it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lockbox::mail::ber {

constexpr unsigned integer = 0x02;
constexpr unsigned octet_string = 0x04;
constexpr unsigned object_identifier = 0x06;
constexpr unsigned octet_string_in_pieces = 0x24;
constexpr unsigned sequence = 0x30;
constexpr unsigned set = 0x31;
constexpr unsigned content = 0xa0; ///< [0], constructed

/// Identifier and length octets (X.690 §8.1). Tags above 30 do not occur in what is read here.
struct Header {
    unsigned tag = 0;
    std::size_t octets = 0; ///< of the header itself
    std::size_t length = 0;
    bool indefinite = false;
};
[[nodiscard]] std::optional<Header> header(std::string_view bytes) noexcept;

/// How many octets the first element has, all its contents included. nullopt: it is not complete.
[[nodiscard]] std::optional<std::size_t> extent(std::string_view bytes) noexcept;

class Reader {
public:
    explicit Reader(std::string_view bytes) noexcept : rest_(bytes) {}

    /// The next element has that tag.
    [[nodiscard]] bool at(unsigned tag) const noexcept;
    /// Steps into an element of that tag.
    std::optional<Header> enter(unsigned tag) noexcept;
    /// Steps over one.
    bool skip(unsigned tag) noexcept;
    /// Steps over one of definite length and gives its contents.
    std::optional<std::string_view> take(unsigned tag) noexcept;

    [[nodiscard]] std::string_view rest() const noexcept { return rest_; }

private:
    std::string_view rest_;
};

/// The contents of an OBJECT IDENTIFIER: "1.2.840.113549.1.7.1". Empty: they are none.
[[nodiscard]] std::string dotted_decimal(std::string_view oid);

} // namespace lockbox::mail::ber
