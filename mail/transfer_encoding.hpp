// Content-Transfer-Encoding (RFC 2045 §6).
#pragma once

#include "mail/header.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace lockbox::mail {

enum class TransferEncoding {
    identity, ///< 7bit, 8bit, binary, or none named
    base64,
    quoted_printable,
    unknown,
};

[[nodiscard]] TransferEncoding transfer_encoding_named(std::string_view name) noexcept;
/// Of the first field of that name; identity where there is none.
[[nodiscard]] TransferEncoding transfer_encoding_of(const HeaderSection& header);

/// The bytes that `body` stands for. Broken encodings give what can be read; an unknown one gives the same
/// bytes.
[[nodiscard]] std::string transfer_decoded(std::string_view body, TransferEncoding encoding);

/// The body of a part that must be well-formed to be read by everybody. nullopt: it is not. `storage` keeps
/// what had to be decoded; 7-bit bodies are not copied.
[[nodiscard]] std::optional<std::string_view>
strictly_decoded(std::string_view body, TransferEncoding encoding, std::string& storage);

} // namespace lockbox::mail
