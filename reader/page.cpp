#include "reader/page.hpp"

#include "base/ascii.hpp"
#include "base/utf8.hpp"
#include "reader/attachment.hpp"
#include "reader/code_range.hpp"
#include "reader/harmless.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace lockbox::reader {
namespace {

constexpr std::size_t tab_columns = 8;
constexpr std::size_t label_columns = 12;
/// A page with fewer columns has its words two columns from its left edge, whatever label is above them.
constexpr std::size_t width_for_labels_min = 40;

/// ECMA-48 §8.3.117.
std::string_view sgr(Tone tone) noexcept {
    switch (tone) {
    case Tone::plain:
        return "\x1b[1m";
    case Tone::good:
        return "\x1b[1;32m";
    case Tone::doubtful:
        return "\x1b[1;33m";
    case Tone::bad:
        return "\x1b[1;31m";
    }
    return "";
}

/// Block Elements but for the two light shades, three patterns of Braille that are a full column, and Symbols
/// for Legacy Computing with their supplement (Unicode 16).
constexpr std::array<CodeRange, 7> blocks{{
    {0x2580, 0x2590},
    {0x2593, 0x259f},
    {0x2847, 0x2847},
    {0x28b8, 0x28b8},
    {0x28ff, 0x28ff},
    {0x1cc00, 0x1cebf},
    {0x1fb00, 0x1fbff},
}};

/// Strokes that are heavier than message_bar, and those with a height of a line that are none of boxes.
constexpr std::array<CodeRange, 16> strokes{{
    {0x220e, 0x220e},
    {0x239c, 0x239c},
    {0x239f, 0x239f},
    {0x23a2, 0x23a2},
    {0x23a5, 0x23a5},
    {0x23aa, 0x23aa},
    {0x23ae, 0x23ae},
    {0x23b8, 0x23b9},
    {0x23d0, 0x23d0},
    {0x2503, 0x2503},
    {0x2507, 0x2507},
    {0x250b, 0x250b},
    {0x2551, 0x2551},
    {0x2758, 0x275a},
    {0x25ae, 0x25af},
    {0xffe8, 0xffe8},
}};

/// The rest of `text` without what a line has room for, which `out` gets. Breaks behind a space, or else
/// anywhere: the columns that are left are never exceeded but by a character that no line has room for.
std::string_view fill(std::string& out, std::string_view text, std::size_t columns_used,
                      const PageOptions& options) {
    struct Place {
        std::size_t out;
        std::string_view rest;
    };
    const Place begin{out.size(), text};
    auto behind_space = begin;
    auto columns = columns_used;
    while (!text.empty() && text.front() != '\n') {
        const auto character = first_utf8_character(text);
        const bool is_tab = text.front() == '\t';
        const auto more = is_tab ? tab_columns - (columns - columns_used) % tab_columns
                                 : columns_of(character.code_point, options.ambiguous);
        if (columns + more > options.width && (out.size() > begin.out || is_tab)) {
            break;
        }
        if (is_tab) {
            out.append(more, ' ');
        } else {
            out += text.substr(0, character.octets);
        }
        text.remove_prefix(character.octets);
        columns += more;
        if (is_blank(out.back())) {
            behind_space = {out.size(), text};
        }
    }
    if (!text.empty() && is_blank(text.front())) { // it is not seen at the end of a line
        text.remove_prefix(1);
    } else if (!text.empty() && text.front() != '\n' && behind_space.out > begin.out) { // take the word along
        out.erase(behind_space.out);
        text = behind_space.rest;
    }
    return text;
}

} // namespace

/// What a paragraph begins with.
struct Page::Start {
    std::string text;
    std::size_t columns;
    std::string indent; ///< of its later lines, behind the mark or the bar
};

OwnWords operator""_own(const char* literal, std::size_t octets) {
    return OwnWords(std::string(literal, octets));
}

OwnWords OwnWords::number(std::size_t number) {
    return OwnWords(std::to_string(number));
}

OwnWords OwnWords::size(std::size_t octets) {
    return OwnWords(size_in_words(octets));
}

OwnWords OwnWords::time(Time time) {
    return OwnWords(format_time(time));
}

OwnWords OwnWords::part(std::string_view number) {
    std::string text(number);
    if (text != "all") {
        std::replace_if(
            text.begin(), text.end(), [](char c) { return !is_digit(c) && c != '.' && c != '#' && c != ':'; },
            '?');
    }
    return OwnWords(std::move(text));
}

OwnWords& OwnWords::operator+=(const OwnWords& more) {
    text_ += more.text_;
    return *this;
}

MessageWords::MessageWords(std::string_view text) {
    const auto shown = harmless(text);
    text_.reserve(shown.size());
    for (std::string_view rest = shown; !rest.empty();) {
        const auto character = first_utf8_character(rest);
        if (is_in(character.code_point, blocks)) {
            text_ += '#';
        } else if (is_in(character.code_point, strokes)) {
            text_ += '|';
        } else {
            text_ += rest.substr(0, character.octets);
        }
        rest.remove_prefix(character.octets);
    }
}

Page::Page(const PageOptions& options) : options_(options) {
    options_.width = std::max(options_.width, width_min);
}

Page::Start Page::start(const OwnWords& label, Tone tone) const {
    const auto marked =
        std::string(own_mark) +
        fmt::format("{:<{}}", label.text() + ':', options_.width < width_for_labels_min ? 0 : label_columns);
    const bool is_joined = marked.back() == ':'; // a long label, or a narrow page
    Start start;
    start.text =
        (options_.colours ? fmt::format("{}{}\x1b[0m", sgr(tone), marked) : marked) + (is_joined ? " " : "");
    start.columns = columns_of(marked, options_.ambiguous) + (is_joined ? 1 : 0);
    start.indent.assign(options_.width < width_for_labels_min ? 2 : label_columns, ' ');
    return start;
}

void Page::write(const Start& first, std::string_view later, std::string_view text) {
    text_ += first.text;
    auto used = first.columns;
    const auto later_used = columns_of(later, options_.ambiguous) + first.indent.size();
    for (auto rest = text;;) {
        const auto before = rest.size();
        rest = fill(text_, rest, used, options_);
        if (rest.starts_with('\n')) {
            rest.remove_prefix(1);
        }
        text_ += '\n';
        if (rest.empty() || rest.size() == before) {
            return;
        }
        text_ += later;
        text_ += first.indent;
        used = later_used;
    }
}

void Page::say(const OwnWords& label, const OwnWords& words, Tone tone) {
    write(start(label, tone), own_mark, words.text());
}

void Page::say(const OwnWords& label, const OwnWords& words, const MessageWords& about, Tone tone) {
    const auto first = start(label, tone);
    if (about.empty()) {
        write(first, own_mark, words.text());
        return;
    }
    write(first, own_mark, words.text() + ':');
    const auto begin = std::string(message_bar) + first.indent;
    write({begin, columns_of(begin, options_.ambiguous), first.indent}, message_bar, about.text());
}

void Page::field(const OwnWords& label, const MessageWords& words, Tone tone) {
    if (!words.empty()) {
        write(start(label, tone), message_bar, words.text());
    }
}

void Page::field(const OwnWords& label, const OwnWords& words, const MessageWords& quoted, Tone tone) {
    write(start(label, tone), message_bar, words.text() + ": " + quoted.text());
}

void Page::heading(const OwnWords& words) {
    empty_line();
    const auto marked = std::string(own_mark) + words.text();
    text_ += options_.colours ? fmt::format("{}{}\x1b[0m\n", sgr(Tone::plain), marked) : marked + '\n';
}

void Page::empty_line() {
    text_ += trim(own_mark);
    text_ += '\n';
}

void Page::text(const MessageWords& text) {
    write({std::string(message_bar), columns_of(message_bar, options_.ambiguous), ""}, message_bar,
          text.text());
}

} // namespace lockbox::reader
