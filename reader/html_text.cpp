#include "reader/html_text.hpp"

#include "base/ascii.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <vector>

namespace lockbox::reader {
namespace {

// ------------------------------------------------------------------------------------------- character
// references

struct Named {
    std::string_view name;
    std::string_view text;
};

// Of HTML's 2231 names (WHATWG HTML §13.5) those that mail has.
constexpr std::array<Named, 56> named{{
    {"amp", "&"},         {"lt", "<"},          {"gt", ">"},          {"quot", "\""},
    {"apos", "'"},        {"nbsp", " "},        {"copy", "\u00a9"},   {"reg", "\u00ae"},
    {"trade", "\u2122"},  {"euro", "\u20ac"},   {"pound", "\u00a3"},  {"yen", "\u00a5"},
    {"cent", "\u00a2"},   {"sect", "\u00a7"},   {"para", "\u00b6"},   {"deg", "\u00b0"},
    {"plusmn", "\u00b1"}, {"times", "\u00d7"},  {"divide", "\u00f7"}, {"middot", "\u00b7"},
    {"bull", "\u2022"},   {"hellip", "\u2026"}, {"ndash", "\u2013"},  {"mdash", "\u2014"},
    {"lsquo", "\u2018"},  {"rsquo", "\u2019"},  {"sbquo", "\u201a"},  {"ldquo", "\u201c"},
    {"rdquo", "\u201d"},  {"bdquo", "\u201e"},  {"laquo", "\u00ab"},  {"raquo", "\u00bb"},
    {"iexcl", "\u00a1"},  {"iquest", "\u00bf"}, {"szlig", "\u00df"},  {"auml", "\u00e4"},
    {"ouml", "\u00f6"},   {"uuml", "\u00fc"},   {"Auml", "\u00c4"},   {"Ouml", "\u00d6"},
    {"Uuml", "\u00dc"},   {"aacute", "\u00e1"}, {"eacute", "\u00e9"}, {"iacute", "\u00ed"},
    {"oacute", "\u00f3"}, {"uacute", "\u00fa"}, {"agrave", "\u00e0"}, {"egrave", "\u00e8"},
    {"ccedil", "\u00e7"}, {"ntilde", "\u00f1"}, {"aring", "\u00e5"},  {"oslash", "\u00f8"},
    {"aelig", "\u00e6"},  {"ecirc", "\u00ea"},  {"shy", ""},          {"zwnj", ""},
}};

void append_utf8(std::string& out, std::uint32_t code) {
    if (code == 0 || code > 0x10ffffU || (code >= 0xd800U && code < 0xe000U)) {
        code = 0xfffdU;
    }
    const auto put = [&](std::uint32_t octet) { out += static_cast<char>(octet); };
    if (code < 0x80U) {
        put(code);
    } else if (code < 0x800U) {
        put(0xc0U | code >> 6U);
        put(0x80U | (code & 0x3fU));
    } else if (code < 0x10000U) {
        put(0xe0U | code >> 12U);
        put(0x80U | (code >> 6U & 0x3fU));
        put(0x80U | (code & 0x3fU));
    } else {
        put(0xf0U | code >> 18U);
        put(0x80U | (code >> 12U & 0x3fU));
        put(0x80U | (code >> 6U & 0x3fU));
        put(0x80U | (code & 0x3fU));
    }
}

/// Appends what the reference at the beginning of `text` stands for; returns its octets, 0 where it is none.
std::size_t append_reference(std::string& out, std::string_view text) {
    constexpr std::size_t octets_max = 12;
    const auto end = text.substr(0, octets_max).find(';');
    if (end == std::string_view::npos) {
        return 0;
    }
    const auto name = text.substr(1, end - 1);
    if (name.starts_with('#')) {
        const bool hex = name.size() > 1 && to_lower(name[1]) == 'x';
        const auto digits = name.substr(hex ? 2 : 1);
        std::uint32_t code = 0;
        const auto [last, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
        if (error != std::errc() || last != digits.data() + digits.size()) {
            return 0;
        }
        append_utf8(out, code == 0xa0U ? ' ' : code);
        return end + 1;
    }
    const auto* const found =
        std::find_if(named.begin(), named.end(), [&](const Named& known) { return known.name == name; });
    if (found == named.end()) {
        return 0;
    }
    out += found->text;
    return end + 1;
}

std::string without_references(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const auto at = std::min(text.find('&'), text.size());
        result += text.substr(0, at);
        text.remove_prefix(at);
        if (!text.empty()) {
            const auto octets = append_reference(result, text);
            result += octets == 0 ? "&" : "";
            text.remove_prefix(std::max<std::size_t>(octets, 1));
        }
    }
    return result;
}

// ------------------------------------------------------------------------------------------------ tags

struct Tag {
    std::string name; ///< lower case
    bool closing = false;
    bool self_closing = false;
    bool complete = false; ///< its ">" is there
    bool hides = false;    ///< what is in it is not seen
    std::string href;
    std::string alt;
};

/// Of one style attribute.
bool style_hides(std::string_view style) {
    std::string compact;
    for (const char c : style) {
        if (!is_space(c)) {
            compact += to_lower(c);
        }
    }
    const auto has = [&](std::string_view what) {
        return (';' + compact + ';').find(what) != std::string::npos;
    };
    return has(";display:none") || has(";visibility:hidden") || has(";font-size:0;") ||
           has(";font-size:0p") || has(";font-size:0e") || has(";opacity:0;") || has(";mso-hide:all") ||
           has(";opacity:0.0");
}

class TagReader {
public:
    /// `text` begins with "<" and a letter or "/".
    explicit TagReader(std::string_view text) : text_(text.substr(1)) {}

    /// Leaves at() behind the tag; an unfinished one goes to the end.
    Tag read() {
        Tag tag;
        if (text_.starts_with('/')) {
            tag.closing = true;
            text_.remove_prefix(1);
        }
        tag.name = lockbox::to_lower(take_until(" \t\r\n/>"));
        while (!text_.empty()) {
            skip_space();
            if (text_.starts_with('>')) {
                text_.remove_prefix(1);
                tag.complete = true;
                break;
            }
            if (text_.starts_with('/')) {
                text_.remove_prefix(1);
                tag.self_closing = text_.starts_with('>');
                continue;
            }
            read_attribute(tag);
        }
        return tag;
    }
    [[nodiscard]] std::string_view rest() const noexcept { return text_; }

private:
    void read_attribute(Tag& tag) {
        const auto name = lockbox::to_lower(take_until(" \t\r\n/>="));
        skip_space();
        std::string_view value;
        if (text_.starts_with('=')) {
            text_.remove_prefix(1);
            skip_space();
            if (text_.starts_with('"') || text_.starts_with('\'')) {
                const auto quote = text_.front();
                text_.remove_prefix(1);
                const auto end = std::min(text_.find(quote), text_.size());
                value = text_.substr(0, end);
                text_.remove_prefix(std::min(end + 1, text_.size()));
            } else {
                value = take_until(" \t\r\n>");
            }
        } else if (name.empty() && !text_.empty()) {
            text_.remove_prefix(1); // a stray quote or equals sign
        }
        if (name == "href") {
            tag.href = without_references(value);
        } else if (name == "alt") {
            tag.alt = without_references(value);
        } else if (name == "hidden") {
            tag.hides = true;
        } else if (name == "style") {
            tag.hides = tag.hides || style_hides(without_references(value));
        }
    }

    std::string_view take_until(std::string_view characters) {
        const auto end = std::min(text_.find_first_of(characters), text_.size());
        const auto taken = text_.substr(0, end);
        text_.remove_prefix(end);
        return taken;
    }
    void skip_space() {
        while (!text_.empty() && is_space(text_.front())) {
            text_.remove_prefix(1);
        }
    }

    std::string_view text_;
};

template <std::size_t Size>
bool is_one_of(std::string_view name, const std::array<std::string_view, Size>& names) noexcept {
    return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr std::array<std::string_view, 12> without_end{"br",   "hr",   "img", "input", "meta", "link",
                                                       "area", "base", "col", "embed", "wbr",  "source"};
/// What is in them is no text.
constexpr std::array<std::string_view, 9> unseen{"head",   "template", "noscript", "object", "svg",
                                                 "select", "math",     "iframe",   "video"};
/// Their content ends at their end tag alone (WHATWG HTML §13.1.2, raw text).
constexpr std::array<std::string_view, 5> raw{"script", "style", "title", "textarea", "xmp"};
constexpr std::array<std::string_view, 13> paragraphs{"p",  "blockquote", "ul", "ol", "table", "pre", "h1",
                                                      "h2", "h3",         "h4", "h5", "h6",    "dl"};
constexpr std::array<std::string_view, 14> lines{"div",     "tr",      "li",      "dt",     "dd",
                                                 "section", "article", "header",  "footer", "center",
                                                 "address", "form",    "caption", "hr"};

// ------------------------------------------------------------------------------------------------ text

class Writer {
public:
    explicit Writer(std::string_view html) : html_(html.substr(0, html_octets_max)) {}

    std::string write() {
        while (!html_.empty()) {
            const auto at = std::min(html_.find('<'), html_.size());
            add_text(html_.substr(0, at));
            html_.remove_prefix(at);
            if (!html_.empty()) {
                read_markup();
            }
        }
        while (!open_.empty()) {
            close_last();
        }
        while (!out_.empty() && is_space(out_.back())) {
            out_.pop_back();
        }
        return out_.empty() ? out_ : out_ + '\n';
    }

private:
    struct Open {
        std::string name;
        bool hides;
        bool is_preformatted;
        std::string href;
        std::size_t text_begin;
    };

    void read_markup() {
        if (html_.starts_with("<!--")) {
            const auto end = html_.find("-->", 4);
            html_.remove_prefix(end == std::string_view::npos ? html_.size() : end + 3);
            return;
        }
        if (html_.starts_with("<!") || html_.starts_with("<?")) {
            const auto end = html_.find('>');
            html_.remove_prefix(end == std::string_view::npos ? html_.size() : end + 1);
            return;
        }
        const bool is_tag = html_.size() > 1 && (is_alpha(html_[1]) || html_[1] == '/');
        if (!is_tag) {
            add_text("<");
            html_.remove_prefix(1);
            return;
        }
        TagReader reader(html_);
        const auto tag = reader.read();
        html_ = reader.rest();
        if (!tag.complete) {
            return;
        }
        if (tag.closing) {
            close(tag.name);
        } else {
            open(tag);
        }
    }

    void open(const Tag& tag) {
        if (is_one_of(tag.name, raw)) {
            skip_raw(tag.name);
            return;
        }
        if (is_one_of(tag.name, paragraphs)) {
            break_lines(2);
        } else if (is_one_of(tag.name, lines)) {
            break_lines(1);
        }
        if (!tag.hides && hidden_ == 0) {
            if (tag.name == "br") {
                out_ += '\n';
                space_ = false;
            } else if (tag.name == "hr") {
                add_word("----------");
                break_lines(1);
            } else if (tag.name == "img" && !trim(tag.alt).empty()) {
                add_text(" [image: " + tag.alt + "] ");
            } else if (tag.name == "li") {
                add_word("* ");
            } else if (tag.name == "td" || tag.name == "th") {
                space_ = space_ || !at_line_begin();
            }
        }
        if (is_one_of(tag.name, without_end) || tag.self_closing || open_.size() >= html_depth_max) {
            return;
        }
        const bool hides = tag.hides || is_one_of(tag.name, unseen);
        hidden_ += hides ? 1U : 0U;
        preformatted_ += tag.name == "pre" ? 1U : 0U;
        open_.push_back({tag.name, hides, tag.name == "pre", tag.name == "a" ? tag.href : "", out_.size()});
    }

    /// An end tag closes what is open inside of its element; one without an element closes nothing.
    void close(std::string_view name) {
        constexpr std::size_t looked_at_max = 32; // keeps nonsense linear
        const auto from = open_.size() - std::min(open_.size(), looked_at_max);
        for (auto at = open_.size(); at > from; --at) {
            if (open_[at - 1].name == name) {
                while (open_.size() >= at) {
                    close_last();
                }
                return;
            }
        }
        if (name == "p" || name == "br") {
            break_lines(1);
        }
    }

    void close_last() {
        const auto element = std::move(open_.back());
        open_.pop_back();
        if (hidden_ == 0) {
            add_target(element);
        }
        hidden_ -= element.hides ? 1U : 0U;
        preformatted_ -= element.is_preformatted ? 1U : 0U;
        if (is_one_of(element.name, paragraphs)) {
            break_lines(2);
        } else if (is_one_of(element.name, lines)) {
            break_lines(1);
        }
    }

    void add_target(const Open& element) {
        const auto target = trim(element.href);
        if (target.empty() || target.starts_with('#')) {
            return;
        }
        const auto begin = std::min(element.text_begin, out_.size());
        const auto text = trim(std::string_view(out_).substr(begin));
        if (text != target && "mailto:" + std::string(text) != target) {
            add_text(" <" + std::string(target) + ">");
        }
    }

    void skip_raw(const std::string& name) {
        const auto end_tag = "</" + name;
        while (!html_.empty()) {
            const auto at = html_.find('<');
            if (at == std::string_view::npos) {
                html_ = {};
                return;
            }
            html_.remove_prefix(at);
            if (starts_with_ignoring_case(html_, end_tag)) {
                const auto end = html_.find('>');
                html_.remove_prefix(end == std::string_view::npos ? html_.size() : end + 1);
                return;
            }
            html_.remove_prefix(1);
        }
    }

    void add_text(std::string_view text) {
        if (hidden_ > 0) {
            return;
        }
        while (!text.empty()) {
            const char c = text.front();
            if (preformatted_ > 0 && is_space(c)) {
                out_ += c == '\r' ? "" : std::string(1, c);
                space_ = false;
                text.remove_prefix(1);
            } else if (is_space(c)) {
                space_ = !at_line_begin();
                text.remove_prefix(1);
            } else if (c == '&') {
                std::string character;
                const auto octets = append_reference(character, text);
                add_word(octets == 0 ? "&" : character);
                text.remove_prefix(std::max<std::size_t>(octets, 1));
            } else {
                const auto end = std::min(text.find_first_of(" \t\r\n&"), text.size());
                add_word(text.substr(0, end));
                text.remove_prefix(end);
            }
        }
    }

    void add_word(std::string_view word) {
        if (word == " ") {
            space_ = !at_line_begin();
            return;
        }
        if (hidden_ > 0 || word.empty()) {
            return;
        }
        if (space_) {
            out_ += ' ';
        }
        space_ = false;
        out_ += word;
    }

    void break_lines(std::size_t line_ends) {
        if (hidden_ > 0 || out_.empty()) {
            return;
        }
        space_ = false;
        std::size_t there = 0;
        while (there < line_ends && there < out_.size() && out_[out_.size() - 1 - there] == '\n') {
            ++there;
        }
        out_.append(line_ends - there, '\n');
    }

    [[nodiscard]] bool at_line_begin() const noexcept { return out_.empty() || out_.back() == '\n'; }

    std::string_view html_;
    std::string out_;
    std::vector<Open> open_;
    std::size_t hidden_ = 0;
    std::size_t preformatted_ = 0;
    bool space_ = false; // one is due before the next word
};

} // namespace

std::string html_to_text(std::string_view html) {
    return Writer(html).write();
}

} // namespace lockbox::reader
