#include "mail/outer_fields.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "mail/header.hpp"
#include "mail/protected_fields.hpp"

#include <array>

namespace lockbox::mail {
namespace {

constexpr std::array<std::string_view, 9> trace_names{
    "Received",      "Return-Path",        "Delivered-To",           "X-Original-To", "Envelope-To",
    "X-Envelope-To", "Original-Recipient", "Authentication-Results", "Received-SPF",
};

constexpr std::array<std::string_view, 15> people_and_time_names{
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Date",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Resent-Date",
    "Resent-Message-ID",
    "Resent-Reply-To",
    "Mail-Followup-To",
    "Mail-Reply-To",
};

constexpr std::array<std::string_view, 3> threading_names{"Message-ID", "In-Reply-To", "References"};

/// Beside List-*, which is a family (RFC 2369, RFC 2919, RFC 8058).
constexpr std::array<std::string_view, 11> list_and_loop_names{
    "Auto-Submitted",
    "Precedence",
    "X-Precedence",
    "X-Loop",
    "X-BeenThere",
    "Mailing-List",
    "X-Autoreply",
    "X-Autorespond",
    "Errors-To",
    "X-Mailing-List",
    "X-Auto-Response-Suppress",
};

constexpr std::array<std::string_view, 9> receipt_and_priority_names{
    "Disposition-Notification-To",
    "Disposition-Notification-Options",
    "Return-Receipt-To",
    "X-Confirm-Reading-To",
    "Importance",
    "Priority",
    "X-Priority",
    "X-MSMail-Priority",
    "MT-Priority",
};

constexpr std::array<std::string_view, 2> key_names{"Autocrypt", "OpenPGP"};

constexpr std::array<std::string_view, 3> transport_names{"TLS-Required", "Require-TLS-ESMTP",
                                                          "Require-Recipient-Valid-Since"};

bool is_in_table(std::string_view name) noexcept {
    return is_trace_field(name) || is_one_of(name, people_and_time_names) ||
           is_one_of(name, threading_names) || starts_with_ignoring_case(name, "List-") ||
           is_one_of(name, list_and_loop_names) || is_one_of(name, receipt_and_priority_names) ||
           is_one_of(name, key_names) || is_one_of(name, transport_names);
}

/// Empty: it may.
std::string_view why_it_must_not_stay(std::string_view name) noexcept {
    if (equal_ignoring_case(name, "Subject")) {
        return "a rule with hide-subject, or without it, decides about the Subject";
    }
    if (is_structural(name)) {
        return "MIME-Version and Content-* describe the sealed form outside, and what is sealed inside";
    }
    if (is_blind_copy_field(name)) {
        return "it would show blind recipients to the others";
    }
    if (is_domain_signature(name)) {
        return "such a signature is broken by sealing, and its digest confirms a guess of the text";
    }
    if (is_record_of_outside(name)) {
        return "it belongs inside of a sealed message";
    }
    return {};
}

} // namespace

bool is_trace_field(std::string_view name) noexcept {
    return is_one_of(name, trace_names);
}

bool is_filter_verdict(std::string_view name) noexcept {
    return starts_with_ignoring_case(name, "X-Spam-") && !equal_ignoring_case(name, "X-Spam-Report") &&
           !starts_with_ignoring_case(name, "X-Spam-Prev-");
}

bool is_blind_copy_field(std::string_view name) noexcept {
    return equal_ignoring_case(name, "Bcc") || equal_ignoring_case(name, "Resent-Bcc");
}

bool is_record_of_outside(std::string_view name) noexcept {
    return equal_ignoring_case(name, "HP-Outer");
}

bool OuterFields::contains(std::string_view name) const noexcept {
    return is_in_table(name) || is_one_of(name, added_);
}

void OuterFields::add(std::string_view name) {
    if (field_name(name) != name) {
        throw Error(ErrorKind::usage, "'" + printable(name) + "' is not the name of a header field",
                    "write the name alone, without a colon: Thread-Topic");
    }
    if (const auto why = why_it_must_not_stay(name); !why.empty()) {
        throw Error(ErrorKind::usage, "'" + printable(name) + "' cannot stay outside: " + std::string(why));
    }
    if (!contains(name)) {
        added_.emplace_back(name);
    }
}

} // namespace lockbox::mail
