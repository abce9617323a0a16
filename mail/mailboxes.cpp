#include "mail/mailboxes.hpp"

#include "base/ascii.hpp"
#include "mail/atext.hpp"

#include <algorithm>
#include <utility>

namespace lockbox::mail {
namespace {

/// Octets that are not UTF-8 occur in display names.
bool is_atom(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), is_atext);
}

/// Words of an address list (RFC 5322 §3.2): white space and comments are gone.
struct Token {
    enum class Kind { atom, encoded_word, quoted, literal, special, end };
    Kind kind = Kind::end;
    char special = '\0';
    std::string value;     ///< unquoted; a literal with its brackets
    bool is_apart = false; ///< white space or a comment stands before it

    [[nodiscard]] bool is(char c) const noexcept { return kind == Kind::special && special == c; }
};

/// Octets of the encoded word at the beginning of the text (RFC 2047 §2); 0: there is none.
std::size_t encoded_word_octets(std::string_view text) noexcept {
    constexpr std::size_t encoding_octets = 3; // "?Q?"
    constexpr std::size_t begin_octets = 2;    // "=?"
    if (!text.starts_with("=?")) {
        return 0;
    }
    // Only printable ASCII, so that a look for the end stops at the next white space.
    const auto extent = static_cast<std::size_t>(
        std::find_if(text.begin(), text.end(), [](char c) { return c <= ' ' || c >= '\x7f'; }) -
        text.begin());
    const auto word = text.substr(0, extent);
    const auto encoding = word.find('?', begin_octets);
    if (encoding == std::string_view::npos || encoding == begin_octets ||
        word.size() < encoding + encoding_octets || word[encoding + 2] != '?' ||
        std::string_view("bBqQ").find(word[encoding + 1]) == std::string_view::npos) {
        return 0;
    }
    const auto end = word.find("?=", encoding + encoding_octets);
    const auto text_octets = end == std::string_view::npos ? end : end + 2;
    return text_octets <= extent ? text_octets : 0;
}

class Tokens {
public:
    explicit Tokens(std::string_view text) noexcept : text_(text) {}

    Token next() {
        const auto end_of_last = at_;
        skip_space();
        const bool is_apart = at_ > end_of_last;
        auto token = read();
        token.is_apart = is_apart;
        return token;
    }

    /// Nothing up to here was outside of the grammar of RFC 5322 §3.2.
    [[nodiscard]] bool understood() const noexcept { return understood_; }
    /// The last comment before the token that was read last, and forgets it.
    [[nodiscard]] std::string take_comment() { return std::exchange(comment_, {}); }

private:
    Token read() {
        if (at_ == text_.size()) {
            return {};
        }
        const char c = text_[at_];
        if (c == '"') {
            return delimited(Token::Kind::quoted, '"');
        }
        if (c == '[') {
            return delimited(Token::Kind::literal, ']');
        }
        if (is_special(c)) {
            ++at_;
            return {Token::Kind::special, c, {}, false};
        }
        const auto encoded = encoded_word_octets(text_.substr(at_));
        const auto begin = at_;
        if (encoded > 0) {
            at_ += encoded;
        } else {
            while (at_ < text_.size() && !is_special(text_[at_]) && !is_space(text_[at_]) &&
                   text_[at_] != '(' && text_[at_] != '"' && text_[at_] != '[') {
                ++at_;
            }
        }
        std::string value(text_.substr(begin, at_ - begin));
        if (encoded > 0 && !is_atom(value)) {
            return {Token::Kind::encoded_word, '\0', std::move(value), false};
        }
        understood_ = understood_ && is_atom(value);
        return {Token::Kind::atom, '\0', std::move(value), false};
    }

    static bool is_special(char c) noexcept {
        return std::string_view("<>,;:@.").find(c) != std::string_view::npos;
    }

    /// White space: SP, TAB, and line ends where white space follows (RFC 5322 §3.2.2).
    void take_space() noexcept {
        const bool is_fold = text_[at_] == '\n' && at_ + 1 < text_.size() && is_blank(text_[at_ + 1]);
        const bool is_line_end = text_.substr(at_).starts_with("\r\n");
        understood_ = understood_ && (is_blank(text_[at_]) || is_fold || is_line_end);
    }

    /// Comments nest; one that does not end takes the rest.
    void skip_space() {
        std::size_t depth = 0;
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (is_space(c)) {
                take_space();
                if (depth > 0) {
                    comment_ += ' ';
                }
                continue;
            }
            if (c == '(') {
                if (depth++ == 0) {
                    comment_.clear();
                    continue;
                }
            } else if (depth == 0) {
                return;
            } else if (c == ')' && --depth == 0) {
                continue;
            } else if (c == '\\' && at_ + 1 < text_.size()) {
                ++at_;
            }
            understood_ = understood_ && !is_control(text_[at_]);
            comment_ += text_[at_];
        }
        understood_ = understood_ && depth == 0;
    }

    Token delimited(Token::Kind kind, char closing) {
        Token token{kind, '\0', {}, false};
        for (++at_; at_ < text_.size(); ++at_) {
            char c = text_[at_];
            if (c == closing) {
                ++at_;
                if (kind == Token::Kind::literal) {
                    token.value = '[' + token.value + ']';
                }
                return token;
            }
            if (c == '\\' && at_ + 1 < text_.size()) {
                c = text_[++at_];
            } else if (is_space(c)) {
                take_space();
            }
            if (c == '\r' || c == '\n') {
                continue;
            }
            understood_ = understood_ && (!is_control(c) || c == '\t');
            token.value += c;
        }
        understood_ = false; // the closing character is missing: nothing behind it can be told apart
        return {};
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::string comment_;
    bool understood_ = true;
};

/// Collects `local-part @ domain` from tokens, with white space and comments around every token as the
/// obsolete syntax has it.
class AddrSpec {
public:
    void add(const Token& token) {
        if (token.kind == Token::Kind::special) {
            add_special(token.special);
        } else {
            add_word(token);
        }
    }

    /// nullopt: what was collected is none.
    [[nodiscard]] std::optional<Address> address() const {
        if (!valid_ || !in_domain_ || after_dot_) {
            return std::nullopt;
        }
        std::string text = "\"";
        for (const char c : local_part_) {
            text += c == '"' || c == '\\' ? "\\" : "";
            text += c;
        }
        // parse() takes the quotes away where a dot-string would do. Words and dots may be badly mixed here.
        return has_quotes_ || is_dot_atom() ? Address::parse(text + "\"@" + domain_) : std::nullopt;
    }

private:
    [[nodiscard]] bool is_dot_atom() const noexcept {
        return std::all_of(local_part_.begin(), local_part_.end(),
                           [](char c) { return c == '.' || is_atext(c); });
    }

    void add_special(char c) {
        if (c == '@') {
            valid_ = valid_ && !in_domain_ && !expects_word_;
            in_domain_ = true;
        } else {
            valid_ = valid_ && c == '.' && !expects_word_;
            if (valid_) {
                text() += '.';
            }
        }
        after_dot_ = c == '.';
        expects_word_ = true;
    }

    void add_word(const Token& token) {
        valid_ = valid_ && expects_word_ && token.kind != Token::Kind::encoded_word &&
                 (token.kind != Token::Kind::literal || in_domain_) &&
                 (token.kind != Token::Kind::quoted || !in_domain_);
        if (valid_) {
            text() += token.value;
            has_quotes_ = has_quotes_ || token.kind == Token::Kind::quoted;
        }
        after_dot_ = false;
        expects_word_ = false;
    }

    std::string& text() noexcept { return in_domain_ ? domain_ : local_part_; }

    std::string local_part_;
    std::string domain_;
    bool valid_ = true;
    bool has_quotes_ = false;
    bool in_domain_ = false;
    bool expects_word_ = true;
    bool after_dot_ = false;
};

/// One element of an address list: a display name with an address in angle brackets, or an address alone.
class ListElement {
public:
    void add(const Token& token) {
        is_empty_ = false;
        if (token.is('<')) {
            if (place_ == Place::outside) {
                place_ = Place::inside;
            } else if (place_ == Place::inside) {
                spec_ = AddrSpec(), spec_.add(token); // `<<`: not an address
            } else {
                is_clear_ = false;
            }
        } else if (token.is('>') && place_ == Place::inside) {
            place_ = Place::behind;
        } else if (place_ == Place::inside) {
            add_inside(token);
        } else if (place_ == Place::outside) {
            bare_.add(token);
            add_to_phrase(token);
        } else {
            is_clear_ = false;
        }
    }

    /// A comma or colon here separates the hosts of an obsolete route, `<@a,@b:user@c>`.
    [[nodiscard]] bool in_route() const noexcept { return place_ == Place::inside && route_; }
    [[nodiscard]] bool in_brackets() const noexcept { return place_ == Place::inside; }
    [[nodiscard]] bool is_empty() const noexcept { return is_empty_; }

    /// It is a phrase and nothing else (RFC 5322 §3.2.5, §4.1): what may stand before the colon of a group.
    [[nodiscard]] bool is_phrase() const noexcept {
        return place_ == Place::outside && is_phrase_ && !is_empty_;
    }
    [[nodiscard]] const std::string& phrase() const noexcept { return phrase_; }

    [[nodiscard]] std::optional<Address> address() const {
        switch (place_) {
        case Place::outside:
            return bare_.address();
        case Place::inside: // the closing bracket is missing, which readers forgive
        case Place::behind:
            return spec_.address();
        }
        return std::nullopt;
    }

    /// Nothing stands in it but one mailbox.
    [[nodiscard]] bool is_understood() const {
        return is_empty_ || (is_clear_ && address().has_value() &&
                             (place_ == Place::outside || (place_ == Place::behind && is_phrase_)));
    }
    [[nodiscard]] std::string name() const { return place_ == Place::outside ? std::string() : phrase_; }

private:
    enum class Place { outside, inside, behind };

    void add_inside(const Token& token) {
        const bool special = token.kind == Token::Kind::special;
        if (first_inside_) {
            first_inside_ = false;
            route_ = special && (token.special == '@' || token.special == ',');
            is_clear_ = is_clear_ && !route_;
        }
        if (!route_) {
            spec_.add(token);
        } else if (special && token.special == ':') {
            route_ = false;
        }
    }

    /// RFC 5322 §4.1: words, and full stops behind the first of them.
    void add_to_phrase(const Token& token) {
        if (token.is('.') && !phrase_.empty()) {
            phrase_ += '.';
            return;
        }
        is_phrase_ = is_phrase_ && token.kind != Token::Kind::special && token.kind != Token::Kind::literal;
        if (token.kind == Token::Kind::special) {
            phrase_ += token.special;
        } else {
            phrase_ += token.is_apart && !phrase_.empty() ? " " : "";
            phrase_ += token.value;
        }
    }

    AddrSpec bare_;
    AddrSpec spec_;
    std::string phrase_;
    Place place_ = Place::outside;
    bool is_empty_ = true;
    bool is_phrase_ = true;
    bool is_clear_ = true;
    bool first_inside_ = true;
    bool route_ = false;
};

/// Nothing in it is invisible or misleads: what a person reads is the address.
bool can_be_shown(const Address& address) {
    const auto text = address.to_string();
    return printable(text, text.size() + 1) == text;
}

class ListReader {
public:
    explicit ListReader(std::string_view text) noexcept : tokens_(text) {}

    Mailboxes read() {
        for (auto token = next(); token.kind != Token::Kind::end; token = next()) {
            if (token.is(',') && !element_.in_route()) {
                finish_element();
                is_behind_group_ = false;
            } else if (token.is(';') && !element_.in_route()) {
                finish_element();
                end_group();
            } else if (token.is(':') && !element_.in_brackets()) {
                begin_group();
            } else {
                result_.understood = result_.understood && !is_behind_group_; // a comma is missing
                element_.add(token);
            }
        }
        finish_element();
        result_.understood = result_.understood && !in_group_ && tokens_.understood();
        return std::move(result_);
    }

private:
    Token next() {
        auto token = tokens_.next();
        if (auto comment = tokens_.take_comment(); !comment.empty()) {
            comment_ = std::move(comment);
        }
        return token;
    }

    MailboxGroup& group() {
        if (result_.groups.empty() || (!in_group_ && result_.groups.back().name)) {
            result_.groups.emplace_back();
        }
        return result_.groups.back();
    }

    void finish_element() {
        result_.understood = result_.understood && element_.is_understood();
        if (auto address = element_.address()) {
            auto name = element_.name();
            result_.understood = result_.understood && can_be_shown(*address);
            group().mailboxes.push_back(
                {name.empty() ? std::string(trim(comment_)) : std::move(name), std::move(*address)});
        }
        element_ = ListElement();
        comment_.clear();
    }

    /// What stands before the colon is the name of a group, whatever it looks like.
    void begin_group() {
        result_.understood = result_.understood && !in_group_ && !is_behind_group_ && element_.is_phrase();
        result_.groups.push_back({element_.phrase(), {}});
        in_group_ = true;
        element_ = ListElement();
        comment_.clear();
    }

    void end_group() {
        result_.understood = result_.understood && in_group_; // some programs separate mailboxes with it
        is_behind_group_ = in_group_;
        in_group_ = false;
    }

    Tokens tokens_;
    Mailboxes result_;
    ListElement element_;
    std::string comment_; ///< the last one of the element
    bool in_group_ = false;
    bool is_behind_group_ = false;
};

} // namespace

std::vector<Address> Mailboxes::addresses() const {
    std::vector<Address> result;
    for (const auto& group : groups) {
        for (const auto& mailbox : group.mailboxes) {
            result.push_back(mailbox.address);
        }
    }
    return result;
}

std::optional<Mailbox> Mailboxes::only() const {
    const bool is_one =
        understood && groups.size() == 1 && !groups.front().name && groups.front().mailboxes.size() == 1;
    return is_one ? std::optional(groups.front().mailboxes.front()) : std::nullopt;
}

Mailboxes mailboxes_in(std::string_view field_body) {
    return ListReader(field_body).read();
}

std::vector<Address> addresses_in(std::string_view field_body) {
    return mailboxes_in(field_body).addresses();
}

} // namespace lockbox::mail
