// Characters that nobody sees and that change how others are read.
#pragma once

#include <cstdint>

namespace lockbox {

/// The one list of them, for terminals, logs and pages: Unicode 15, General_Category Cf (bidirectional
/// controls among them, CVE-2021-42574), Zl, Zp, Co, Cn (noncharacters), and letters that are blank.
/// Zero-width joiner and non-joiner, U+200C and U+200D, are not in it: some scripts need them. Nor are
/// controls (Cc).
[[nodiscard]] bool is_invisible(std::uint32_t code_point) noexcept;

} // namespace lockbox
