#include "mail/protected_fields.hpp"

#include "mail/content_type.hpp"

#include <array>

namespace lockbox::mail {
namespace {

constexpr std::array<std::string_view, 28> sender_names{
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Date",
    "Message-ID",
    "Subject",
    "In-Reply-To",
    "References",
    "Comments",
    "Keywords",
    "Organization",
    "User-Agent",
    "X-Mailer",
    "Importance",
    "X-Priority",
    "Priority",
    "Sensitivity",
    "Disposition-Notification-To",
    "Mail-Followup-To",
    "Autocrypt",
    "Resent-From",
    "Resent-To",
    "Resent-Cc",
    "Resent-Date",
    "Resent-Message-ID",
    "Resent-Sender",
};

} // namespace

bool is_written_by_sender(std::string_view name) noexcept {
    return is_one_of(name, sender_names);
}

bool is_domain_signature(std::string_view name) noexcept {
    constexpr std::string_view dkim = "DKIM-Signature";
    return (name.size() >= dkim.size() &&
            equal_ignoring_case(name.substr(name.size() - dkim.size()), dkim)) ||
           equal_ignoring_case(name, "DomainKey-Signature") || starts_with_ignoring_case(name, "ARC-");
}

Assertion assertion_of(const HeaderSection& payload) {
    const auto type = ContentType::parse(payload.first("Content-Type").value_or(""));
    if (!type) {
        return Assertion::none;
    }
    const auto hp = type->parameter("hp");
    if (hp && (equal_ignoring_case(*hp, "cipher") || equal_ignoring_case(*hp, "clear"))) {
        return Assertion::all_fields;
    }
    return type->parameter("protected-headers") ? Assertion::some_fields : Assertion::none;
}

std::optional<std::string> without_marks(std::string_view content_type) {
    return with_parameters(content_type, {"hp", "protected-headers", "hp-legacy-display"}, "");
}

} // namespace lockbox::mail
