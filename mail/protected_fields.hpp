// What header protection says of a header field by its name, and of a payload by its Content-Type.
#pragma once

#include "base/ascii.hpp"
#include "mail/header.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

namespace lockbox::mail {

/// `names` has it, without regard to case.
template <typename Names>
bool is_one_of(std::string_view name, const Names& names) noexcept {
    return std::any_of(names.begin(), names.end(),
                       [&](std::string_view known) { return equal_ignoring_case(name, known); });
}

/// What the sender wrote is copied inside. Everything else was or may have been added on the way.
[[nodiscard]] bool is_written_by_sender(std::string_view name) noexcept;

/// Signatures of mail servers over the header section and the body that they saw: DKIM (RFC 6376) and the
/// private variants of large providers (X-Google-DKIM-Signature), DomainKeys (RFC 4870), ARC (RFC 8617, whose
/// three fields mean something together only).
[[nodiscard]] bool is_domain_signature(std::string_view name) noexcept;

/// What the Content-Type at the root of a payload says of its header section.
enum class Assertion {
    none,
    some_fields, ///< protected-headers: perhaps the Subject alone
    all_fields,  ///< hp: all that the sender wrote (RFC 9788 §4.1)
};
[[nodiscard]] Assertion assertion_of(const HeaderSection& payload);

/// The Content-Type without the parameters of any protection; nullopt: it cannot be parsed.
[[nodiscard]] std::optional<std::string> without_marks(std::string_view content_type);

} // namespace lockbox::mail
