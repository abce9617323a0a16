#include "reader/text_parts.hpp"

#include "base/ascii.hpp"
#include "mail/charset.hpp"
#include "mail/content_type.hpp"
#include "mail/encoded_words.hpp"
#include "reader/calendar_text.hpp"
#include "reader/card_text.hpp"
#include "reader/flowed.hpp"
#include "reader/harmless.hpp"
#include "reader/header_text.hpp"
#include "reader/html_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

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

bool is_html(const Entity& entity) {
    return entity.media_type == "text/html" || entity.media_type == "application/xhtml+xml";
}
bool is_calendar(const Entity& entity) {
    return entity.media_type == "text/calendar" || entity.media_type == "application/ics";
}
bool is_card(const Entity& entity) {
    return entity.media_type == "text/vcard" || entity.media_type == "text/x-vcard" ||
           entity.media_type == "text/directory";
}
/// On what became of a message (RFC 3464, RFC 6533, RFC 8098, RFC 5965), or its header section (RFC 6522).
bool is_report(const Entity& entity) {
    constexpr std::array<std::string_view, 6> types{"message/delivery-status",
                                                    "message/global-delivery-status",
                                                    "message/disposition-notification",
                                                    "message/feedback-report",
                                                    "message/global-disposition-notification",
                                                    "message/global-headers"};
    return std::find(types.begin(), types.end(), entity.media_type) != types.end();
}

/// Fields unfolded, encoded words read.
std::string report_text(std::string_view text) {
    auto lf = with_lf(std::string(text));
    std::string unfolded;
    for (std::size_t at = 0; at < lf.size(); ++at) {
        if (lf[at] == '\n' && at + 1 < lf.size() && is_blank(lf[at + 1])) {
            continue;
        }
        unfolded += lf[at];
    }
    return mail::decoded_words(unfolded);
}

void write_html(TextPart& part, std::string_view text) {
    const auto html = html_to_text(text);
    part.text = harmless(html.text);
    add_note(part, html.is_laid_out ? "HTML, shown as text"
                                    : "HTML too entangled to be read, shown without its tags");
    if (!html.is_complete) {
        add_note(part, "only its beginning is shown");
    }
    if (html.has_hidden_text) {
        add_note(part, "text that its markup hides is left out");
    }
}

void write_as_text(TextPart& part, const Entity& entity, std::string text) {
    if (is_html(entity)) {
        write_html(part, text);
        return;
    }
    if (is_calendar(entity)) {
        if (const auto calendar = calendar_text(text)) {
            part.text = harmless(calendar->text);
            add_note(part, calendar->kind + ", shown as text");
            return;
        }
        add_note(part, "a calendar that cannot be read, shown as it is");
    } else if (is_card(entity)) {
        if (const auto card = card_text(text)) {
            part.text = harmless(*card);
            add_note(part, "a business card, shown as text");
            return;
        }
        add_note(part, "a business card that cannot be read, shown as it is");
    } else if (is_report(entity)) {
        part.text = harmless(report_text(text));
        add_note(part, "a report of a mail program or server");
        return;
    }
    if (equal_ignoring_case(parameter(entity, "format"), "flowed")) {
        part.text = harmless(
            unflowed(with_lf(std::move(text)), equal_ignoring_case(parameter(entity, "delsp"), "yes")));
    } else {
        part.text = harmless(text);
    }
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
    write_as_text(part, entity, std::move(converted.text));
    return part;
}

bool is_shown(const Entity& entity) {
    return (entity.media_type.starts_with("text/") && !entity.is_attachment()) || is_calendar(entity) ||
           is_card(entity) || is_report(entity);
}

/// Octets that are a text and nothing else.
bool is_text(std::string_view bytes) {
    return is_utf8(bytes) && std::none_of(bytes.begin(), bytes.end(),
                                          [](char c) { return is_control(c) && !is_space(c) && c != '\f'; });
}

/// The first leaf of that type with something in it.
const Entity* leaf_with_text(const Entity& entity, std::string_view media_type) {
    if (entity.is_multipart()) {
        for (const auto& child : entity.children) {
            if (const auto* const found = leaf_with_text(child, media_type)) {
                return found;
            }
        }
        return nullptr;
    }
    return is_shown(entity) && entity.media_type == media_type && !trim(entity.decoded()).empty() ? &entity
                                                                                                  : nullptr;
}

/// Words, sorted, without the addresses of links and what only marks a quotation.
std::vector<std::string> words_in(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    const auto end_word = [&] {
        if (!word.empty() && word.find("://") == std::string::npos && !word.starts_with("<mailto:")) {
            std::erase_if(word, [](char c) { return is_ascii(c) && !is_alpha(c) && !is_digit(c); });
            if (!word.empty()) {
                words.push_back(lockbox::to_lower(word));
            }
        }
        word.clear();
    };
    for (const char c : text) {
        if (is_space(c)) {
            end_word();
        } else {
            word += c;
        }
    }
    end_word();
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    return words;
}

class Collector {
public:
    Collector(const std::vector<std::string>& skipped, TextChoice choice)
        : skipped_(skipped), choice_(choice) {}

    void collect(const Entity& entity, const std::string& forwarded) {
        if (!entity.number.empty() &&
            std::find(skipped_.begin(), skipped_.end(), entity.number) != skipped_.end()) {
            return;
        }
        if (entity.media_type == "multipart/alternative" && !entity.children.empty()) {
            collect_best(entity, forwarded);
        } else if (entity.media_type == "multipart/signed" && !entity.children.empty()) {
            for (const auto& child : entity.children) { // the second one is the signature (RFC 1847 §2.1)
                if (&child != &entity.children.front() + 1) {
                    collect(child, forwarded);
                }
            }
        } else if (entity.is_multipart() && entity.children.empty()) {
            add_what_has_no_parts(entity, forwarded);
        } else if (entity.is_multipart()) {
            for (const auto& child : entity.children) {
                collect(child, forwarded);
            }
        } else if (entity.is_message() && !entity.children.empty()) {
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
        const auto* const plain = leaf_with_text(entity, "text/plain");
        const auto* const html = leaf_with_text(entity, "text/html");
        if (plain != nullptr && html != nullptr) {
            collect_of_both(*branch(entity, *plain), *branch(entity, *html), *plain, *html, forwarded);
        } else if (plain != nullptr || html != nullptr) {
            collect(*branch(entity, plain != nullptr ? *plain : *html), forwarded);
        } else {
            collect(entity.children.back(), forwarded); // the richest
            return;
        }
        for (const auto& child : entity.children) { // the invitation that the texts speak of
            if (is_calendar(child)) {
                collect(child, forwarded);
            }
        }
    }

    /// The alternative that `leaf` is in.
    static const Entity* branch(const Entity& entity, const Entity& leaf) {
        for (const auto& child : entity.children) {
            if (leaf_with_text(child, leaf.media_type) == &leaf) {
                return &child;
            }
        }
        return &leaf;
    }

    void collect_of_both(const Entity& plain_branch, const Entity& html_branch, const Entity& plain,
                         const Entity& html, const std::string& forwarded) {
        const auto plain_text = read_text(plain);
        const auto html_text = read_text(html);
        const bool differs = words_in(plain_text.text) != words_in(html_text.text);
        // "Your program shows no HTML", and the like.
        constexpr std::size_t little = 500;
        constexpr std::size_t far_more = 4;
        const auto octets = trim(plain_text.text).size();
        const bool says_little = octets < little && trim(html_text.text).size() / far_more > octets;
        const bool both = choice_ == TextChoice::fitting && says_little;
        if (choice_ != TextChoice::html) {
            const auto begin = parts.size();
            collect(plain_branch, forwarded);
            note_on(begin, plain,
                    fmt::format("{}, part {}, {}",
                                differs ? "there is an HTML version that says it in other words"
                                        : "there is an HTML version",
                                html.number, both ? "which follows" : "shown by --html"));
        }
        if (choice_ == TextChoice::html || both) {
            const auto begin = parts.size();
            collect(html_branch, forwarded);
            if (!both) {
                note_on(begin, html,
                        fmt::format("{}, part {}",
                                    differs ? "there is a plain version with other words"
                                            : "there is a plain version",
                                    plain.number));
            }
        }
    }

    void note_on(std::size_t begin, const Entity& entity, std::string_view note) {
        for (auto at = begin; at < parts.size(); ++at) {
            if (parts[at].number == entity.number) {
                add_note(parts[at], note);
            }
        }
    }

    const std::vector<std::string>& skipped_;
    TextChoice choice_;
};

/// A file that is all there is: what somebody encrypted with gpg.
bool is_text_file(const Entity& entity) {
    constexpr std::array<std::string_view, 10> suffixes{".txt", ".text", ".md",  ".csv",  ".tsv",
                                                        ".log", ".ics",  ".vcf", ".json", ".diff"};
    const auto name = lockbox::to_lower(entity.file_name().value_or(""));
    const bool is_file = entity.number.empty() && entity.children.empty() &&
                         (entity.media_type == "application/octet-stream" ||
                          (entity.media_type.starts_with("text/") && entity.is_attachment()));
    return is_file && std::any_of(suffixes.begin(), suffixes.end(),
                                  [&](std::string_view suffix) { return name.ends_with(suffix); });
}

} // namespace

std::vector<TextPart> text_parts_in(const Entity& root, const std::vector<std::string>& skipped,
                                    TextChoice choice) {
    Collector collector(skipped, choice);
    collector.collect(root, "");
    if (collector.parts.empty() && is_text_file(root) && is_text(root.decoded())) {
        return {read_text(root)};
    }
    return std::move(collector.parts);
}

const Entity* entity_numbered(const Entity& root, std::string_view number) {
    if (number.empty()) {
        return nullptr;
    }
    // A message and the one in it may have the same number (RFC 3501 §6.4.5): the outer one comes first.
    if (root.number == number || (root.number.empty() && root.children.empty() && number == "1")) {
        return &root;
    }
    for (const auto& child : root.children) {
        if (const auto* const found = entity_numbered(child, number)) {
            return found;
        }
    }
    return nullptr;
}

std::optional<std::vector<TextPart>> texts_of(const Entity& entity) {
    if (!entity.children.empty()) {
        return text_parts_in(entity);
    }
    if (!entity.media_type.starts_with("text/") && !is_shown(entity) && !is_text(entity.decoded())) {
        return std::nullopt;
    }
    return std::vector<TextPart>{read_text(entity)};
}

} // namespace lockbox::reader
