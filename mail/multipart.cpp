#include "mail/multipart.hpp"

#include "base/ascii.hpp"

#include <algorithm>
#include <string>

namespace lockbox::mail {
namespace {

/// Without the one line end at its end, which belongs to the delimiter.
std::string_view without_line_end(std::string_view text) noexcept {
    if (text.ends_with('\n')) {
        text.remove_suffix(text.ends_with("\r\n") ? 2U : 1U);
    }
    return text;
}

struct Delimiter {
    std::size_t begin = std::string_view::npos;
    std::size_t next = 0; ///< the line behind it
    bool closing = false;
};

/// Looks at the beginning of every line from `from` on, which is one.
Delimiter find_delimiter(std::string_view body, std::string_view dash_boundary, std::size_t from) noexcept {
    for (auto at = from; at < body.size();) {
        const auto lf = body.find('\n', at);
        const auto next = lf == std::string_view::npos ? body.size() : lf + 1;
        auto line = body.substr(at, next - at);
        if (line.starts_with(dash_boundary)) {
            line.remove_prefix(dash_boundary.size());
            const bool closing = line.starts_with("--");
            line.remove_prefix(closing ? 2U : 0U);
            if (all_space(line)) { // RFC 2046 §5.1.1: transport padding
                return {at, next, closing};
            }
        }
        at = next;
    }
    return {};
}

} // namespace

Multipart split_multipart(std::string_view body, std::string_view boundary) {
    Multipart cut;
    if (boundary.empty()) {
        cut.preamble = body;
        return cut;
    }
    const auto dash_boundary = "--" + std::string(boundary);
    auto delimiter = find_delimiter(body, dash_boundary, 0);
    cut.preamble = body.substr(0, delimiter.begin);
    while (delimiter.begin != std::string_view::npos && !delimiter.closing && cut.parts.size() < parts_max) {
        const auto part_begin = delimiter.next;
        delimiter = find_delimiter(body, dash_boundary, part_begin);
        const auto part_end = std::min(delimiter.begin, body.size());
        const auto part = body.substr(part_begin, part_end - part_begin);
        cut.parts.push_back(delimiter.begin == std::string_view::npos ? part : without_line_end(part));
    }
    if (delimiter.closing) {
        cut.closed = true;
        cut.epilogue = body.substr(delimiter.next);
    }
    return cut;
}

} // namespace lockbox::mail
