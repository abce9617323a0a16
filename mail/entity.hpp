// The MIME structure of a message (RFC 2045, RFC 2046) as views of its bytes: nothing is copied, and what is
// not replaced can be written again to the octet.
#pragma once

#include "mail/header.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::mail {

/// Parts inside of parts. Mail has 5 or 6; a message made to exhaust a stack has thousands.
constexpr unsigned entity_depth_max = 32;
/// Parts of one message, at any depth.
constexpr std::size_t entities_max = 1000;

/// A message or a body part.
struct Entity {
    std::string_view bytes; ///< header section, empty line and body
    HeaderSection header;
    std::string_view body;  ///< in its transfer encoding
    std::string media_type; ///< lower case; text/plain where there is none or it cannot be read
    std::string number;     ///< "" for the whole; "2", "1.2": as IMAP counts body parts (RFC 3501 §6.4.5)
    /// Of a multipart its parts; of a message/rfc822 (or message/global) in no transfer encoding the one
    /// message in it.
    std::vector<Entity> children;

    [[nodiscard]] bool is_multipart() const noexcept { return media_type.starts_with("multipart/"); }
    [[nodiscard]] bool is_message() const noexcept {
        return media_type == "message/rfc822" || media_type == "message/global";
    }
    /// The body without its transfer encoding.
    [[nodiscard]] std::string decoded() const;
    /// All names that programs may take for it: of the Content-Disposition, then of the Content-Type, each in
    /// every reading (mail/content_type.hpp); RFC 2231 and RFC 2047 decoded, as the sender wrote them.
    [[nodiscard]] std::vector<std::string> file_names() const;
    /// The first of these: not a name for the file system (reader/attachment.hpp).
    [[nodiscard]] std::optional<std::string> file_name() const;
    /// Content-Disposition says so (RFC 2183), in any case.
    [[nodiscard]] bool is_attachment() const;
};

/// Parses all of it. `bytes` must outlive the result. Throws Error(too_large) naming the limit that was
/// exceeded.
[[nodiscard]] Entity parse_entity(std::string_view bytes);

} // namespace lockbox::mail
