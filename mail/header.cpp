#include "mail/header.hpp"

#include "base/ascii.hpp"

#include <algorithm>

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

/// The line as a field; nullopt: it can be none. White space before the colon is RFC 5322's obs-optional.
std::optional<HeaderField> field_in(std::string_view line) {
    const auto name_end = static_cast<std::size_t>(
        std::find_if_not(line.begin(), line.end(), [](char c) { return is_ftext(c); }) - line.begin());
    const auto colon = std::min(line.find_first_not_of(" \t", name_end), line.size());
    if (name_end == 0 || colon == line.size() || line[colon] != ':') {
        return std::nullopt;
    }
    return HeaderField{std::string(line.substr(0, name_end)), std::string(line.substr(colon + 1))};
}

} // namespace

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
