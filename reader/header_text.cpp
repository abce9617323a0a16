#include "reader/header_text.hpp"

#include "mail/encoded_words.hpp"
#include "mail/header.hpp"
#include "mail/mailboxes.hpp"
#include "reader/domain_text.hpp"
#include "reader/harmless.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace lockbox::reader {
namespace {

constexpr std::size_t field_octets_max = 64U << 10U; // a thousand recipients; more nobody reads
constexpr std::size_t addresses_shown_max = 100;

/// What is no phrase of RFC 5322 §3.2.5, or has characters that look like those that separate names and
/// addresses: fullwidth forms, small forms and angle brackets of all kinds.
bool has_special_character(std::string_view name) noexcept {
    constexpr std::array<std::string_view, 24> look_alikes{
        "\xef\xbc\x9c", "\xef\xbc\x9e", "\xef\xbc\xa0", "\xef\xbc\x8c", "\xef\xbc\x9a", "\xef\xbc\x9b",
        "\xef\xb9\xa4", "\xef\xb9\xa5", "\xef\xb9\xab", "\xef\xb9\x90", "\xef\xb9\x95", "\xef\xb9\x94",
        "\xe2\x80\xb9", "\xe2\x80\xba", "\xe3\x80\x88", "\xe3\x80\x89", "\xe2\x8c\xa9", "\xe2\x8c\xaa",
        "\xe2\x9f\xa8", "\xe2\x9f\xa9", "\xe2\x89\xa4", "\xe2\x89\xa5", "\xe1\x90\xb8", "\xe1\x90\xb3"};
    return name.starts_with('.') || name.find_first_of("@<>,;:()[]\\") != std::string_view::npos ||
           std::any_of(look_alikes.begin(), look_alikes.end(), [&](std::string_view character) {
               return name.find(character) != std::string_view::npos;
           });
}

void append(std::string& out, const mail::Mailbox& mailbox) {
    const auto name = shown_name(mail::decoded_words(mailbox.name));
    const auto address = harmless_line(shown_address(mailbox.address));
    out += name.empty() ? address : name + " <" + address + '>';
}

} // namespace

std::string shown_name(std::string_view name) {
    constexpr std::array<std::string_view, 6> quotation_marks{"\"",           "\xe2\x80\x9c", "\xe2\x80\x9d",
                                                              "\xe2\x80\x9e", "\xe2\x80\x9f", "\xef\xbc\x82"};
    auto text = harmless_line(name);
    for (const auto mark : quotation_marks) {
        for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
            text.replace(at, mark.size(), "'");
        }
    }
    for (auto at = text.find('\\'); at != std::string::npos; at = text.find('\\', at + 2)) {
        text.insert(at, 1, '\\');
    }
    return has_special_character(text) ? '"' + text + '"' : text;
}

std::string header_text(std::string_view field_body) {
    return harmless_line(mail::decoded_words(mail::unfold(field_body.substr(0, field_octets_max))));
}

std::string header_addresses(std::string_view field_body) {
    const auto list = mail::mailboxes_in(field_body);
    if (!list.understood) {
        return header_text(field_body);
    }
    std::string result;
    std::size_t count = 0;
    for (const auto& group : list.groups) {
        std::string_view separator = result.empty() ? "" : ", ";
        if (group.name) {
            result += std::string(separator) + shown_name(mail::decoded_words(*group.name)) + ": ";
            separator = "";
        }
        for (const auto& mailbox : group.mailboxes) {
            if (++count <= addresses_shown_max) {
                result += separator;
                append(result, mailbox);
            }
            separator = ", ";
        }
        result += group.name ? ";" : "";
    }
    if (count > addresses_shown_max) {
        result += fmt::format(", and {} more", count - addresses_shown_max);
    }
    return result;
}

} // namespace lockbox::reader
