#include "mail/line_ends.hpp"

namespace lockbox::mail {
namespace {

/// The place of the next LF that has no CR in front of it; npos: there is none.
std::size_t find_bare_lf(std::string_view text, std::size_t from) noexcept {
    for (auto at = text.find('\n', from); at != std::string_view::npos; at = text.find('\n', at + 1)) {
        if (at == 0 || text[at - 1] != '\r') {
            return at;
        }
    }
    return std::string_view::npos;
}

} // namespace

bool has_only_crlf(std::string_view text) noexcept {
    return find_bare_lf(text, 0) == std::string_view::npos;
}

std::string to_crlf(std::string_view text) {
    std::size_t bare = 0;
    for (auto at = find_bare_lf(text, 0); at != std::string_view::npos; at = find_bare_lf(text, at + 1)) {
        ++bare;
    }
    std::string result;
    result.reserve(text.size() + bare);
    std::size_t copied = 0;
    for (auto at = find_bare_lf(text, 0); at != std::string_view::npos; at = find_bare_lf(text, at + 1)) {
        result += text.substr(copied, at - copied);
        result += '\r';
        copied = at;
    }
    result += text.substr(copied);
    return result;
}

std::string to_lf(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    std::size_t copied = 0;
    for (auto at = text.find("\r\n"); at != std::string_view::npos; at = text.find("\r\n", at + 2)) {
        result += text.substr(copied, at - copied);
        copied = at + 1;
    }
    result += text.substr(copied);
    return result;
}

} // namespace lockbox::mail
