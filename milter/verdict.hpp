// What the filter answers: values that compare in tests, applied to the MTA in one place.
#pragma once

#include "mail/header_edits.hpp"
#include "policy/route_secret.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lockbox::milter {

/// What a message that goes on is.
enum class Form { clear, sealed };

/// The field by which Postfix's milter_header_checks find out that Lockbox has let a message go on, and as
/// what. They look at a field at the moment in which a milter adds it, and at no other; so it is taken away
/// again at once, and never leaves (contrib/postfix, "Nothing leaves past Lockbox").
constexpr std::string_view route_field = "Lockbox-Route";

/// What to show to the routing.
struct Route {
    std::size_t foreign = 0; ///< fields of that name that came with the message: they are removed too
    std::string body;        ///< " WORD sealed": with its leading space
    bool operator==(const Route&) const = default;
};
[[nodiscard]] Route route_for(Form form, const policy::RouteSecret& secret, std::size_t foreign);

/// The message goes on as it is.
struct Pass {
    Form form = Form::clear;
    std::optional<Route> route = std::nullopt; ///< nullopt: nobody asks for it
    bool operator==(const Pass&) const = default;
};

/// The message goes on with this header section and this body for all its recipients.
struct Edit {
    mail::HeaderEdits header;
    std::string body;
    std::optional<Route> route = std::nullopt;
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

/// The message does not end here: neither refused nor deferred, nor replaced by copies.
[[nodiscard]] bool goes_on(const Verdict& verdict) noexcept;

/// The verdict with a route, where the message goes on.
[[nodiscard]] Verdict with_route(Verdict verdict, const policy::RouteSecret& secret, std::size_t foreign);

/// What a stranger is told when something of ours has failed.
[[nodiscard]] Defer defer_for_a_fault();

/// RFC 5321 §4.5.3.1.5 has 512 octets for a reply line with its code and CRLF; the MTA adds some of its own.
constexpr std::size_t reply_line_octets_max = 400;
constexpr std::size_t reply_lines_max = 30; ///< Sendmail takes 32

/// The text as reply lines: printable ASCII or UTF-8, one for each part that ends with a semicolon (a
/// recipient and why), or filled where these would be too many; broken between words. What does not fit is
/// counted in the last line.
[[nodiscard]] std::vector<std::string> reply_lines(std::string_view text);

} // namespace lockbox::milter
