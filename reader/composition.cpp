#include "reader/composition.hpp"

#include "base/ascii.hpp"
#include "mail/base64_lines.hpp"
#include "mail/content_type.hpp"
#include "mail/restoration.hpp"
#include "mail/transfer_encoding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace lockbox::reader {
namespace {

using mail::Entity;
using mail::TransferEncoding;

constexpr std::string_view legacy_display_parameter = "hp-legacy-display";

std::string base64_lines(std::string_view bytes) {
    std::string text;
    mail::Base64LineWriter lines(text);
    lines.write(bytes);
    lines.finish();
    return text;
}

// --------------------------------------------------------------------------------------------- legacy
// display

/// RFC 9788 §4.5.3.2: the lines up to and with the first empty one.
std::optional<std::string_view> without_lines(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto lf = text.find('\n', at);
        const auto line = text.substr(at, lf == std::string_view::npos ? lf : lf - at);
        if (trim(line).empty()) {
            return lf == std::string_view::npos ? std::string_view() : text.substr(lf + 1);
        }
        if (lf == std::string_view::npos) {
            break;
        }
        at = lf + 1;
    }
    return std::nullopt;
}

std::size_t find_ignoring_case(std::string_view text, std::string_view lower_case) {
    return lockbox::to_lower(text).find(lower_case);
}

/// RFC 9788 §4.5.3.3: the div of that class, first in the body.
std::optional<std::pair<std::size_t, std::size_t>> legacy_display_div(std::string_view html) {
    constexpr std::string_view div_begin = "<div class=\"header-protection-legacy-display\">";
    constexpr std::string_view div_end = "</div>";
    std::size_t begin = 0;
    if (const auto body = find_ignoring_case(html, "<body"); body != std::string_view::npos) {
        const auto end = html.find('>', body);
        if (end == std::string_view::npos) {
            return std::nullopt;
        }
        begin = end + 1;
    }
    while (begin < html.size() && is_space(html[begin])) {
        ++begin;
    }
    if (!html.substr(begin).starts_with(div_begin)) {
        return std::nullopt;
    }
    const auto end = find_ignoring_case(html.substr(begin), div_end);
    return end == std::string_view::npos ? std::nullopt
                                         : std::optional(std::pair(begin, begin + end + div_end.size()));
}

std::optional<Secret> without_display(std::string_view content, bool is_html) {
    if (!is_html) {
        const auto rest = without_lines(content);
        return rest ? std::optional(Secret(std::string(*rest))) : std::nullopt;
    }
    const auto div = legacy_display_div(content);
    if (!div) {
        return std::nullopt;
    }
    Secret rest(std::string(content.substr(0, div->first)));
    rest.append(content.substr(div->second));
    return rest;
}

/// nullopt: the part has no such element, whatever it says.
std::optional<Secret> without_display(const Entity& part) {
    const bool is_encoded = mail::transfer_encoding_of(part.header) != TransferEncoding::identity;
    const Secret decoded(is_encoded ? part.decoded() : std::string(part.body));
    const auto rest = without_display(decoded.expose(), part.media_type == "text/html");
    if (!rest) {
        return std::nullopt;
    }
    mail::HeaderSection header;
    for (const auto& field : part.header.fields()) {
        if (equal_ignoring_case(field.name, "Content-Type")) {
            header.add(
                field.name,
                mail::with_parameters(field.body, {legacy_display_parameter}, "").value_or(field.body));
        } else if (is_encoded && equal_ignoring_case(field.name, "Content-Transfer-Encoding")) {
            header.add(field.name, " base64");
        } else {
            header.add(field.name, field.body);
        }
    }
    return is_encoded ? entity_of(header, Secret(base64_lines(rest->expose())).expose())
                      : entity_of(header, rest->expose());
}

bool has_legacy_display(const Entity& part) {
    if ((part.media_type != "text/plain" && part.media_type != "text/html") || part.is_attachment()) {
        return false;
    }
    const auto type = mail::ContentType::parse(part.header.first("Content-Type").value_or(""));
    return type && type->parameter(legacy_display_parameter) == "1";
}

bool has_hp_cipher(const Entity& payload) {
    const auto type = mail::ContentType::parse(payload.header.first("Content-Type").value_or(""));
    return type && equal_ignoring_case(type->parameter("hp").value_or(""), "cipher");
}

/// RFC 9788 §1.1.1 on Main Body Parts: of alternatives all, of other multiparts the first.
void collect(const Entity& entity, std::vector<Replacement>& found) {
    if (!entity.is_multipart()) {
        if (has_legacy_display(entity)) {
            if (auto rest = without_display(entity)) {
                found.push_back({entity.bytes, std::move(*rest)});
            }
        }
    } else if (entity.media_type == "multipart/alternative") {
        for (const auto& child : entity.children) {
            collect(child, found);
        }
    } else if (!entity.children.empty()) {
        collect(entity.children.front(), found);
    }
}

/// Each line is a field that the payload protects, word for word, and there is one.
bool repeats_protected_fields(std::string_view text, const mail::HeaderSection& payload) {
    const auto header = mail::MessageView::parse(text);
    const auto& fields = header.header.fields();
    return !fields.empty() && trim(header.body).empty() &&
           std::all_of(fields.begin(), fields.end(), [&](const mail::HeaderField& field) {
               return payload.first(field.name) == mail::unfold(field.body);
           });
}

/// The Legacy Display Part of protected-headers="v1" (draft-autocrypt-lamps-protected-headers-02, "memory
/// hole"; Enigmail writes text/rfc822-headers): the first part of a multipart/mixed, for readers that do not
/// show the fields of the payload. nullopt: there is none, or it says more than they do.
std::optional<Replacement> without_legacy_part(const Entity& payload) {
    const auto is_marked = [](const Entity& entity) {
        const auto type = mail::ContentType::parse(entity.header.first("Content-Type").value_or(""));
        return type && equal_ignoring_case(type->parameter("protected-headers").value_or(""), "v1");
    };
    if (payload.media_type != "multipart/mixed" || payload.children.size() < 2 || !is_marked(payload)) {
        return std::nullopt;
    }
    const auto& part = payload.children.front();
    const bool is_text = part.media_type == "text/plain" || part.media_type == "text/rfc822-headers";
    if (!is_text || part.is_attachment() || !is_marked(part) ||
        !repeats_protected_fields(part.decoded(), payload.header)) {
        return std::nullopt;
    }
    const auto* const next = payload.children[1].bytes.data();
    return Replacement{{part.bytes.data(), static_cast<std::size_t>(next - part.bytes.data())}, Secret()};
}

} // namespace

Secret composed(std::string_view bytes, std::vector<Replacement> replacements) {
    std::sort(replacements.begin(), replacements.end(),
              [](const Replacement& a, const Replacement& b) { return a.what.data() < b.what.data(); });
    Secret result;
    const char* at = bytes.data();
    for (const auto& replacement : replacements) {
        result.append({at, static_cast<std::size_t>(replacement.what.data() - at)});
        result.append(replacement.with.expose());
        at = replacement.what.data() + replacement.what.size();
    }
    result.append({at, static_cast<std::size_t>(bytes.data() + bytes.size() - at)});
    return result;
}

Secret entity_of(const mail::HeaderSection& header, std::string_view body) {
    Secret result(header.to_string() + "\r\n");
    result.append(body);
    return result;
}

Secret entity_of_file(std::string_view name, std::string_view content) {
    mail::HeaderSection header;
    header.add("MIME-Version", " 1.0");
    header.add("Content-Type", " application/octet-stream");
    header.add("Content-Transfer-Encoding", " base64");
    std::string disposition = " attachment";
    if (!name.empty()) {
        disposition += ";\r\n filename*=utf-8''"; // RFC 2231 §4, RFC 5987 §3.2.1
        for (const char c : name) {
            if (is_ascii(c) && (is_alpha(c) || is_digit(c) || c == '.' || c == '-' || c == '_')) {
                disposition += c;
            } else {
                disposition += fmt::format("%{:02X}", static_cast<unsigned char>(c));
            }
        }
    }
    header.add("Content-Disposition", disposition);
    return entity_of(header, Secret(base64_lines(content)).expose());
}

mail::HeaderSection header_for_text(const mail::HeaderSection& header, std::string_view text) {
    mail::HeaderSection result;
    const bool eight_bit = !all_ascii(text);
    for (const auto& field : header.fields()) {
        if (equal_ignoring_case(field.name, "Content-Transfer-Encoding")) {
            continue;
        }
        if (equal_ignoring_case(field.name, "Content-Type") && eight_bit && is_utf8(text)) {
            result.add(
                field.name,
                mail::with_parameters(field.body, {"charset"}, "; charset=utf-8").value_or(field.body));
        } else {
            result.add(field.name, field.body);
        }
    }
    if (eight_bit) {
        if (header.count("MIME-Version") == 0) {
            result.add("MIME-Version", " 1.0");
        }
        if (header.count("Content-Type") == 0 && is_utf8(text)) {
            result.add("Content-Type", " text/plain; charset=utf-8");
        }
        result.add("Content-Transfer-Encoding", " 8bit");
    }
    return result;
}

mail::HeaderSection header_for_part(const mail::HeaderSection& payload) {
    mail::HeaderSection structural;
    for (const auto& field : payload.fields()) {
        if (mail::is_structural(field.name)) {
            structural.add(field.name, field.body);
        }
    }
    return mail::restore(mail::HeaderSection(), structural).header;
}

std::vector<Replacement> without_legacy_display(const Entity& payload) {
    std::vector<Replacement> found;
    if (auto part = without_legacy_part(payload)) {
        found.push_back(std::move(*part));
    } else if (has_hp_cipher(payload)) {
        collect(payload, found);
    }
    return found;
}

} // namespace lockbox::reader
