// Content-Type fields (RFC 2045 §5.1, RFC 2231), read without changing them. This is the one reading of their
// parameters, for the milter and for the reader.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::mail {

/// A media type with its parameters. Always valid: the only way to get one is parse().
class ContentType {
public:
    struct Parameter {
        std::string name;  ///< lower case, as it is written: `boundary`, `boundary*0`, `name*`
        std::string value; ///< unquoted, not decoded further
        std::size_t begin; ///< of its text in what was parsed, from the semicolon before it
        std::size_t end;
    };

    /// The body of a Content-Type field, folds and comments included. nullopt: it has no `type/subtype` or a
    /// parameter that cannot be read. A semicolon at the end is forgiven.
    [[nodiscard]] static std::optional<ContentType> parse(std::string_view field_body);

    /// `type/subtype` in lower case.
    [[nodiscard]] const std::string& media_type() const noexcept { return media_type_; }
    [[nodiscard]] bool is(std::string_view media_type) const noexcept { return media_type_ == media_type; }
    [[nodiscard]] bool is_multipart() const noexcept { return media_type_.starts_with("multipart/"); }
    [[nodiscard]] const std::vector<Parameter>& parameters() const noexcept { return parameters_; }

    /// What a parameter says once its pieces are put together and percent-decoded (RFC 2231 §3 and §4).
    struct Value {
        std::string text;    ///< octets in `charset`
        std::string charset; ///< as RFC 2231 §4 announces it; empty: it does not
    };
    struct Readings {
        std::vector<Value> values; ///< each once; the first is the one that Lockbox goes by
        bool is_ambiguous = false; ///< programs in use take different ones of them, or nothing
    };
    /// Everything that programs take for the parameter of that name (lower case). `name*` comes before the
    /// pieces `name*0`, `name*1` …, and these before `name`: so do Thunderbird and RFC 6266 §4.3, while mutt
    /// takes `name`. Pieces may come in any order. Of two with one number the first counts, and behind a gap
    /// Thunderbird stops while mutt and GMime go on: these are two readings. A value with control characters
    /// behind percent signs is none.
    [[nodiscard]] Readings readings(std::string_view name) const;
    /// The text of the first reading. nullopt: there is none.
    [[nodiscard]] std::optional<std::string> parameter(std::string_view name) const;
    [[nodiscard]] bool is_ambiguous(std::string_view name) const { return readings(name).is_ambiguous; }
    /// Where the forgiven semicolon at the end stands.
    [[nodiscard]] std::optional<std::size_t> final_semicolon() const noexcept { return final_semicolon_; }

private:
    ContentType() = default;
    std::string media_type_;
    std::vector<Parameter> parameters_;
    std::optional<std::size_t> final_semicolon_;
};

/// A Content-Disposition, which has the same grammar behind its first token (RFC 2183 §2): its media type is
/// `x/` and that token.
[[nodiscard]] std::optional<ContentType> parsed_disposition(std::string_view field_body);

/// The same field body with the parameters of these names (lower case) cut out and `appended`, which begins
/// with a semicolon or is empty, at its end. Every other byte stays, but for a forgiven semicolon in front of
/// `appended`. nullopt: the field body cannot be parsed.
[[nodiscard]] std::optional<std::string> with_parameters(std::string_view field_body,
                                                         const std::vector<std::string_view>& without,
                                                         std::string_view appended);

} // namespace lockbox::mail
