// Header sections: fields in their order, with their exact bytes.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockbox::mail {

/// The field name in what stands before a colon: one or more printable US-ASCII characters (RFC 5322 §2.2),
/// without the white space that some software puts behind them (§4.5). nullopt: it is none.
[[nodiscard]] std::optional<std::string_view> field_name(std::string_view before_colon) noexcept;

/// One header field, as received.
struct HeaderField {
    /// Throws std::invalid_argument where `field_name(its_name)` is not `its_name`: a field that nobody can
    /// look up would be neither protected nor removed.
    HeaderField(std::string its_name, std::string its_body);

    std::string name; ///< without the colon and without white space
    std::string
        body; ///< everything after the colon, leading white space included, folds as CRLF and white space

    bool operator==(const HeaderField&) const = default;
};

/// Header fields in the order of the message. Names are compared without regard to case (RFC 5322 §1.2.2).
class HeaderSection {
public:
    HeaderSection() = default;
    explicit HeaderSection(std::vector<HeaderField> fields) : fields_(std::move(fields)) {}

    [[nodiscard]] const std::vector<HeaderField>& fields() const noexcept { return fields_; }
    /// Throws std::invalid_argument as HeaderField does.
    void add(std::string name, std::string body) { fields_.emplace_back(std::move(name), std::move(body)); }

    /// The body of the first field of that name, unfolded and trimmed; nullopt: there is none.
    [[nodiscard]] std::optional<std::string> first(std::string_view name) const;
    /// The exact bodies of all fields of that name, in order.
    [[nodiscard]] std::vector<std::string_view> all(std::string_view name) const;
    [[nodiscard]] std::size_t count(std::string_view name) const;

    /// `name:body CRLF` for each field, without the empty line that ends a header section.
    [[nodiscard]] std::string to_string() const;

    bool operator==(const HeaderSection&) const = default;

private:
    std::vector<HeaderField> fields_;
};

/// The line that stands before a message in an mbox: "From ", and no colon behind it.
[[nodiscard]] bool begins_with_mbox_line(std::string_view bytes) noexcept;

/// Header section and body. Any bytes make one: parse() never fails.
struct Message {
    HeaderSection header;
    std::string body; ///< as received, line ends included

    /// Reads CRLF or LF line ends. The header section ends at the first empty line, which is not part of the
    /// body, or before the first line that can be no header field, which then is. An mbox "From " line at the
    /// very start is dropped. Folds in the header section become CRLF.
    [[nodiscard]] static Message parse(std::string_view bytes);
};

/// The same where the body need not be copied: it is a part of what was parsed.
struct MessageView {
    HeaderSection header;
    std::string_view body;

    [[nodiscard]] static MessageView parse(std::string_view bytes);
};

/// The field body on one line: CRLF before white space removed (RFC 5322 §2.2.3), trimmed.
[[nodiscard]] std::string unfold(std::string_view field_body);

/// MIME-Version and Content-*: the structural fields of RFC 9787 §1.1.1.
[[nodiscard]] bool is_structural(std::string_view field_name) noexcept;

} // namespace lockbox::mail
