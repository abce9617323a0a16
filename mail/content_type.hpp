// Content-Type fields (RFC 2045 §5.1), read without changing them.
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
        std::string name;  ///< lower case
        std::string value; ///< unquoted
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
    /// The value of the first parameter of that name (lower case). nullopt: there is none.
    [[nodiscard]] std::optional<std::string> parameter(std::string_view name) const;
    /// Where the forgiven semicolon at the end stands.
    [[nodiscard]] std::optional<std::size_t> final_semicolon() const noexcept { return final_semicolon_; }

private:
    ContentType() = default;
    std::string media_type_;
    std::vector<Parameter> parameters_;
    std::optional<std::size_t> final_semicolon_;
};

/// The same field body with the parameters of these names (lower case) cut out and `appended`, which begins
/// with a semicolon or is empty, at its end. Every other byte stays, but for a forgiven semicolon in front of
/// `appended`. nullopt: the field body cannot be parsed.
[[nodiscard]] std::optional<std::string> with_parameters(std::string_view field_body,
                                                         const std::vector<std::string_view>& without,
                                                         std::string_view appended);

} // namespace lockbox::mail
