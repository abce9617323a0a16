#include "mail/content_type.hpp"

#include "base/ascii.hpp"

#include <algorithm>

namespace lockbox::mail {
namespace {

/// RFC 2045 §5.1; raw 8-bit bytes are let through, as mail in the wild has them.
bool is_token(char c) noexcept {
    constexpr std::string_view tspecials = "()<>@,;:\\\"/[]?=";
    return c > ' ' && c != '\x7f' ? tspecials.find(c) == std::string_view::npos : !is_ascii(c);
}

/// What a parameter's value may have without quotes. RFC 2045 asks for a token, but `boundary=----=_Part_1`
/// and `type=text/html` are everywhere and read by everybody.
bool is_unquoted_value(char c) noexcept {
    return is_token(c) || std::string_view("/:?=[]<>@\\").find(c) != std::string_view::npos;
}

class Reader {
public:
    explicit Reader(std::string_view text) noexcept : text_(text) {}

    [[nodiscard]] std::size_t place() const noexcept { return at_; }
    [[nodiscard]] bool at_end() const noexcept { return at_ == text_.size(); }

    bool take(char c) noexcept {
        if (at_end() || text_[at_] != c) {
            return false;
        }
        ++at_;
        return true;
    }

    /// White space, folds and comments, which nest (RFC 5322 §3.2.2). False: a comment does not end.
    bool skip_space() noexcept {
        std::size_t depth = 0;
        for (; !at_end(); ++at_) {
            const char c = text_[at_];
            if (c == '(') {
                ++depth;
            } else if (depth == 0 && !is_space(c)) {
                return true;
            } else if (depth > 0 && c == ')') {
                --depth;
            } else if (depth > 0 && c == '\\' && at_ + 1 < text_.size()) {
                ++at_;
            }
        }
        return depth == 0;
    }

    template <typename Belongs>
    std::string_view run(Belongs belongs) noexcept {
        const auto begin = at_;
        while (!at_end() && belongs(text_[at_])) {
            ++at_;
        }
        return text_.substr(begin, at_ - begin);
    }

    /// What stands between the quotes; nullopt: the closing one is missing.
    std::optional<std::string> quoted() {
        std::string value;
        for (++at_; !at_end(); ++at_) {
            char c = text_[at_];
            if (c == '"') {
                ++at_;
                return value;
            }
            if (c == '\\' && at_ + 1 < text_.size()) {
                c = text_[++at_];
            }
            if (c != '\r' && c != '\n') {
                value += c;
            }
        }
        return std::nullopt;
    }

    std::optional<std::string> value() {
        if (!at_end() && text_[at_] == '"') {
            return quoted();
        }
        const auto text = run(is_unquoted_value);
        return text.empty() ? std::nullopt : std::optional<std::string>(text);
    }

private:
    std::string_view text_;
    std::size_t at_ = 0;
};

/// One `name*NUMBER=` or `name*NUMBER*=` (RFC 2231 §3 and §4.1).
struct Piece {
    std::size_t number;
    bool is_extended;
    std::string_view value;
};

struct Place {
    std::size_t number;
    bool is_extended;
};

/// Of what stands behind the first asterisk. nullopt: it is no number as RFC 2231 §7 writes them, without
/// leading zeros.
std::optional<Place> place_of(std::string_view text) noexcept {
    constexpr std::size_t digits_max = 6;
    const bool is_extended = text.ends_with('*');
    text.remove_suffix(is_extended ? 1 : 0);
    if (text.empty() || text.size() > digits_max || (text.front() == '0' && text.size() > 1)) {
        return std::nullopt;
    }
    std::size_t number = 0;
    for (const char c : text) {
        if (!is_digit(c)) {
            return std::nullopt;
        }
        number = number * 10 + static_cast<std::size_t>(c - '0');
    }
    return Place{number, is_extended};
}

std::optional<unsigned> hex_digit(char c) noexcept {
    const char lower = to_lower(c);
    return is_digit(c)                    ? std::optional<unsigned>(static_cast<unsigned>(c - '0'))
           : lower >= 'a' && lower <= 'f' ? std::optional<unsigned>(static_cast<unsigned>(lower - 'a') + 10U)
                                          : std::nullopt;
}

/// False: a control character comes out of it. A percent sign without two digits stays.
bool append_percent_decoded(std::string& to, std::string_view text) {
    for (std::size_t at = 0; at < text.size(); ++at) {
        char c = text[at];
        if (c == '%' && at + 2 < text.size()) {
            const auto high = hex_digit(text[at + 1]);
            const auto low = hex_digit(text[at + 2]);
            if (high && low) {
                c = static_cast<char>(*high << 4U | *low);
                at += 2;
                if (is_control(c)) {
                    return false;
                }
            }
        }
        to += c;
    }
    return true;
}

/// `pieces` in their order.
std::optional<ContentType::Value> joined(const std::vector<Piece>& pieces) {
    ContentType::Value value;
    bool is_first = true;
    for (const auto& piece : pieces) {
        auto text = piece.value;
        if (piece.is_extended && is_first) { // charset'language'text
            const auto charset_end = text.find('\'');
            const auto language_end =
                charset_end == std::string_view::npos ? charset_end : text.find('\'', charset_end + 1);
            if (language_end != std::string_view::npos) {
                value.charset = text.substr(0, charset_end);
                text.remove_prefix(language_end + 1);
            }
        }
        is_first = false;
        if (!piece.is_extended) {
            value.text += text;
        } else if (!append_percent_decoded(value.text, text)) {
            return std::nullopt;
        }
    }
    return value;
}

} // namespace

std::optional<ContentType> ContentType::parse(std::string_view field_body) {
    Reader reader(field_body);
    ContentType result;
    if (!reader.skip_space()) {
        return std::nullopt;
    }
    const auto type = reader.run(is_token);
    if (type.empty() || !reader.skip_space() || !reader.take('/') || !reader.skip_space()) {
        return std::nullopt;
    }
    const auto subtype = reader.run(is_token);
    if (subtype.empty() || !reader.skip_space()) {
        return std::nullopt;
    }
    result.media_type_ = to_lower(type) + '/' + to_lower(subtype);
    while (!reader.at_end()) {
        const auto begin = reader.place();
        if (!reader.take(';') || !reader.skip_space()) {
            return std::nullopt;
        }
        if (reader.at_end()) {
            result.final_semicolon_ = begin;
            break;
        }
        auto name = to_lower(reader.run(is_token));
        if (name.empty() || !reader.skip_space() || !reader.take('=') || !reader.skip_space()) {
            return std::nullopt;
        }
        auto value = reader.value();
        const auto end = reader.place();
        if (!value || !reader.skip_space()) {
            return std::nullopt;
        }
        result.parameters_.push_back({std::move(name), std::move(*value), begin, end});
    }
    return result;
}

ContentType::Readings ContentType::readings(std::string_view name) const {
    std::vector<Piece> pieces;
    std::vector<std::optional<Value>> extended;
    std::vector<std::optional<Value>> plain;
    Readings result;
    for (const auto& parameter : parameters_) {
        const std::string_view written = parameter.name;
        if (!written.starts_with(name)) {
            continue;
        }
        const auto suffix = written.substr(name.size());
        if (suffix.empty()) {
            plain.push_back(Value{parameter.value, {}});
        } else if (suffix == "*") {
            extended.push_back(joined({{0, true, parameter.value}}));
        } else if (suffix.front() == '*') {
            const auto place = place_of(suffix.substr(1));
            if (place) {
                pieces.push_back({place->number, place->is_extended, parameter.value});
            }
            result.is_ambiguous = result.is_ambiguous || !place;
        }
    }
    const auto add = [&](std::optional<Value> value) {
        const auto is_same = [&](const Value& known) { return known.text == value->text; };
        if (!value) {
            result.is_ambiguous = true;
        } else if (std::none_of(result.values.begin(), result.values.end(), is_same)) {
            result.values.push_back(std::move(*value));
        }
    };
    std::for_each(extended.begin(), extended.end(), add);
    if (!pieces.empty()) {
        std::stable_sort(pieces.begin(), pieces.end(),
                         [](const Piece& a, const Piece& b) { return a.number < b.number; });
        std::vector<Piece> in_sequence;
        for (const auto& piece : pieces) {
            if (piece.number == in_sequence.size()) {
                in_sequence.push_back(piece);
            }
        }
        if (!in_sequence.empty()) {
            add(joined(in_sequence));
        }
        if (in_sequence.size() != pieces.size()) {
            result.is_ambiguous = true;
            add(joined(pieces));
        }
    }
    std::for_each(plain.begin(), plain.end(), add);
    result.is_ambiguous = result.is_ambiguous || result.values.size() > 1;
    return result;
}

std::optional<std::string> ContentType::parameter(std::string_view name) const {
    auto values = readings(name).values;
    return values.empty() ? std::nullopt : std::optional<std::string>(std::move(values.front().text));
}

std::optional<ContentType> parsed_disposition(std::string_view field_body) {
    return ContentType::parse("x/" + std::string(trim(field_body)));
}

std::optional<std::string> with_parameters(std::string_view field_body,
                                           const std::vector<std::string_view>& without,
                                           std::string_view appended) {
    const auto type = ContentType::parse(field_body);
    if (!type) {
        return std::nullopt;
    }
    const auto unwanted = [&](const ContentType::Parameter& parameter) {
        // `name*` and `name*0` are the same parameter in RFC 2231's spelling.
        const auto name = std::string_view(parameter.name).substr(0, parameter.name.find('*'));
        return std::find(without.begin(), without.end(), name) != without.end();
    };
    std::string result;
    result.reserve(field_body.size() + appended.size());
    std::size_t kept = 0;
    for (const auto& parameter : type->parameters()) {
        if (unwanted(parameter)) {
            result += field_body.substr(kept, parameter.begin - kept);
            kept = parameter.end;
        }
    }
    // A semicolon with nothing behind it would make the next one an empty parameter.
    const auto end =
        appended.empty() ? field_body.size() : type->final_semicolon().value_or(field_body.size());
    result += field_body.substr(kept, end - kept);
    result += appended;
    return result;
}

} // namespace lockbox::mail
