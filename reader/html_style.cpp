#include "reader/html_style.hpp"

#include "base/ascii.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <string>

namespace lockbox::reader {
namespace {

/// Without comments and escapes, which browsers read (`display:n\6fne`): what has an escape says nothing.
std::string without_comments(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const auto begin = text.find("/*");
        result += text.substr(0, begin);
        if (begin == std::string_view::npos) {
            break;
        }
        const auto end = text.find("*/", begin + 2);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
    }
    return result;
}

/// "0", "0px", "0.0em", ".0", "0%"; also "1px" where `limit` is 1.
bool is_at_most(std::string_view value, double limit) {
    const std::string number(value.substr(0, value.find_first_not_of("+-.0123456789")));
    if (number.find_first_of("0123456789") == std::string::npos) {
        return false;
    }
    double amount = 0;
    const auto* const begin = number.data() + (number.front() == '+' ? 1 : 0);
    const auto [end, error] = std::from_chars(begin, number.data() + number.size(), amount);
    return error == std::errc() && end == number.data() + number.size() && amount <= limit;
}

using Declarations = std::map<std::string, std::string, std::less<>>;

Declarations declarations_in(std::string_view attribute) {
    constexpr std::size_t octets_max = 10'000;
    const auto text = lockbox::to_lower(without_comments(attribute.substr(0, octets_max)));
    Declarations declarations;
    Declarations important;
    std::string_view rest = text;
    while (!rest.empty()) {
        const auto end = std::min(rest.find(';'), rest.size());
        const auto declaration = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const auto colon = declaration.find(':');
        if (colon == std::string_view::npos) {
            continue;
        }
        const std::string name(trim(declaration.substr(0, colon)));
        auto value = trim(declaration.substr(colon + 1));
        if (const auto mark = value.find('!'); mark != std::string_view::npos) {
            important[name] = trim(value.substr(0, mark));
        } else if (!value.empty()) {
            declarations[name] = value;
        }
    }
    for (auto& [name, value] : important) {
        declarations[name] = value;
    }
    return declarations;
}

} // namespace

HtmlStyle html_style(std::string_view style_attribute) {
    const auto declarations = declarations_in(style_attribute);
    const auto value = [&](std::string_view name) -> std::string_view {
        const auto found = declarations.find(name);
        return found == declarations.end() ? std::string_view() : found->second;
    };
    const auto is_zero = [&](std::string_view name) { return is_at_most(value(name), 0); };
    const auto is_dot = [&](std::string_view name) { return is_at_most(value(name), 1); };
    HtmlStyle style;
    const bool is_clipped = value("overflow") == "hidden" || value("overflow") == "clip";
    const bool has_no_size =
        is_zero("max-height") || is_zero("height") || is_zero("max-width") || is_zero("width");
    style.is_gone = value("display") == "none" || value("mso-hide") == "all" || is_zero("opacity") ||
                    (is_clipped && has_no_size);
    if (const auto visibility = value("visibility"); !visibility.empty()) {
        style.is_invisible = visibility == "hidden" || visibility == "collapse";
    }
    if (const auto size = value("font-size"); !size.empty()) {
        // A share of nothing is nothing.
        const bool is_share = size.ends_with('%') || (size.ends_with("em") && !size.ends_with("rem")) ||
                              size == "inherit" || size == "larger" || size == "smaller" ||
                              size.ends_with("ex") || size.ends_with("ch");
        if (is_at_most(size, 0)) {
            style.is_tiny = true;
        } else if (!is_share) {
            style.is_tiny = false;
        }
    }
    if (const auto white_space = value("white-space"); !white_space.empty()) {
        style.is_preformatted = white_space.starts_with("pre") || white_space == "break-spaces";
    }
    style.is_dot = is_dot("width") || is_dot("height");
    return style;
}

} // namespace lockbox::reader
