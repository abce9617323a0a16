#include "reader/alteration.hpp"

#include "base/ascii.hpp"
#include "mail/content_type.hpp"
#include "mail/transfer_encoding.hpp"

#include <algorithm>

namespace lockbox::reader {
namespace {

using mail::Entity;
using mail::TransferEncoding;

/// ISO 2022 switches charsets with ESC, SO and SI (RFC 1468); form feeds occur in old texts.
bool is_control_of_text(char c) noexcept {
    constexpr char form_feed = 0x0c;
    constexpr char shift_out = 0x0e;
    constexpr char shift_in = 0x0f;
    constexpr char escape = 0x1b;
    return is_space(c) || c == form_feed || c == shift_out || c == shift_in || c == escape;
}

bool has_odd_controls(std::string_view text) noexcept {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return is_control(c) && !is_control_of_text(c); });
}

bool is_plain_text(std::string_view text) noexcept {
    return !has_odd_controls(text) && is_utf8(text);
}

bool is_base64(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return is_alpha(c) || is_digit(c) || c == '+' || c == '/' || c == '=' || is_space(c);
    });
}

std::string charset_of(const Entity& entity) {
    const auto type = mail::ContentType::parse(entity.header.first("Content-Type").value_or(""));
    return lockbox::to_lower(type ? type->parameter("charset").value_or("") : "");
}

bool says(const Entity& entity, std::string_view encoding) {
    return equal_ignoring_case(trim(entity.header.first("Content-Transfer-Encoding").value_or("")), encoding);
}

/// Text in another charset than UTF-8, with 8-bit octets where they are announced (RFC 2045 §6.2).
bool is_text_in(std::string_view text, std::string_view charset, bool is_eight_bit) noexcept {
    if (!is_eight_bit) {
        return all_ascii(text) && !has_odd_controls(text);
    }
    const bool has_c1 = std::any_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) >= 0x80 && static_cast<unsigned char>(c) < 0xa0;
    });
    return !has_odd_controls(text) && !(charset.starts_with("iso-8859-") && has_c1);
}

bool is_intact_leaf(const Entity& entity) {
    const bool is_text = entity.media_type.starts_with("text/") || entity.is_multipart();
    switch (mail::transfer_encoding_of(entity.header)) {
    case TransferEncoding::base64:
        return is_base64(entity.body);
    case TransferEncoding::quoted_printable:
        return is_plain_text(entity.body);
    case TransferEncoding::identity:
        if (!is_text && says(entity, "binary")) {
            return true;
        }
        {
            const auto charset = charset_of(entity);
            return charset.empty() || charset == "utf-8" || charset == "us-ascii"
                       ? is_plain_text(entity.body)
                       : is_text_in(entity.body, charset, says(entity, "8bit") || says(entity, "binary"));
        }
    case TransferEncoding::unknown:
        return is_plain_text(entity.body);
    }
    return false;
}

bool is_intact(const Entity& entity) {
    const auto header_octets = entity.bytes.size() - entity.body.size();
    if (!is_plain_text(entity.bytes.substr(0, header_octets))) {
        return false;
    }
    if (entity.children.empty()) {
        return is_intact_leaf(entity);
    }
    auto rest = entity.body; // around the parts: delimiters, preamble, epilogue
    for (const auto& child : entity.children) {
        const auto begin = static_cast<std::size_t>(child.bytes.data() - rest.data());
        if (!is_plain_text(rest.substr(0, begin)) || !is_intact(child)) {
            return false;
        }
        rest.remove_prefix(begin + child.bytes.size());
    }
    return is_plain_text(rest);
}

} // namespace

std::optional<std::string> alteration_in(const Entity& entity) {
    if (is_intact(entity)) {
        return std::nullopt;
    }
    return "what it opens to has octets in it that no mail has, as they are left behind when somebody "
           "changes "
           "a message on its way";
}

} // namespace lockbox::reader
