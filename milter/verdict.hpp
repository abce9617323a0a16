// What the filter answers: values that compare in tests, applied to the MTA in one place.
#pragma once

#include "mail/header_edits.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lockbox::milter {

/// The message goes on unchanged.
struct Pass {
    bool operator==(const Pass&) const = default;
};

/// The message goes on with this header section and this body for all its recipients.
struct Edit {
    mail::HeaderEdits header;
    std::string body;
    bool operator==(const Edit&) const = default;
};

/// Every recipient has got their own copy of it: the original goes no further, and its client is told that
/// all is well.
struct Discard {
    bool operator==(const Discard&) const = default;
};

/// An SMTP reply: RFC 5321 §4.2 with an enhanced status code (RFC 3463).
struct Reply {
    std::string code;          ///< "451"
    std::string enhanced_code; ///< "4.3.0"; its class is that of the code
    std::string text;          ///< for strangers: a category, or the recipients concerned with their reasons
    bool operator==(const Reply&) const = default;
};

/// 4xx: the sender will try again; nothing leaves.
struct Defer {
    Reply reply;
    bool operator==(const Defer&) const = default;
};

/// 5xx: the sender gets a bounce; nothing leaves.
struct Refuse {
    Reply reply;
    bool operator==(const Refuse&) const = default;
};

using Verdict = std::variant<Pass, Edit, Discard, Defer, Refuse>;

/// What a stranger is told when something of ours has failed.
[[nodiscard]] Defer defer_for_a_fault();

/// RFC 5321 §4.5.3.1.5 has 512 octets for a reply line with its code and CRLF; the MTA adds some of its own.
constexpr std::size_t reply_line_octets_max = 400;
constexpr std::size_t reply_lines_max = 30; ///< libmilter takes 32

/// The text as reply lines: printable ASCII or UTF-8, no `%` (which libmilter takes for a format), broken
/// between words. What does not fit is counted in the last line.
[[nodiscard]] std::vector<std::string> reply_lines(std::string_view text);

} // namespace lockbox::milter
