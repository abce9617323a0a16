#include "mail/header.hpp"

#include "base/ascii.hpp"

#include <algorithm>
#include <stdexcept>

namespace lockbox::mail {
namespace {

/// RFC 5322 §3.6.8.
bool is_ftext(char c) noexcept {
    return c > ' ' && c < '\x7f' && c != ':';
}

/// A line without its line end, and where the next one begins.
struct Line {
    std::string_view text;
    std::size_t next = 0;
};

Line line_at(std::string_view bytes, std::size_t at) noexcept {
    const auto lf = bytes.find('\n', at);
    if (lf == std::string_view::npos) {
        return {bytes.substr(at), bytes.size()};
    }
    const auto end = lf > at && bytes[lf - 1] == '\r' ? lf - 1 : lf;
    return {bytes.substr(at, end - at), lf + 1};
}

/// The line as a field; nullopt: it can be none.
std::optional<HeaderField> field_in(std::string_view line) {
    const auto colon = line.find(':');
    const auto name = field_name(line.substr(0, std::min(colon, line.size())));
    if (!name || colon == std::string_view::npos) {
        return std::nullopt;
    }
    return HeaderField{std::string(*name), std::string(line.substr(colon + 1))};
}

} // namespace

std::optional<std::string_view> field_name(std::string_view before_colon) noexcept {
    while (!before_colon.empty() && is_blank(before_colon.back())) {
        before_colon.remove_suffix(1);
    }
    const bool is_name =
        !before_colon.empty() && std::all_of(before_colon.begin(), before_colon.end(), is_ftext);
    return is_name ? std::optional(before_colon) : std::nullopt;
}

HeaderField::HeaderField(std::string its_name, std::string its_body)
    : name(std::move(its_name)), body(std::move(its_body)) {
    if (field_name(name) != std::string_view(name)) {
        throw std::invalid_argument("'" + printable(name) + "' is not the name of a header field");
    }
}

std::optional<std::string> HeaderSection::first(std::string_view name) const {
    for (const auto& field : fields_) {
        if (equal_ignoring_case(field.name, name)) {
            return unfold(field.body);
        }
    }
    return std::nullopt;
}

std::vector<std::string_view> HeaderSection::all(std::string_view name) const {
    std::vector<std::string_view> bodies;
    for (const auto& field : fields_) {
        if (equal_ignoring_case(field.name, name)) {
            bodies.emplace_back(field.body);
        }
    }
    return bodies;
}

std::size_t HeaderSection::count(std::string_view name) const {
    return static_cast<std::size_t>(
        std::count_if(fields_.begin(), fields_.end(),
                      [&](const HeaderField& field) { return equal_ignoring_case(field.name, name); }));
}

std::string HeaderSection::to_string() const {
    std::size_t octets = 0;
    for (const auto& field : fields_) {
        octets += field.name.size() + field.body.size() + 3;
    }
    std::string text;
    text.reserve(octets);
    for (const auto& field : fields_) {
        text += field.name;
        text += ':';
        text += field.body;
        text += "\r\n";
    }
    return text;
}

bool begins_with_mbox_line(std::string_view bytes) noexcept {
    constexpr std::string_view from = "From ";
    if (!bytes.starts_with(from)) {
        return false;
    }
    const auto next = bytes.find_first_not_of(" \t", from.size());
    return next == std::string_view::npos || bytes[next] != ':'; // else a field (RFC 5322 §4.5.2, obs-from)
}

MessageView MessageView::parse(std::string_view bytes) {
    std::size_t at = 0;
    if (begins_with_mbox_line(bytes)) {
        at = line_at(bytes, 0).next;
    }
    std::vector<HeaderField> fields;
    while (at < bytes.size()) {
        const auto line = line_at(bytes, at);
        if (line.text.empty()) {
            at = line.next;
            break;
        }
        if (is_blank(line.text.front()) && !fields.empty()) {
            auto& body = fields.back().body;
            body += "\r\n";
            body += line.text;
        } else if (auto field = field_in(line.text)) {
            fields.push_back(std::move(*field));
        } else {
            break;
        }
        at = line.next;
    }
    return {HeaderSection(std::move(fields)), bytes.substr(at)};
}

Message Message::parse(std::string_view bytes) {
    auto view = MessageView::parse(bytes);
    return {std::move(view.header), std::string(view.body)};
}

std::string unfold(std::string_view field_body) {
    std::string text;
    const auto body = trim(field_body);
    text.reserve(body.size());
    for (std::size_t i = 0; i < body.size(); ++i) {
        const auto line_end = body.substr(i).starts_with("\r\n") ? 2U : body[i] == '\n' ? 1U : 0U;
        if (line_end > 0 && i + line_end < body.size() && is_blank(body[i + line_end])) {
            i += line_end;
        }
        text += body[i];
    }
    return text;
}

bool is_structural(std::string_view field_name) noexcept {
    return starts_with_ignoring_case(field_name, "Content-") ||
           equal_ignoring_case(field_name, "MIME-Version");
}

} // namespace lockbox::mail
