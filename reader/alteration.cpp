#include "reader/alteration.hpp"

#include "base/ascii.hpp"
#include "mail/charset.hpp"
#include "mail/content_type.hpp"
#include "mail/transfer_encoding.hpp"
#include "reader/sealed_forms.hpp"

#include <algorithm>
#include <array>

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

std::string charset_of(const Entity& entity) {
    const auto type = mail::ContentType::parse(entity.header.first("Content-Type").value_or(""));
    return lockbox::to_lower(type ? type->parameter("charset").value_or("") : "");
}

bool says(const Entity& entity, std::string_view encoding) {
    return equal_ignoring_case(trim(entity.header.first("Content-Transfer-Encoding").value_or("")), encoding);
}

/// Charsets in which many pairs of 8-bit octets are no character, as mail::charset_labelled() has them.
bool is_multibyte(std::string_view charset) noexcept {
    constexpr std::array<std::string_view, 5> names{"CP932", "EUC-JP-MS", "UHC", "GB18030", "BIG5-HKSCS"};
    return std::find(names.begin(), names.end(), charset) != names.end();
}

/// Markup in another charset than UTF-8. Here a gadget is dangerous, and 16 random octets pass for text in a
/// charset of single octets now and then: 8-bit octets must be announced (RFC 2045 §6.2), or be text in a
/// charset where that means something.
bool is_intact_markup(const Entity& entity, std::string_view charset) {
    const bool has_c1 = std::any_of(entity.body.begin(), entity.body.end(), [](char c) {
        return static_cast<unsigned char>(c) >= 0x80 && static_cast<unsigned char>(c) < 0xa0;
    });
    if (charset.empty() || charset == "utf-8" || charset == "us-ascii" || has_odd_controls(entity.body)) {
        return false;
    }
    const auto meant = mail::charset_labelled(charset);
    return (is_multibyte(meant) && mail::to_utf8(entity.body, charset).complete) ||
           ((says(entity, "8bit") || says(entity, "binary")) && !(meant.starts_with("ISO-8859-") && has_c1));
}

bool is_intact_leaf(const Entity& entity) {
    const bool is_text = entity.media_type.starts_with("text/") || entity.is_multipart();
    const bool is_encoded = mail::transfer_encoding_of(entity.header) != TransferEncoding::identity;
    if (is_plain_text(entity.body) || (!is_text && !is_encoded && says(entity, "binary"))) {
        return true; // mailing lists append plain text to base64
    }
    if (is_encoded || !is_text) {
        return false;
    }
    const auto charset = charset_of(entity);
    if (is_markup(entity)) {
        return is_intact_markup(entity, charset);
    }
    // In plain text a gadget sends nothing anywhere: it may be in any charset, where its 8-bit octets are
    // announced by the charset or by the encoding.
    const bool is_announced = says(entity, "8bit") || says(entity, "binary") ||
                              !(charset.empty() || charset == "utf-8" || charset == "us-ascii");
    return is_announced && charset != "utf-8" && !has_odd_controls(entity.body);
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
