#include "milter/smtp_reply.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace lockbox::milter {
namespace {

constexpr std::size_t code_octets = 3;

/// nullopt: no reply code. RFC 5321 §4.2.1 knows none that begins with 1.
std::optional<unsigned> code_of(std::string_view line) {
    if (line.size() < code_octets || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) ||
        !is_digit(line[2])) {
        return std::nullopt;
    }
    return static_cast<unsigned>((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
}

[[noreturn]] void no_reply(std::string_view line) {
    throw Error(ErrorKind::malformed, fmt::format("what it answers is no SMTP reply: {}", printable(line)));
}

} // namespace

std::string SmtpReply::to_string() const {
    auto text = std::to_string(code);
    for (const auto& line : lines) {
        text += ' ';
        text += line;
    }
    return printable(text);
}

SmtpExtensions extensions_in(const SmtpReply& ehlo_reply) {
    SmtpExtensions extensions;
    for (std::size_t i = 1; i < ehlo_reply.lines.size(); ++i) {
        const auto line = trim(ehlo_reply.lines[i]);
        const auto end = std::min(line.find_first_of(" ="), line.size()); // "AUTH=LOGIN" of old servers
        auto keyword = std::string(line.substr(0, end));
        std::transform(keyword.begin(), keyword.end(), keyword.begin(), to_upper);
        if (!keyword.empty()) {
            extensions[std::move(keyword)] = trim(line.substr(std::min(end + 1, line.size())));
        }
    }
    return extensions;
}

void SmtpReplyReader::add(std::string_view bytes) {
    unread_ += bytes;
}

std::optional<std::string> SmtpReplyReader::next_line() {
    const auto lf = unread_.find('\n');
    if (std::min(lf, unread_.size()) >= smtp_reply_line_octets_max) {
        throw Error(ErrorKind::malformed,
                    fmt::format("a line of its reply is longer than {} octets", smtp_reply_line_octets_max));
    }
    if (lf == std::string::npos) {
        return std::nullopt;
    }
    auto line = unread_.substr(0, lf);
    unread_.erase(0, lf + 1);
    if (!line.empty() && line.back() == '\r') {
        line.pop_back();
    }
    return line;
}

std::optional<SmtpReply> SmtpReplyReader::next() {
    while (const auto line = next_line()) {
        const auto code = code_of(*line);
        const char separator = line->size() > code_octets ? (*line)[code_octets] : ' ';
        if (!code || (separator != ' ' && separator != '-')) {
            no_reply(*line);
        }
        if (!begun_.lines.empty() && *code != begun_.code) {
            no_reply(*line); // RFC 5321 §4.2.1: the same on every line
        }
        begun_.code = *code;
        begun_.lines.push_back(line->substr(std::min(code_octets + 1, line->size())));
        if (separator == ' ') {
            return std::exchange(begun_, {});
        }
        if (begun_.lines.size() >= smtp_reply_lines_max) {
            throw Error(ErrorKind::malformed,
                        fmt::format("its reply has more than {} lines", smtp_reply_lines_max));
        }
    }
    return std::nullopt;
}

} // namespace lockbox::milter
