#include "reader/text_parts.hpp"

#include "base/ascii.hpp"
#include "mail/charset.hpp"
#include "mail/content_type.hpp"
#include "reader/flowed.hpp"
#include "reader/harmless.hpp"
#include "reader/header_text.hpp"
#include "reader/html_text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockbox::reader {
namespace {

using mail::Entity;

std::string parameter(const Entity& entity, std::string_view name) {
    const auto type = mail::ContentType::parse(entity.header.first("Content-Type").value_or(""));
    return type ? type->parameter(name).value_or("") : std::string();
}

std::string with_lf(std::string text) {
    std::erase(text, '\r');
    return text;
}

void add_note(TextPart& part, std::string_view note) {
    part.note += part.note.empty() ? "" : "; ";
    part.note += note;
}

TextPart read_text(const Entity& entity) {
    TextPart part;
    part.number = entity.number.empty() ? "1" : entity.number;
    part.media_type = entity.media_type;
    auto decoded = entity.decoded();
    if (decoded.size() > text_octets_max) {
        decoded.resize(text_octets_max);
        add_note(part, fmt::format("only the first {} octets are shown", text_octets_max));
    }
    const auto charset = parameter(entity, "charset");
    auto converted = mail::to_utf8(decoded, charset);
    if (!converted.complete) {
        add_note(part, charset.empty() ? "not all of it is text"
                                       : fmt::format("not all of it is text in {}", harmless_line(charset)));
    }
    if (entity.media_type == "text/html" || entity.media_type == "application/xhtml+xml") {
        const auto html = html_to_text(converted.text);
        part.text = harmless(html.text);
        add_note(part, html.is_laid_out ? "HTML, shown as text"
                                        : "HTML too entangled to be read, shown without its tags");
        if (!html.is_complete) {
            add_note(part, "only its beginning is shown");
        }
        if (html.has_hidden_text) {
            add_note(part, "text that its markup hides is left out");
        }
    } else if (equal_ignoring_case(parameter(entity, "format"), "flowed")) {
        part.text = harmless(unflowed(with_lf(std::move(converted.text)),
                                      equal_ignoring_case(parameter(entity, "delsp"), "yes")));
    } else {
        part.text = harmless(converted.text);
    }
    return part;
}

bool is_shown(const Entity& entity) {
    return entity.media_type.starts_with("text/") && !entity.is_attachment();
}

bool has_shown_text(const Entity& entity, std::string_view media_type) {
    if (entity.is_multipart()) {
        return std::any_of(entity.children.begin(), entity.children.end(),
                           [&](const Entity& child) { return has_shown_text(child, media_type); });
    }
    return is_shown(entity) && entity.media_type == media_type && !trim(entity.decoded()).empty();
}

class Collector {
public:
    explicit Collector(const std::vector<std::string>& skipped) : skipped_(skipped) {}

    void collect(const Entity& entity, const std::string& forwarded) {
        if (!entity.number.empty() &&
            std::find(skipped_.begin(), skipped_.end(), entity.number) != skipped_.end()) {
            return;
        }
        if (entity.media_type == "multipart/alternative" && !entity.children.empty()) {
            collect_best(entity, forwarded);
        } else if (entity.media_type == "multipart/signed" && !entity.children.empty()) {
            collect(entity.children.front(), forwarded);
        } else if (entity.is_multipart() && entity.children.empty()) {
            add_what_has_no_parts(entity, forwarded);
        } else if (entity.is_multipart()) {
            for (const auto& child : entity.children) {
                collect(child, forwarded);
            }
        } else if (entity.is_message() && !entity.is_attachment() && !entity.children.empty()) {
            const auto& message = entity.children.front();
            collect(message, fmt::format("from {}, \"{}\"",
                                         header_addresses(message.header.first("From").value_or("")),
                                         header_text(message.header.first("Subject").value_or(""))));
        } else if (is_shown(entity)) {
            parts.push_back(read_text(entity));
            parts.back().forwarded = forwarded;
        }
    }

    std::vector<TextPart> parts;

private:
    /// Its boundary is missing, in no line of it or not readable, or it has a transfer encoding.
    void add_what_has_no_parts(const Entity& entity, const std::string& forwarded) {
        if (all_space(entity.body)) {
            return;
        }
        parts.push_back(read_text(entity));
        parts.back().forwarded = forwarded;
        add_note(parts.back(), "its parts cannot be told apart, so all of it is shown as it is");
    }

    void collect_best(const Entity& entity, const std::string& forwarded) {
        for (const auto* const media_type : {"text/plain", "text/html"}) {
            for (const auto& child : entity.children) {
                if (has_shown_text(child, media_type)) {
                    collect(child, forwarded);
                    return;
                }
            }
        }
        if (!entity.children.empty()) {
            collect(entity.children.back(), forwarded); // the richest
        }
    }

    const std::vector<std::string>& skipped_;
};

} // namespace

std::vector<TextPart> text_parts_in(const Entity& root, const std::vector<std::string>& skipped) {
    Collector collector(skipped);
    collector.collect(root, "");
    return std::move(collector.parts);
}

} // namespace lockbox::reader
