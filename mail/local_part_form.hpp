// One form for each way to write a local part in Unicode.
#pragma once

#include <string>
#include <string_view>

namespace lockbox::mail {

/// Unicode's normalisation form C, which RFC 6532 §3.1 wants for addresses: `e` with a combining accent
/// becomes `é`. `text` is UTF-8. Idempotent.
[[nodiscard]] std::string composed(std::string_view text);

/// The same for all texts that differ in nothing but case, of any script, and in normalisation: Unicode's
/// simple case folding, which maps one character to one (`ß` is not `ss`), in form C. No language's own
/// rules: a dotless `ı` is not `i`. `text` is UTF-8. Idempotent.
[[nodiscard]] std::string case_folded(std::string_view text);

} // namespace lockbox::mail
