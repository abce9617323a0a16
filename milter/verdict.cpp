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

namespace {

/// Appends the text, broken between words where it is too long for a line.
void add_broken(std::vector<std::string>& lines, std::string_view rest) {
    rest = trim(rest);
    while (!rest.empty()) {
        auto octets = rest.size();
        if (octets > reply_line_octets_max) {
            const auto space = rest.rfind(' ', reply_line_octets_max);
            octets = space != std::string_view::npos && space > 0 ? space : reply_line_octets_max;
        }
        lines.emplace_back(trim(rest.substr(0, octets)));
        rest = trim(rest.substr(octets));
    }
}

/// The same with a new line after each semicolon: one for each recipient concerned.
std::vector<std::string> one_for_each(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const auto end = text.find("; ");
        const auto octets = end == std::string_view::npos ? text.size() : end + 1;
        add_broken(lines, text.substr(0, octets));
        text.remove_prefix(octets);
    }
    return lines;
}

} // namespace

std::vector<std::string> reply_lines(std::string_view text) {
    const auto clean = printable(text, reply_line_octets_max * reply_lines_max);
    auto lines = one_for_each(clean);
    if (lines.size() > reply_lines_max) {
        lines.clear();
        add_broken(lines, clean);
    }
    if (lines.size() > reply_lines_max) {
        lines.resize(reply_lines_max);
        lines.back() = "and more: the mail server's log names them all";
    }
    if (lines.empty()) {
        lines.emplace_back("no reason given");
    }
    return lines;
}

} // namespace lockbox::milter
