#include "milter/verdict.hpp"

#include "base/ascii.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace lockbox::milter {

Route route_for(Form form, const policy::RouteSecret& secret, std::size_t foreign) {
    return {foreign, fmt::format(" {} {}", secret.expose(), form == Form::sealed ? "sealed" : "clear")};
}

bool goes_on(const Verdict& verdict) noexcept {
    return std::holds_alternative<Pass>(verdict) || std::holds_alternative<Edit>(verdict);
}

Verdict with_route(Verdict verdict, const policy::RouteSecret& secret, std::size_t foreign) {
    if (auto* pass = std::get_if<Pass>(&verdict)) {
        pass->route = route_for(pass->form, secret, foreign);
    } else if (auto* edit = std::get_if<Edit>(&verdict)) {
        edit->route = route_for(Form::sealed, secret, foreign);
    }
    return verdict;
}

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
