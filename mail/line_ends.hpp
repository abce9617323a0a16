// CRLF (RFC 5322 §2.1) and LF.
#pragma once

#include <string>
#include <string_view>

namespace lockbox::mail {

/// Every LF has its CR, so to_crlf() would change nothing. A CR without LF is an ordinary byte.
[[nodiscard]] bool has_only_crlf(std::string_view text) noexcept;

/// LF without CR becomes CRLF; everything else stays.
[[nodiscard]] std::string to_crlf(std::string_view text);

/// CRLF becomes LF; everything else stays.
[[nodiscard]] std::string to_lf(std::string_view text);

} // namespace lockbox::mail
