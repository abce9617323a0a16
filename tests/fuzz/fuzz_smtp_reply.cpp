// Replies do not depend on how they were cut, keep their limits, and are printable when shown.
#include "base/ascii.hpp"
#include "base/error.hpp"
#include "milter/smtp_reply.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>

using namespace lockbox;
using namespace lockbox::milter;

namespace {

constexpr std::size_t replies_max = 1000; // enough to be busy with

struct Read {
    std::vector<SmtpReply> replies;
    bool failed = false;
    bool operator==(const Read&) const = default;
};

Read read(std::string_view text, std::size_t piece) {
    SmtpReplyReader reader;
    Read read;
    try {
        for (std::size_t at = 0; at < text.size() && read.replies.size() < replies_max; at += piece) {
            reader.add(text.substr(at, piece));
            while (auto reply = reader.next()) {
                read.replies.push_back(*std::move(reply));
            }
        }
    } catch (const Error& error) {
        fuzz::require(error.kind() == ErrorKind::malformed);
        read.failed = true;
    }
    return read;
}

void check(const SmtpReply& reply) {
    fuzz::require(reply.code >= 200 && reply.code < 600);
    fuzz::require(!reply.lines.empty() && reply.lines.size() <= smtp_reply_lines_max);
    for (const auto& line : reply.lines) {
        fuzz::require(line.size() < smtp_reply_line_octets_max && line.find('\n') == std::string::npos);
    }
    const auto shown = reply.to_string();
    fuzz::require(std::none_of(shown.begin(), shown.end(), is_control) && is_utf8(shown));
    for (const auto& [keyword, value] : extensions_in(reply)) {
        fuzz::require(!keyword.empty() && keyword.find_first_of(" =") == std::string::npos);
        fuzz::require(trim(value) == value);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text(data, size);
    const auto whole = read(text, std::max<std::size_t>(size, 1));
    for (const auto& reply : whole.replies) {
        check(reply);
    }
    if (whole.replies.size() < replies_max) {
        fuzz::require(read(text, 1) == whole && read(text, 7) == whole);
    }
    return 0;
}
