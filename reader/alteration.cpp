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

bool says_other_charset(const Entity& entity) {
    const auto type = mail::ContentType::parse(entity.header.first("Content-Type").value_or(""));
    const auto charset = lockbox::to_lower(type ? type->parameter("charset").value_or("") : "");
    return !charset.empty() && charset != "utf-8" && charset != "us-ascii";
}

bool says(const Entity& entity, std::string_view encoding) {
    return equal_ignoring_case(trim(entity.header.first("Content-Transfer-Encoding").value_or("")), encoding);
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
        return says_other_charset(entity) ? !has_odd_controls(entity.body) : is_plain_text(entity.body);
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
