// Rules: whose mail is sealed. Read in order, the first that matches decides.
#pragma once

#include "crypto/certificate.hpp"
#include "policy/transaction.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace lockbox::policy {

/// An address, `@domain`, `@.domain` (the domain and all below it), `*`, or `<>` (the null reverse-path).
class Pattern {
public:
    /// nullopt: none of these. A local part with `*` is none: `*@example.org` is a valid address, but whoever
    /// writes it means `@example.org`, and a rule that silently matches nobody lets plaintext out.
    [[nodiscard]] static std::optional<Pattern> parse(std::string_view text);

    /// Addresses match without regard to the case of A-Z. What is no address matches `*` only, or `<>` where
    /// it is the null reverse-path.
    [[nodiscard]] bool matches(const Path& path) const;
    [[nodiscard]] bool is_everything() const noexcept { return kind_ == Kind::everything; }
    [[nodiscard]] bool is_null_path() const noexcept { return kind_ == Kind::null_path; }

    /// Normalised: parse(text()) gives an equal pattern.
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    bool operator==(const Pattern&) const = default;

private:
    enum class Kind { address, domain, domain_and_below, everything, null_path };
    Pattern(Kind kind, std::string subject, std::string text)
        : kind_(kind), subject_(std::move(subject)), text_(std::move(text)) {}
    Kind kind_;
    std::string subject_; ///< folded address, or normalised domain
    std::string text_;
};

enum class Demand {
    require, ///< sealed, or the message is refused
    prefer,  ///< sealed where there is a usable certificate, otherwise clear
    never,   ///< clear
};
[[nodiscard]] std::string_view to_string(Demand demand) noexcept;
/// `require` is stricter than `prefer`, and `prefer` than `never`.
[[nodiscard]] bool is_stricter(Demand one, Demand other) noexcept;

/// `[to=PATTERN] [from=PATTERN] require|prefer|never [openpgp|smime|any] [gcm] [hide-subject] [defer]
/// [clear-if-unusable]`
struct Rule {
    std::optional<Pattern> to;
    std::optional<Pattern> from;
    Demand demand = Demand::prefer;
    std::optional<crypto::Protocol> protocol; ///< nullopt: any
    bool gcm = false;                         ///< S/MIME readers here are known to read AES-256-GCM
    bool hide_subject = false;      ///< the outer Subject of S/MIME is obscured, as that of OpenPGP always is
    bool defer = false;             ///< a recipient who cannot be sealed to is deferred, not refused
    bool clear_if_unusable = false; ///< `prefer` only: an expired or revoked certificate is as none

    /// The words in any order, each once. Words that contradict each other, or would be without effect, are
    /// errors. Throws Error(configuration) that quotes the word it does not know and lists what it could be.
    [[nodiscard]] static Rule parse(std::string_view text);

    /// Words in the order of the grammar; parse(to_string()) gives an equal rule.
    [[nodiscard]] std::string to_string() const;

    /// A path that is no complete address becomes one only later, in the MTA: any address. It matches every
    /// pattern of a rule that requires sealing, so that an odd spelling is no way around the rule, and of
    /// other rules only `*`. Such a recipient is refused where the message is in scope, whatever the rule.
    [[nodiscard]] bool matches(const Path& recipient, const Path& reverse_path) const;

    /// Whether it is for messages from there, whoever they are to.
    [[nodiscard]] bool matches_sender(const Path& reverse_path) const;

    /// No message and no recipient gets past it to a later rule.
    [[nodiscard]] bool matches_everything() const noexcept;
    bool operator==(const Rule&) const = default;
};

/// What holds where no rule matches: `to=* prefer`.
[[nodiscard]] const Rule& default_rule();

} // namespace lockbox::policy
