#include "reader/html_text.hpp"

#include "base/ascii.hpp"
#include "reader/html_style.hpp"
#include "reader/html_tree.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lockbox::reader {
namespace {

// ------------------------------------------------------------------------------------------- characters

struct Character {
    std::uint32_t code = 0;
    std::size_t octets = 1;
};

/// Of well-formed UTF-8, which is what gumbo gives.
Character first_of(std::string_view text) noexcept {
    const auto octet = [&](std::size_t at) {
        return at < text.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(text[at])) : 0U;
    };
    const auto lead = octet(0);
    if (lead < 0x80U) {
        return {lead, 1};
    }
    const std::size_t octets = lead >= 0xf0U ? 4 : lead >= 0xe0U ? 3 : 2;
    auto code = lead & (0x7fU >> octets);
    for (std::size_t at = 1; at < octets; ++at) {
        code = code << 6U | (octet(at) & 0x3fU);
    }
    return {code, std::min(octets, text.size())};
}

/// No-break spaces and the fixed ones up to the hair space: what fills previews, and breaks lines.
bool is_wide_space(std::uint32_t code) noexcept {
    return code == 0xa0U || (code >= 0x2000U && code <= 0x200aU) || code == 0x202fU || code == 0x205fU;
}

/// Never seen: soft hyphen, combining grapheme joiner, zero width space, marks of direction, word joiner,
/// byte order mark. (Those that turn the direction of text around stay, for harmless() to replace.)
bool is_never_seen(std::uint32_t code) noexcept {
    constexpr std::array<std::uint32_t, 9> codes{0xad,   0x34f,  0x61c,  0x180e, 0x200b,
                                                 0x200e, 0x200f, 0x2060, 0xfeff};
    return std::find(codes.begin(), codes.end(), code) != codes.end();
}

bool is_joiner(std::uint32_t code) noexcept {
    return code == 0x200cU || code == 0x200dU;
}

/// Behind letters of scripts that need them, and behind emoji.
bool may_be_joined(std::uint32_t code) noexcept {
    constexpr std::uint32_t hebrew = 0x590;
    return code >= hebrew && !is_wide_space(code) && !is_joiner(code);
}

// --------------------------------------------------------------------------------------------- elements

template <std::size_t Size>
bool is_one_of(GumboTag tag, const std::array<GumboTag, Size>& tags) noexcept {
    return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

/// What is in them is no text, or is not shown where nothing is run and fetched.
constexpr std::array unseen{GUMBO_TAG_HEAD,   GUMBO_TAG_TITLE,    GUMBO_TAG_SCRIPT,   GUMBO_TAG_STYLE,
                            GUMBO_TAG_IFRAME, GUMBO_TAG_TEMPLATE, GUMBO_TAG_NOFRAMES, GUMBO_TAG_DATALIST,
                            GUMBO_TAG_RP,     GUMBO_TAG_DESC,     GUMBO_TAG_FRAMESET};
constexpr std::array paragraphs{GUMBO_TAG_P,  GUMBO_TAG_BLOCKQUOTE, GUMBO_TAG_TABLE, GUMBO_TAG_PRE,
                                GUMBO_TAG_H1, GUMBO_TAG_H2,         GUMBO_TAG_H3,    GUMBO_TAG_H4,
                                GUMBO_TAG_H5, GUMBO_TAG_H6,         GUMBO_TAG_DL,    GUMBO_TAG_FIGURE};
constexpr std::array lines{
    GUMBO_TAG_DIV,     GUMBO_TAG_TR,         GUMBO_TAG_DT,       GUMBO_TAG_DD,     GUMBO_TAG_SECTION,
    GUMBO_TAG_ARTICLE, GUMBO_TAG_HEADER,     GUMBO_TAG_FOOTER,   GUMBO_TAG_CENTER, GUMBO_TAG_ADDRESS,
    GUMBO_TAG_FORM,    GUMBO_TAG_CAPTION,    GUMBO_TAG_HR,       GUMBO_TAG_ASIDE,  GUMBO_TAG_MAIN,
    GUMBO_TAG_NAV,     GUMBO_TAG_FIGCAPTION, GUMBO_TAG_FIELDSET, GUMBO_TAG_LEGEND, GUMBO_TAG_OPTION,
    GUMBO_TAG_SUMMARY, GUMBO_TAG_DETAILS,    GUMBO_TAG_LISTING,  GUMBO_TAG_HGROUP, GUMBO_TAG_TEXTAREA,
    GUMBO_TAG_DIR,     GUMBO_TAG_MENU,       GUMBO_TAG_UL,       GUMBO_TAG_OL,     GUMBO_TAG_LI,
    GUMBO_TAG_THEAD,   GUMBO_TAG_TBODY,      GUMBO_TAG_TFOOT,    GUMBO_TAG_XMP};

bool is_list(GumboTag tag) noexcept {
    return tag == GUMBO_TAG_UL || tag == GUMBO_TAG_OL || tag == GUMBO_TAG_MENU || tag == GUMBO_TAG_DIR;
}

std::string_view value_of(const GumboElement& element, const char* name) noexcept {
    const auto* const value = html_attribute(element, name);
    return value != nullptr ? std::string_view(value) : std::string_view();
}

std::optional<int> number_in(std::string_view text) noexcept {
    text = trim(text);
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end != text.data() ? std::optional<int>(number) : std::nullopt;
}

/// "width=1", "height=0": nobody is meant to see it.
bool is_dot(const GumboElement& element, const HtmlStyle& style) {
    const auto is_small = [&](const char* name) {
        return number_in(value_of(element, name)).value_or(2) < 2;
    };
    return style.is_dot || is_small("width") || is_small("height");
}

/// 27 is "aa".
std::string in_letters(int number) {
    constexpr int letters = 26;
    std::string text;
    for (; number > 0; number = (number - 1) / letters) {
        text.insert(text.begin(), static_cast<char>('a' + (number - 1) % letters));
    }
    return text;
}

std::string in_roman(int number) {
    struct Step {
        int value;
        const char* text;
    };
    constexpr std::array<Step, 13> steps{{{1000, "m"},
                                          {900, "cm"},
                                          {500, "d"},
                                          {400, "cd"},
                                          {100, "c"},
                                          {90, "xc"},
                                          {50, "l"},
                                          {40, "xl"},
                                          {10, "x"},
                                          {9, "ix"},
                                          {5, "v"},
                                          {4, "iv"},
                                          {1, "i"}}};
    std::string text;
    for (const auto& step : steps) {
        for (; number >= step.value; number -= step.value) {
            text += step.text;
        }
    }
    return text;
}

/// The mark of a list item: "3. ", "c. ", "III. ".
std::string mark_of(int number, std::string_view type) {
    constexpr int roman_max = 3999;
    std::string text;
    const char kind = type.empty() ? '1' : type.front();
    if ((kind == 'a' || kind == 'A') && number > 0) {
        text = in_letters(number);
    } else if ((kind == 'i' || kind == 'I') && number > 0 && number <= roman_max) {
        text = in_roman(number);
    } else {
        text = std::to_string(number);
    }
    if (kind == 'A' || kind == 'I') {
        std::transform(text.begin(), text.end(), text.begin(), [](char c) { return lockbox::to_upper(c); });
    }
    return text + ". ";
}

std::string_view without_scheme(std::string_view target) noexcept {
    for (const std::string_view scheme : {"https://", "http://", "mailto:", "tel:"}) {
        if (starts_with_ignoring_case(target, scheme)) {
            return target.substr(scheme.size());
        }
    }
    return target;
}

/// The text of a link says where it leads: the same, or without what everybody adds.
bool says(std::string_view text, std::string_view target) noexcept {
    const auto bare = [](std::string_view address) {
        address = without_scheme(address);
        return address.ends_with('/') ? address.substr(0, address.size() - 1) : address;
    };
    // "http://bank.example" over "https://bank.example" is another address.
    const bool has_scheme = without_scheme(text) != text;
    return text == target ||
           (has_scheme ? text == target || std::string(text) + '/' == target : bare(text) == bare(target));
}

// ------------------------------------------------------------------------------------------------- text

/// Lines, with what stands in front of each.
class Writer {
public:
    explicit Writer(HtmlText& result) : result_(result) { frames_.emplace_back(); }

    void add_text(std::string_view text, bool is_preformatted) {
        while (!text.empty()) {
            const auto character = first_of(text);
            const auto piece = text.substr(0, character.octets);
            text.remove_prefix(character.octets);
            auto& frame = frames_.back();
            if (is_preformatted && character.code == '\n') {
                break_line();
            } else if (is_preformatted && (character.code == ' ' || character.code == '\t')) {
                put(piece);
            } else if (character.code < 0x80U ? is_space(piece.front()) || piece.front() == '\f'
                                              : is_wide_space(character.code)) {
                frame.is_space_due = frame.is_space_due || !is_at_line_begin(frame);
            } else if (!is_never_seen(character.code) &&
                       !(is_joiner(character.code) && !may_be_joined(before_))) {
                put_word(piece);
                before_ = character.code;
            }
        }
    }

    void add_word(std::string_view word) {
        put_word(word);
        before_ = 0;
    }
    void add_space() {
        auto& frame = frames_.back();
        frame.is_space_due = frame.is_space_due || !is_at_line_begin(frame);
    }

    /// One line end, whatever is there already.
    void break_line() {
        auto& frame = frames_.back();
        if (is_at_line_begin(frame) && !frame.out.empty()) {
            constexpr std::size_t line_ends_max = 3;
            frame.line_ends_due = std::min(std::max<std::size_t>(frame.line_ends_due, 1) + 1, line_ends_max);
            frame.prefixes_between = std::min(frame.prefixes_between, frame.prefixes.size());
        } else {
            need_line_ends(1);
        }
    }

    /// At least so many before what follows.
    void need_line_ends(std::size_t line_ends) {
        auto& frame = frames_.back();
        frame.is_space_due = false;
        if (!frame.out.empty()) {
            frame.line_ends_due = std::max(frame.line_ends_due, line_ends);
            frame.prefixes_between = std::min(frame.prefixes_between, frame.prefixes.size());
        }
    }

    void push_prefix(std::string first, std::string rest) {
        frames_.back().prefixes.push_back({std::move(first), std::move(rest)});
    }
    void pop_prefix() {
        auto& frame = frames_.back();
        frame.prefixes.pop_back();
        frame.prefixes_between = std::min(frame.prefixes_between, frame.prefixes.size());
    }

    /// What is written from here on is taken apart from the rest, until pop_frame().
    void push_frame() { frames_.emplace_back(); }
    std::string pop_frame() {
        auto text = std::move(frames_.back().out);
        frames_.pop_back();
        written_ -= std::min(written_, text.size());
        return text;
    }

    /// Of a frame.
    void add_lines(std::string_view text) {
        while (!text.empty()) {
            const auto end = std::min(text.find('\n'), text.size());
            if (end > 0) {
                put(text.substr(0, end));
            }
            text.remove_prefix(std::min(end + 1, text.size()));
            break_line();
        }
    }

    /// A text without line ends, behind `separator`.
    void add_lines_of_cell(std::string_view separator, std::string_view text) {
        put(separator);
        put(text);
    }

    [[nodiscard]] std::size_t place() const noexcept { return frames_.back().out.size(); }
    [[nodiscard]] std::string_view since(std::size_t place) const noexcept {
        const std::string_view out = frames_.back().out;
        return trim(out.substr(std::min(place, out.size())));
    }

    std::string take() {
        auto text = std::move(frames_.front().out);
        while (!text.empty() && is_space(text.back())) {
            text.pop_back();
        }
        return text.empty() ? text : text + '\n';
    }

private:
    struct Prefix {
        std::string first; ///< of the first line; then empty
        std::string rest;  ///< of all others
        bool is_used = false;
    };
    struct Frame {
        std::string out;
        std::vector<Prefix> prefixes;
        std::size_t line_ends_due = 0;
        std::size_t prefixes_between = static_cast<std::size_t>(-1); ///< those that empty lines keep
        bool is_space_due = false;
    };

    static bool is_at_line_begin(const Frame& frame) noexcept {
        return frame.out.empty() || frame.line_ends_due > 0;
    }

    void put_word(std::string_view word) {
        auto& frame = frames_.back();
        if (frame.is_space_due && !is_at_line_begin(frame)) {
            append(frame, " ");
        }
        frame.is_space_due = false;
        put(word);
    }

    void put(std::string_view text) {
        auto& frame = frames_.back();
        if (is_at_line_begin(frame)) {
            begin_line(frame);
        }
        append(frame, text);
    }

    void begin_line(Frame& frame) {
        for (; frame.line_ends_due > 0; --frame.line_ends_due) {
            append(frame, "\n");
            if (frame.line_ends_due > 1) {
                std::string prefix;
                for (std::size_t i = 0; i < std::min(frame.prefixes_between, frame.prefixes.size()); ++i) {
                    prefix += frame.prefixes[i].rest;
                }
                while (prefix.ends_with(' ')) {
                    prefix.pop_back();
                }
                append(frame, prefix);
            }
        }
        frame.prefixes_between = static_cast<std::size_t>(-1);
        for (auto& prefix : frame.prefixes) {
            append(frame, prefix.is_used ? prefix.rest : prefix.first);
            prefix.is_used = true;
        }
        frame.is_space_due = false;
        before_ = 0;
    }

    void append(Frame& frame, std::string_view text) {
        if (text.size() > html_text_octets_max - std::min(written_, html_text_octets_max)) {
            result_.is_complete = false;
            return;
        }
        written_ += text.size();
        frame.out += text;
    }

    HtmlText& result_;
    std::vector<Frame> frames_;
    std::size_t written_ = 0;
    std::uint32_t before_ = 0; ///< the last character of a text, 0 at the beginning of a line
};

// ------------------------------------------------------------------------------------------------- page

/// What an element hands to those in it.
struct Context {
    bool is_gone = false;
    bool is_invisible = false;
    bool is_tiny = false;
    bool is_preformatted = false;
    [[nodiscard]] bool is_seen() const noexcept { return !is_gone && !is_invisible && !is_tiny; }
};

class Page {
public:
    explicit Page(HtmlText& result) : result_(result), writer_(result) {}

    void write(const GumboNode& document) {
        open_.emplace_back();
        open_.back().node = &document;
        while (!open_.empty()) {
            auto& last = open_.back();
            const auto* const child = next_child(last);
            if (child == nullptr) {
                close();
            } else if (child->type == GUMBO_NODE_ELEMENT) {
                open(*child, last.context);
            } else if (child->type == GUMBO_NODE_TEXT || child->type == GUMBO_NODE_WHITESPACE ||
                       child->type == GUMBO_NODE_CDATA) {
                add_text(child->v.text.text, last.context);
            }
        }
        result_.text = writer_.take();
    }

private:
    struct Open {
        const GumboNode* node = nullptr;
        Context context;
        unsigned next = 0;        ///< child
        std::size_t place = 0;    ///< of its text
        bool is_laid_out = false; ///< seen, and not beyond html_depth_max
        bool has_prefix = false;
        bool is_cell = false;
        // Of a list:
        int number = 1; ///< of the next item
        bool is_ordered = false;
        bool is_nested_list = false;
        std::string_view mark_type;
        // Of a row:
        std::vector<std::string> cells;
    };

    static const GumboNode* next_child(Open& open) noexcept {
        const auto* const children = open.node->type == GUMBO_NODE_DOCUMENT  ? &open.node->v.document.children
                                     : open.node->type == GUMBO_NODE_ELEMENT ? &open.node->v.element.children
                                                                             : nullptr;
        return children != nullptr && open.next < children->length
                   ? static_cast<const GumboNode*>(children->data[open.next++])
                   : nullptr;
    }

    void add_text(std::string_view text, const Context& context) {
        if (context.is_seen()) {
            writer_.add_text(text, context.is_preformatted);
        } else if (!all_space(text)) {
            result_.has_hidden_text = true;
        }
    }

    static Context context_of(const GumboElement& element, const HtmlStyle& style, Context context) {
        context.is_gone = context.is_gone || style.is_gone || html_attribute(element, "hidden") != nullptr;
        context.is_invisible = style.is_invisible.value_or(context.is_invisible);
        const bool has_font_size =
            element.tag == GUMBO_TAG_FONT && html_attribute(element, "size") != nullptr;
        context.is_tiny = style.is_tiny.value_or(has_font_size ? false : context.is_tiny);
        const bool is_pre = element.tag == GUMBO_TAG_PRE || element.tag == GUMBO_TAG_TEXTAREA ||
                            element.tag == GUMBO_TAG_LISTING || element.tag == GUMBO_TAG_XMP ||
                            element.tag == GUMBO_TAG_PLAINTEXT;
        context.is_preformatted = style.is_preformatted.value_or(context.is_preformatted || is_pre);
        return context;
    }

    /// Outlook's paragraphs have no space between them.
    static std::size_t line_ends_around(const GumboElement& element) {
        if (element.tag == GUMBO_TAG_P && value_of(element, "class").find("Mso") != std::string_view::npos) {
            return 1;
        }
        return is_one_of(element.tag, paragraphs) ? 2 : is_one_of(element.tag, lines) ? 1 : 0;
    }

    void open(const GumboNode& node, const Context& inherited) {
        const auto& element = node.v.element;
        if (is_one_of(element.tag, unseen)) {
            return;
        }
        const auto style = html_style(value_of(element, "style"));
        Open entry;
        entry.node = &node;
        entry.context = context_of(element, style, inherited);
        entry.is_laid_out = !entry.context.is_gone && open_.size() < html_depth_max;
        if (entry.is_laid_out) {
            begin(element, style, entry);
        }
        entry.place = writer_.place();
        open_.push_back(std::move(entry));
    }

    void begin(const GumboElement& element, const HtmlStyle& style, Open& entry) {
        const auto tag = element.tag;
        if (const auto line_ends = line_ends_around(element); line_ends > 0) {
            writer_.need_line_ends(line_ends);
        }
        if (tag == GUMBO_TAG_BR) {
            writer_.break_line();
        } else if (tag == GUMBO_TAG_HR) {
            writer_.add_word("----------");
        } else if (tag == GUMBO_TAG_IMG) {
            begin_image(element, style);
        } else if (tag == GUMBO_TAG_INPUT) {
            begin_input(element);
        } else if (tag == GUMBO_TAG_BLOCKQUOTE) {
            writer_.push_prefix("> ", "> ");
            entry.has_prefix = true;
        } else if (tag == GUMBO_TAG_DD) {
            writer_.push_prefix("  ", "  ");
            entry.has_prefix = true;
        } else if (is_list(tag)) {
            begin_list(element, entry);
        } else if (tag == GUMBO_TAG_LI) {
            begin_item(element, entry);
        } else if (tag == GUMBO_TAG_TD || tag == GUMBO_TAG_TH) {
            writer_.push_frame();
            entry.is_cell = true;
        } else if (tag == GUMBO_TAG_Q) {
            writer_.add_word("\u201c");
        }
    }

    void begin_image(const GumboElement& element, const HtmlStyle& style) {
        const auto alternative = trim(value_of(element, "alt"));
        if (!alternative.empty() && !is_dot(element, style)) {
            writer_.add_space();
            writer_.add_word("[image:");
            writer_.add_space();
            writer_.add_text(alternative, false);
            writer_.add_word("]");
            writer_.add_space();
        }
    }

    void begin_input(const GumboElement& element) {
        const auto type = value_of(element, "type");
        const bool is_button = equal_ignoring_case(type, "submit") || equal_ignoring_case(type, "button");
        if (is_button && !trim(value_of(element, "value")).empty()) {
            writer_.add_space();
            writer_.add_word("[");
            writer_.add_text(value_of(element, "value"), false);
            writer_.add_word("]");
            writer_.add_space();
        }
    }

    void begin_list(const GumboElement& element, Open& entry) {
        const bool is_nested = std::any_of(open_.begin(), open_.end(), [](const Open& open) {
            return open.node->type == GUMBO_NODE_ELEMENT && open.node->v.element.tag == GUMBO_TAG_LI;
        });
        if (!is_nested) {
            writer_.need_line_ends(2);
        }
        entry.number = number_in(value_of(element, "start")).value_or(1);
        entry.is_ordered = element.tag == GUMBO_TAG_OL;
        entry.mark_type = trim(value_of(element, "type"));
        entry.is_nested_list = is_nested;
    }

    void begin_item(const GumboElement& element, Open& entry) {
        auto* const list = !open_.empty() && open_.back().node->type == GUMBO_NODE_ELEMENT &&
                                   is_list(open_.back().node->v.element.tag)
                               ? &open_.back()
                               : nullptr;
        std::string mark = "* ";
        if (list != nullptr && list->is_ordered) {
            constexpr int number_max = 1'000'000;
            const auto number = number_in(value_of(element, "value")).value_or(list->number);
            list->number = std::clamp(number, -number_max, number_max) + 1;
            mark = mark_of(list->number - 1, list->mark_type);
        }
        std::string rest(mark.size(), ' ');
        writer_.push_prefix(std::move(mark), std::move(rest));
        entry.has_prefix = true;
    }

    void close() {
        auto entry = std::move(open_.back());
        open_.pop_back();
        if (!entry.is_laid_out || entry.node->type != GUMBO_NODE_ELEMENT) {
            return;
        }
        const auto& element = entry.node->v.element;
        if (element.tag == GUMBO_TAG_A || element.tag == GUMBO_TAG_AREA) {
            add_target(element, entry);
        } else if (element.tag == GUMBO_TAG_Q) {
            writer_.add_word("\u201d");
        }
        if (entry.is_cell) {
            end_cell(writer_.pop_frame());
        }
        if (element.tag == GUMBO_TAG_TR) {
            end_row(entry.cells);
        }
        if (entry.has_prefix) {
            writer_.pop_prefix();
        }
        const auto line_ends = line_ends_around(element);
        if (const auto needed = is_list(element.tag) && !entry.is_nested_list ? 2U : line_ends; needed > 0) {
            writer_.need_line_ends(needed);
        }
    }

    void add_target(const GumboElement& element, const Open& entry) {
        auto target = trim(value_of(element, "href"));
        if (target.empty() || target.starts_with('#') || says(writer_.since(entry.place), target)) {
            return;
        }
        const bool is_cut = target.size() > html_target_octets_max;
        auto end = std::min(target.size(), html_target_octets_max);
        while (is_cut && end > 0 && (static_cast<unsigned char>(target[end]) & 0xc0U) == 0x80U) {
            --end;
        }
        std::string text(target.substr(0, end));
        std::replace_if(
            text.begin(), text.end(), [](char c) { return is_space(c); }, ' ');
        writer_.add_space();
        writer_.add_word('<' + text + (is_cut ? "\u2026>" : ">"));
    }

    /// Its text is written when its row is complete, or at once where it stands in none.
    void end_cell(std::string text) {
        while (!text.empty() && is_space(text.back())) {
            text.pop_back();
        }
        if (text.empty()) {
            return;
        }
        const bool is_in_row = !open_.empty() && open_.back().is_laid_out &&
                               open_.back().node->type == GUMBO_NODE_ELEMENT &&
                               open_.back().node->v.element.tag == GUMBO_TAG_TR;
        if (is_in_row) {
            open_.back().cells.push_back(std::move(text));
        } else {
            end_row({std::move(text)});
        }
    }

    void end_row(const std::vector<std::string>& cells) {
        constexpr std::size_t columns_max = 100;
        std::size_t octets = 0;
        bool are_short = true;
        for (const auto& cell : cells) {
            octets += cell.size();
            are_short = are_short && cell.find('\n') == std::string::npos;
        }
        if (are_short && octets <= columns_max) {
            for (const auto& cell : cells) {
                writer_.add_lines_of_cell(&cell == &cells.front() ? "" : " | ", cell);
            }
            return;
        }
        for (const auto& cell : cells) {
            const std::size_t line_ends = cell.find("\n\n") == std::string::npos ? 1 : 2;
            writer_.need_line_ends(line_ends);
            writer_.add_lines(cell);
            writer_.need_line_ends(line_ends);
        }
    }

    HtmlText& result_;
    Writer writer_;
    std::vector<Open> open_;
};

/// Of a page that cannot be parsed: all that is not between angle brackets.
std::string without_tags(std::string_view html) {
    std::string text;
    while (!html.empty()) {
        const auto begin = std::min(html.find('<'), html.size());
        text += html.substr(0, begin);
        html.remove_prefix(begin);
        const auto end = html.find('>');
        if (!html.empty() && !text.ends_with(' ')) {
            text += ' ';
        }
        html.remove_prefix(end == std::string_view::npos ? html.size() : end + 1);
    }
    return text;
}

} // namespace

HtmlText html_to_text(std::string_view html) {
    HtmlText result;
    result.is_complete = html.size() <= html_octets_max;
    const HtmlTree tree(html.substr(0, html_octets_max));
    if (tree.document() != nullptr) {
        Page(result).write(*tree.document());
    } else {
        result.text = without_tags(html.substr(0, html_octets_max));
        result.is_laid_out = false;
    }
    return result;
}

} // namespace lockbox::reader
