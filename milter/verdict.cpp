#include "milter/verdict.hpp"

#include "base/ascii.hpp"

#include <algorithm>

namespace lockbox::milter {

Defer defer_for_a_fault() {
    return {{"451", "4.3.0", "Message cannot be processed now, please try again later"}};
}

std::vector<std::string> reply_lines(std::string_view text) {
    auto clean = printable(text, reply_line_octets_max * reply_lines_max);
    std::replace(clean.begin(), clean.end(), '%', '?');
    std::vector<std::string> lines;
    std::string_view rest = trim(clean);
    while (!rest.empty()) {
        if (lines.size() == reply_lines_max) {
            lines.back() = "and more: the mail server's log names them all";
            break;
        }
        auto octets = rest.size();
        if (octets > reply_line_octets_max) {
            const auto space = rest.rfind(' ', reply_line_octets_max);
            octets = space != std::string_view::npos && space > 0 ? space : reply_line_octets_max;
        }
        lines.emplace_back(trim(rest.substr(0, octets)));
        rest = trim(rest.substr(octets));
    }
    if (lines.empty()) {
        lines.emplace_back("no reason given");
    }
    return lines;
}

} // namespace lockbox::milter
