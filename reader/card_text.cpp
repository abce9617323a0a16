#include "reader/card_text.hpp"

#include "base/ascii.hpp"
#include "mail/charset.hpp"
#include "mail/transfer_encoding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace lockbox::reader {
namespace {

struct Field {
    std::string name;       ///< lower case, without its group
    std::string parameters; ///< lower case
    std::string_view value;
};

struct Label {
    std::string_view name;
    std::string_view words;
};
constexpr std::array<Label, 11> labels{{{"fn", "Name"},
                                        {"nickname", "Nickname"},
                                        {"org", "Organization"},
                                        {"title", "Title"},
                                        {"role", "Role"},
                                        {"email", "Mail"},
                                        {"tel", "Telephone"},
                                        {"adr", "Address"},
                                        {"url", "Page"},
                                        {"bday", "Birthday"},
                                        {"note", "Note"}}};

/// RFC 6350 §3.2; of version 2.1 also the soft line ends of quoted-printable.
std::string unfolded(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    std::size_t line_begin = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\r') {
            continue;
        }
        if (text[at] != '\n') {
            result += text[at];
            continue;
        }
        if (at + 1 < text.size() && is_blank(text[at + 1])) {
            ++at;
            continue;
        }
        const auto line = lockbox::to_lower(std::string_view(result).substr(line_begin, 200));
        if (result.ends_with('=') && line.find("quoted-printable") != std::string::npos) {
            result.pop_back();
            continue;
        }
        result += '\n';
        line_begin = result.size();
    }
    return result;
}

std::optional<Field> field_in(std::string_view line) {
    bool is_quoted = false;
    const auto* const colon = std::find_if(line.begin(), line.end(), [&](char c) {
        is_quoted = is_quoted != (c == '"');
        return c == ':' && !is_quoted;
    });
    if (colon == line.end()) {
        return std::nullopt;
    }
    const auto head = line.substr(0, static_cast<std::size_t>(colon - line.begin()));
    auto name = head.substr(0, head.find(';'));
    if (const auto dot = name.rfind('.'); dot != std::string_view::npos) {
        name.remove_prefix(dot + 1);
    }
    return Field{lockbox::to_lower(trim(name)),
                 lockbox::to_lower(head.substr(std::min(head.find(';'), head.size()))),
                 line.substr(head.size() + 1)};
}

std::string value_of(const Field& field) {
    std::string bytes(field.value);
    if (field.parameters.find("quoted-printable") != std::string::npos) { // version 2.1, with its charset
        constexpr std::string_view charset_is = "charset=";
        const auto at = field.parameters.find(charset_is);
        const auto charset = at == std::string::npos
                                 ? std::string_view()
                                 : std::string_view(field.parameters).substr(at + charset_is.size());
        bytes = mail::to_utf8(mail::transfer_decoded(bytes, mail::TransferEncoding::quoted_printable),
                              charset.substr(0, charset.find(';')))
                    .text;
    } else if (field.parameters.find("encoding=b") != std::string::npos) {
        return {};
    }
    std::string text;
    for (std::size_t at = 0; at < bytes.size() && text.size() < card_value_octets_max; ++at) {
        const char c = bytes[at];
        if (c == '\\' && at + 1 < bytes.size()) {
            const char next = bytes[++at];
            text += next == 'n' || next == 'N' ? ' ' : next;
        } else if (c == ';') { // between the parts of a name or an address
            text += text.empty() || text.ends_with(", ") ? "" : ", ";
        } else {
            text += is_space(c) ? ' ' : c;
        }
    }
    while (text.ends_with(',') || text.ends_with(' ')) {
        text.pop_back();
    }
    return text;
}

} // namespace

std::optional<std::string> card_text(std::string_view vcard) {
    const auto lines = unfolded(vcard.substr(0, card_octets_max));
    std::string text;
    std::size_t written = 0;
    bool is_in_card = false;
    bool was_card = false;
    std::string structured_name; // where there is no formatted one
    bool has_name = false;
    const auto add = [&](std::string_view words, const std::string& value) {
        if (!value.empty() && written++ < card_lines_max) {
            text += fmt::format("{:<14}{}\n", std::string(words) + ':', value);
        }
    };
    for (std::string_view rest = lines; !rest.empty();) {
        const auto end = std::min(rest.find('\n'), rest.size());
        const auto field = field_in(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (!field) {
            continue;
        }
        if (field->name == "begin" && equal_ignoring_case(trim(field->value), "VCARD")) {
            text += text.empty() ? "" : "\n";
            is_in_card = was_card = true;
            has_name = false;
            structured_name.clear();
        } else if (field->name == "end" && is_in_card) {
            add("Name", has_name ? std::string() : structured_name);
            is_in_card = false;
        } else if (is_in_card && field->name == "n") {
            structured_name = value_of(*field);
        } else if (is_in_card) {
            const auto* const label = std::find_if(
                labels.begin(), labels.end(), [&](const Label& known) { return known.name == field->name; });
            if (label != labels.end()) {
                has_name = has_name || field->name == "fn";
                add(label->words, value_of(*field));
            }
        }
    }
    return was_card ? std::optional<std::string>(std::move(text)) : std::nullopt;
}

} // namespace lockbox::reader
