#include "policy/rule.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"

#include <fmt/format.h>

#include <vector>

namespace lockbox::policy {
namespace {

constexpr std::string_view what_a_pattern_is =
    "an address, @domain, @.domain (the domain and all below it), * or, after from=, <>";
constexpr std::string_view what_a_word_is =
    "to=PATTERN, from=PATTERN, require, prefer, never, openpgp, smime, any, gcm, hide-subject, defer, "
    "clear-if-unusable";

[[noreturn]] void fail(const std::string& what) {
    throw Error(ErrorKind::configuration, what);
}

/// Separated by blanks; a quoted local part may contain some: to="john smith"@example.org.
std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    std::size_t begin = 0;
    bool quoted = false;
    for (std::size_t at = 0; at <= text.size(); ++at) {
        const bool end = at == text.size();
        if (end && quoted) {
            fail("a quotation mark has no partner");
        }
        if (end || (!quoted && is_blank(text[at]))) {
            if (at > begin) {
                words.push_back(text.substr(begin, at - begin));
            }
            begin = at + 1;
        } else if (text[at] == '"') {
            quoted = !quoted;
        } else if (quoted && text[at] == '\\' && at + 1 < text.size()) {
            ++at;
        }
    }
    return words;
}

/// What somebody meant who wrote a pattern of another program; empty: no idea.
std::string advice_on(std::string_view text) {
    constexpr std::string_view any_local_part = "*@";
    if (text.substr(0, any_local_part.size()) == any_local_part) {
        return fmt::format("; write {} for every address of a domain", text.substr(1));
    }
    const bool bare = text.find('@') == std::string_view::npos && mail::normalised_domain(text).has_value();
    return bare ? fmt::format("; write @{} for every address of a domain", text) : std::string();
}

Pattern pattern_after(std::string_view key, std::string_view text) {
    auto pattern = Pattern::parse(text);
    if (!pattern) {
        fail(fmt::format("'{}' after {} is not a pattern: {}{}", printable(text), key, what_a_pattern_is,
                         advice_on(text)));
    }
    return *std::move(pattern);
}

/// Collects the words of one rule and sees to it that they make sense together.
class RuleReader {
public:
    void take(std::string_view word) {
        if (const auto equals = word.find('='); equals != std::string_view::npos) {
            take_pattern(word.substr(0, equals + 1), word.substr(equals + 1), word);
        } else if (word == "gcm") {
            once(std::exchange(rule_.gcm, true), word);
        } else if (word == "hide-subject") {
            once(std::exchange(rule_.hide_subject, true), word);
        } else if (word == "defer") {
            once(std::exchange(rule_.defer, true), word);
        } else if (word == "clear-if-unusable") {
            once(std::exchange(rule_.clear_if_unusable, true), word);
        } else if (word == "any" || crypto::protocol_from(word)) {
            once(std::exchange(protocol_given_, true), word, "openpgp, smime and any");
            rule_.protocol = crypto::protocol_from(word);
        } else {
            take_demand(word);
        }
    }

    Rule finish() {
        if (!demand_given_) {
            fail("the rule does not say require, prefer or never");
        }
        if (rule_.to && rule_.to->is_null_path()) {
            fail("to=<> matches nobody: a recipient is never the null reverse-path");
        }
        const bool of_smime = rule_.gcm || rule_.hide_subject;
        if (rule_.demand == Demand::never &&
            (rule_.protocol || of_smime || rule_.defer || rule_.clear_if_unusable)) {
            fail("'never' sends in clear and takes no protocol, gcm, hide-subject, defer or "
                 "clear-if-unusable");
        }
        if (of_smime && rule_.protocol == crypto::Protocol::openpgp) {
            fail("gcm and hide-subject are for S/MIME, and have no effect beside 'openpgp'");
        }
        if (rule_.clear_if_unusable && rule_.demand == Demand::require) {
            fail("clear-if-unusable contradicts 'require'; it goes with 'prefer'");
        }
        if (rule_.clear_if_unusable && rule_.defer) {
            fail("defer has no effect beside clear-if-unusable: nobody is refused");
        }
        return std::move(rule_);
    }

private:
    static void once(bool already, std::string_view word, std::string_view group = {}) {
        if (already) {
            fail(group.empty() ? fmt::format("'{}' is given twice", word)
                               : fmt::format("'{}' is one too many: only one of {}", word, group));
        }
    }

    void take_pattern(std::string_view key, std::string_view text, std::string_view word) {
        if (key == "to=") {
            once(rule_.to.has_value(), key);
            rule_.to = pattern_after(key, text);
        } else if (key == "from=") {
            once(rule_.from.has_value(), key);
            rule_.from = pattern_after(key, text);
        } else {
            unknown(word);
        }
    }

    void take_demand(std::string_view word) {
        for (const auto demand : {Demand::require, Demand::prefer, Demand::never}) {
            if (word == to_string(demand)) {
                once(std::exchange(demand_given_, true), word, "require, prefer and never");
                rule_.demand = demand;
                return;
            }
        }
        unknown(word);
    }

    [[noreturn]] static void unknown(std::string_view word) {
        fail(fmt::format("'{}' is not a word of a rule; it could be one of: {}", printable(word),
                         what_a_word_is));
    }

    Rule rule_;
    bool demand_given_ = false;
    bool protocol_given_ = false;
};

bool within(std::string_view domain, std::string_view parent) {
    return domain == parent ||
           (domain.size() > parent.size() && domain[domain.size() - parent.size() - 1] == '.' &&
            domain.substr(domain.size() - parent.size()) == parent);
}

} // namespace

std::optional<Pattern> Pattern::parse(std::string_view text) {
    if (text == "*") {
        return Pattern(Kind::everything, {}, "*");
    }
    if (text == "<>") {
        return Pattern(Kind::null_path, {}, "<>");
    }
    if (text.substr(0, 2) == "@.") {
        if (text.substr(2, 1) == "[") {
            return std::nullopt; // there is nothing below an address literal
        }
        auto domain = mail::normalised_domain(text.substr(2));
        return domain ? std::optional(Pattern(Kind::domain_and_below, *domain, "@." + *domain))
                      : std::nullopt;
    }
    if (text.substr(0, 1) == "@") {
        auto domain = mail::normalised_domain(text.substr(1));
        return domain ? std::optional(Pattern(Kind::domain, *domain, "@" + *domain)) : std::nullopt;
    }
    const auto address = mail::Address::parse(text);
    if (!address || address->local_part().find('*') != std::string::npos) {
        return std::nullopt;
    }
    return Pattern(Kind::address, address->folded(), address->folded());
}

bool Pattern::matches(const Path& path) const {
    switch (kind_) {
    case Kind::everything:
        return true;
    case Kind::null_path:
        return path.is_null();
    case Kind::address:
        return path.address && path.address->folded() == subject_;
    case Kind::domain:
        return path.address && path.address->domain() == subject_;
    case Kind::domain_and_below:
        return path.address && within(path.address->domain(), subject_);
    }
    return false;
}

std::string_view to_string(Demand demand) noexcept {
    switch (demand) {
    case Demand::require:
        return "require";
    case Demand::prefer:
        return "prefer";
    case Demand::never:
        return "never";
    }
    return "require";
}

bool is_stricter(Demand one, Demand other) noexcept {
    static_assert(Demand::require < Demand::prefer && Demand::prefer < Demand::never);
    return one < other;
}

Rule Rule::parse(std::string_view text) {
    RuleReader reader;
    for (const auto word : words_of(text)) {
        reader.take(word);
    }
    return reader.finish();
}

std::string Rule::to_string() const {
    std::string text;
    if (to) {
        text += fmt::format("to={} ", to->text());
    }
    if (from) {
        text += fmt::format("from={} ", from->text());
    }
    text += policy::to_string(demand);
    if (protocol) {
        text += fmt::format(" {}", crypto::to_string(*protocol));
    }
    if (gcm) {
        text += " gcm";
    }
    if (hide_subject) {
        text += " hide-subject";
    }
    if (defer) {
        text += " defer";
    }
    if (clear_if_unusable) {
        text += " clear-if-unusable";
    }
    return text;
}

bool Rule::matches(const Path& recipient, const Path& reverse_path) const {
    const bool any_recipient = demand == Demand::require && !recipient.address;
    return (!to || any_recipient || to->matches(recipient)) && matches_sender(reverse_path);
}

bool Rule::matches_sender(const Path& reverse_path) const {
    const bool any_sender = demand == Demand::require && !reverse_path.address && !reverse_path.is_null();
    return !from || any_sender || from->matches(reverse_path);
}

bool Rule::matches_everything() const noexcept {
    return (!to || to->is_everything()) && (!from || from->is_everything());
}

const Rule& default_rule() {
    static const Rule rule = Rule::parse("to=* prefer");
    return rule;
}

} // namespace lockbox::policy
