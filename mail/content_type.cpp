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

std::optional<std::string> ContentType::parameter(std::string_view name) const {
    const auto found = std::find_if(parameters_.begin(), parameters_.end(),
                                    [&](const Parameter& parameter) { return parameter.name == name; });
    return found == parameters_.end() ? std::nullopt : std::optional<std::string>(found->value);
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
