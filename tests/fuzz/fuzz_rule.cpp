// Any bytes are a rule, or a configuration error; print ∘ parse = id. A second and a third line are a
// recipient and a reverse-path, which the patterns must match by what they mean, never by how they look.
#include "base/error.hpp"
#include "policy/rule.hpp"

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace {

using namespace lockbox;
using policy::Path;
using policy::Rule;

void check(bool property) {
    if (!property) {
        std::abort();
    }
}

std::optional<Rule> read(std::string_view text) {
    try {
        return Rule::parse(text);
    } catch (const Error& error) {
        check(error.kind() == ErrorKind::configuration);
        return std::nullopt;
    }
}

/// The first line of the text, which loses it.
std::string_view take_line(std::string_view& text) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return line;
}

void check_pattern(const policy::Pattern& pattern, const Path& path) {
    check(policy::Pattern::parse(pattern.text()) == pattern);
    const std::string_view text = pattern.text();
    const bool matches = pattern.matches(path);
    if (text == "*") {
        check(matches);
    } else if (text == "<>") {
        check(matches == path.is_null());
    } else if (!path.address) {
        check(!matches);
    } else if (text.substr(0, 2) == "@.") {
        const auto whole = "." + path.address->domain();
        const auto parent = text.substr(1);
        check(matches ==
              (whole.size() >= parent.size() && whole.substr(whole.size() - parent.size()) == parent));
    } else if (text.substr(0, 1) == "@") {
        check(matches == (text.substr(1) == path.address->domain()));
    } else {
        check(matches == (text == path.address->folded()));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto rule = read(take_line(text));
    if (!rule) {
        return 0;
    }
    check(read(rule->to_string()) == rule);
    const auto recipient = Path::from(std::string(take_line(text)));
    const auto sender = Path::from(std::string(take_line(text)));
    if (rule->to) {
        check_pattern(*rule->to, recipient);
    }
    if (rule->from) {
        check_pattern(*rule->from, sender);
    }
    if (rule->matches_everything()) {
        check(rule->matches(recipient, sender));
    }
    return 0;
}
