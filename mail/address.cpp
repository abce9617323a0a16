#include "mail/address.hpp"

#include "base/ascii.hpp"
#include "base/handle.hpp"
#include "mail/atext.hpp"
#include "mail/local_part_form.hpp"

#include <arpa/inet.h>
#include <idn2.h>

#include <algorithm>
#include <array>

namespace lockbox::mail {
namespace {

// Longer text cannot become a domain of 255 octets: U-labels are shorter than their A-labels in characters,
// and no character has more than four octets.
constexpr std::size_t domain_text_octets_max = 4 * domain_octets_max;
constexpr std::size_t label_octets_max = 63; // RFC 1035 §2.3.4

bool is_dot_string(std::string_view text) noexcept {
    if (text.empty() || text.front() == '.' || text.back() == '.' ||
        text.find("..") != std::string_view::npos) {
        return false;
    }
    return std::all_of(text.begin(), text.end(), [](char c) { return c == '.' || is_atext(c); });
}

std::string quoted_where_needed(std::string_view local_part) {
    if (is_dot_string(local_part)) {
        return std::string(local_part);
    }
    std::string quoted = "\"";
    for (const char c : local_part) {
        if (c == '"' || c == '\\') {
            quoted += '\\';
        }
        quoted += c;
    }
    return quoted + '"';
}

struct LocalPart {
    std::string value;
    std::string_view rest; ///< what stands behind it
};

/// A Quoted-string of RFC 5321 §4.1.2 at the beginning of the text.
std::optional<LocalPart> read_quoted_string(std::string_view text) {
    LocalPart result;
    for (std::size_t i = 1; i < text.size(); ++i) {
        char c = text[i];
        if (c == '"') {
            result.rest = text.substr(i + 1);
            return result;
        }
        if (c == '\\') {
            if (++i == text.size()) {
                return std::nullopt;
            }
            c = text[i];
        }
        if (is_control(c)) {
            return std::nullopt;
        }
        result.value += c;
        if (result.value.size() > local_part_octets_max) {
            return std::nullopt;
        }
    }
    return std::nullopt;
}

std::optional<LocalPart> read_local_part(std::string_view text) {
    if (text.starts_with('"')) {
        return read_quoted_string(text);
    }
    const auto end = text.find('@'); // npos is above the limit, too
    if (end > local_part_octets_max || !is_dot_string(text.substr(0, end))) {
        return std::nullopt;
    }
    return LocalPart{std::string(text.substr(0, end)), text.substr(end)};
}

/// `[192.0.2.1]` and `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3), in one spelling for each address.
std::optional<std::string> normalised_literal(std::string_view text) {
    constexpr std::string_view ipv6_tag = "IPv6:";
    if (text.size() < 2 || text.back() != ']' || text.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    const auto inside = text.substr(1, text.size() - 2);
    const bool ipv6 = starts_with_ignoring_case(inside, ipv6_tag);
    const std::string address(ipv6 ? inside.substr(ipv6_tag.size()) : inside);
    const int family = ipv6 ? AF_INET6 : AF_INET;
    std::array<unsigned char, sizeof(in6_addr)> binary{};
    std::array<char, INET6_ADDRSTRLEN> printed{};
    if (inet_pton(family, address.c_str(), binary.data()) != 1 ||
        inet_ntop(family, binary.data(), printed.data(), printed.size()) == nullptr) {
        return std::nullopt;
    }
    return '[' + std::string(ipv6 ? ipv6_tag : "") + printed.data() + ']';
}

/// Letters, digits, hyphens inside; underscores too, because hosts that have them get mail.
bool is_label(std::string_view label) noexcept {
    return !label.empty() && label.size() <= label_octets_max && label.front() != '-' &&
           label.back() != '-' && std::all_of(label.begin(), label.end(), [](char c) {
               return is_alpha(c) || is_digit(c) || c == '-' || c == '_';
           });
}

bool is_ascii_domain(std::string_view text) noexcept {
    if (text.empty() || text.size() > domain_octets_max) {
        return false;
    }
    for (;;) {
        const auto dot = text.find('.');
        if (!is_label(text.substr(0, dot))) {
            return false;
        }
        if (dot == std::string_view::npos) {
            return true;
        }
        text.remove_prefix(dot + 1);
    }
}

/// A-labels for U-labels. nullopt: IDNA2008 does not allow one.
std::optional<std::string> to_a_labels(const std::string& text) {
    char* converted = nullptr;
    const int status = idn2_to_ascii_8z(text.c_str(), &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    const Handle<char, idn2_free> owner(converted);
    return status == IDN2_OK && converted != nullptr ? std::optional<std::string>(converted) : std::nullopt;
}

/// Without angle brackets, and without the white space that may stand around them. White space around a path
/// that has no brackets is part of its name.
struct UnwrappedPath {
    std::string_view text;
    bool in_brackets = false;
};

UnwrappedPath unwrap(std::string_view path) {
    const auto trimmed = trim(path);
    if (trimmed.size() >= 2 && trimmed.front() == '<' && trimmed.back() == '>') {
        return {trimmed.substr(1, trimmed.size() - 2), true};
    }
    return {path, false};
}

/// MTAs read another domain in a local part with one of these.
bool may_hold_a_route(std::string_view local_part) noexcept {
    return local_part.find_first_of("%!@") != std::string_view::npos;
}

std::size_t count_full_stops(std::string_view text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '.'));
}

/// Whether MTAs take the domain for what it is. `normalised` is what Address keeps of `text`.
bool is_complete_domain(std::string_view text, std::string_view normalised) {
    constexpr std::string_view uucp = ".uucp";
    if (normalised.starts_with('[') || (normalised == "localhost" && all_ascii(text))) {
        return true;
    }
    if (text.ends_with('.')) {
        text.remove_suffix(1);
    }
    return count_full_stops(text) == count_full_stops(normalised) && count_full_stops(text) > 0 &&
           !normalised.ends_with(uucp);
}

} // namespace

std::optional<Address> Address::parse(std::string_view text) {
    auto local_part = read_local_part(text);
    if (!local_part || !local_part->rest.starts_with('@') || !is_utf8(local_part->value)) {
        return std::nullopt;
    }
    auto domain = normalised_domain(local_part->rest.substr(1));
    auto value = composed(local_part->value);
    if (!domain || value.size() > local_part_octets_max ||
        case_folded(value).size() > local_part_octets_max) { // folded() is an address, too
        return std::nullopt;
    }
    return Address(std::move(value), std::move(*domain));
}

std::optional<Address> Address::without_extension(char separator) const {
    const auto end = local_part_.find(separator);
    if (end == 0 || end == std::string::npos) {
        return std::nullopt;
    }
    return Address(local_part_.substr(0, end), domain_);
}

std::optional<Address> Address::parse_path(std::string_view text) {
    const auto path = unwrap(text);
    if (!path.in_brackets && path.text.starts_with('"')) {
        return std::nullopt;
    }
    auto address = parse(path.text);
    if (!address || address->local_part_.empty() || may_hold_a_route(address->local_part_)) {
        return std::nullopt;
    }
    const auto domain = path.text.substr(path.text.rfind('@') + 1); // there is no `@` in a domain
    return is_complete_domain(domain, address->domain_) ? address : std::nullopt;
}

std::optional<IncompletePath> incomplete_path(std::string_view text) {
    const auto path = unwrap(text).text;
    const auto at = path.find('@');
    const auto local_part = path.substr(0, at);
    if (local_part.size() > local_part_octets_max || !is_dot_string(local_part) || !is_utf8(local_part) ||
        may_hold_a_route(local_part)) {
        return std::nullopt;
    }
    if (at == std::string_view::npos) {
        return IncompletePath{std::string(local_part), {}};
    }
    const auto domain = lockbox::to_lower(path.substr(at + 1));
    return is_label(domain) ? std::optional(IncompletePath{std::string(local_part), domain}) : std::nullopt;
}

std::string Address::to_string() const {
    return quoted_where_needed(local_part_) + '@' + domain_;
}

std::string Address::folded() const {
    return quoted_where_needed(case_folded(local_part_)) + '@' + domain_;
}

std::optional<std::string> normalised_domain(std::string_view text) {
    if (text.starts_with('[')) {
        return normalised_literal(text);
    }
    if (text.ends_with('.')) {
        text.remove_suffix(1);
    }
    if (text.empty() || text.size() > domain_text_octets_max || text.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    auto domain = lockbox::to_lower(text);
    if (!all_ascii(domain)) {
        auto converted = is_utf8(domain) ? to_a_labels(domain) : std::nullopt;
        if (!converted) {
            return std::nullopt;
        }
        domain = lockbox::to_lower(*converted);
        if (domain.ends_with('.')) { // a full stop of another script
            domain.pop_back();
        }
    }
    return is_ascii_domain(domain) ? std::optional<std::string>(std::move(domain)) : std::nullopt;
}

} // namespace lockbox::mail
