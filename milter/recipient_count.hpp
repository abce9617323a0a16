// Whether all recipients that were recorded are still recipients at the end of the message.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace lockbox::milter {

/// A milter behind this one may refuse a recipient after this one has recorded it, and the milter protocol
/// does not report that. Sendmail's macros show it, nearly always. Postfix has no such macros.
class RecipientCount {
public:
    /// Sendmail's macros, as it sends them; empty: not known.
    struct Macros {
        /// {nbadrcpts}: RCPT commands of this message that were refused so far, by whomever.
        std::string_view refused;
        /// {nrcpts}: different recipients that are in, with that of the RCPT at hand. Of use at RCPT alone: a
        /// refusal does not correct it.
        std::string_view accepted;
        /// {rcpt_addr}: of the RCPT at hand; at the end of the message, of the last RCPT if that was refused.
        std::string_view address;
    };

    /// RCPT of `path`, which was recorded.
    void add(std::string path, const Macros& macros);

    /// At the end of the message: somebody who was recorded may have been refused. False where the MTA does
    /// not count: then nobody can tell. Two refusals after the last RCPT that was recorded are always doubt.
    [[nodiscard]] bool is_doubtful(const Macros& macros) const;

private:
    std::set<std::string> paths_; ///< byte for byte: Sendmail never takes more of them for different
    /// At the last RCPT.
    std::optional<std::size_t> refused_;
    std::optional<std::size_t> accepted_;
    std::string address_;
};

} // namespace lockbox::milter
