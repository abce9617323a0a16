// What an SMTP server answers (RFC 5321 §4.2), read from bytes however they are cut.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::milter {

/// Four times RFC 5321 §4.5.3.1.5, code and line end included: a limit for nonsense.
constexpr std::size_t smtp_reply_line_octets_max = 2048;
constexpr std::size_t smtp_reply_lines_max = 200;

struct SmtpReply {
    unsigned code = 0;              ///< 200 to 599
    std::vector<std::string> lines; ///< at least one; without the code

    [[nodiscard]] bool is_positive() const noexcept { return code / 100 == 2; }
    [[nodiscard]] bool is_intermediate() const noexcept { return code / 100 == 3; }
    [[nodiscard]] bool is_permanent() const noexcept { return code / 100 == 5; }
    /// "550 5.1.1 no such user": printable, on one line.
    [[nodiscard]] std::string to_string() const;
    bool operator==(const SmtpReply&) const = default;
};

/// The keywords of an EHLO reply in upper case, each with what follows it.
using SmtpExtensions = std::map<std::string, std::string>;

/// RFC 5321 §4.1.1.1: the first line is a greeting, every other a keyword. What has none is passed over.
[[nodiscard]] SmtpExtensions extensions_in(const SmtpReply& ehlo_reply);

/// Bytes in, replies out.
class SmtpReplyReader {
public:
    void add(std::string_view bytes);
    /// The next whole reply; nullopt: there is none yet. Throws Error(malformed) when what came is no SMTP;
    /// nothing can be read afterwards.
    [[nodiscard]] std::optional<SmtpReply> next();
    /// More has come than the replies that were read.
    [[nodiscard]] bool has_unread() const noexcept { return !unread_.empty() || !begun_.lines.empty(); }

private:
    [[nodiscard]] std::optional<std::string> next_line();

    std::string unread_;
    SmtpReply begun_;
};

} // namespace lockbox::milter
