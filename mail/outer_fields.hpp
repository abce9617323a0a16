// Which header fields stay outside of a sealed message: what carries it, and nothing else. docs/formats.md
// has the table with the reason for each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockbox::mail {

/// The fields that stay readable outside: the table, and names that were added to it. Every other field is
/// inside only, a name that nobody knows too: it may carry the subject or the text. Subject has a rule of its
/// own (OuterSubject), and so have the structural fields, which sealing sets anew.
class OuterFields {
public:
    /// Without regard to case (RFC 5322 §1.2.2).
    [[nodiscard]] bool contains(std::string_view name) const noexcept;

    /// Throws Error(usage) with the reason where `name` is none of a field, or is one of a field that must
    /// not stay: Subject, Bcc, MIME-Version, Content-*, HP-Outer, signatures of mail servers.
    void add(std::string_view name);

    /// As they were written, in their order; what the table has already is not among them.
    [[nodiscard]] const std::vector<std::string>& added() const noexcept { return added_; }

    bool operator==(const OuterFields&) const = default;

private:
    std::vector<std::string> added_;
};

/// What only those who carry a message write: Received, Return-Path, Authentication-Results, …
[[nodiscard]] bool is_trace_field(std::string_view name) noexcept;

/// What a spam filter says of a message: X-Spam-*, but for the texts that it quotes (X-Spam-Report,
/// X-Spam-Prev-*). Programs obey it, so that it counts only where a filter can have written it, which is
/// outside.
[[nodiscard]] bool is_filter_verdict(std::string_view name) noexcept;

/// Bcc and Resent-Bcc: nobody may see them in another's copy (RFC 5322 §3.6.3).
[[nodiscard]] bool is_blind_copy_field(std::string_view name) noexcept;

/// HP-Outer (RFC 9788 §2.2): it says something at the root of a payload only, and there it is written by who
/// seals.
[[nodiscard]] bool is_record_of_outside(std::string_view name) noexcept;

} // namespace lockbox::mail
