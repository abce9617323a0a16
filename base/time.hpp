// Points in time, always arguments, never asked for below the programs themselves.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace lockbox {

using Time = std::chrono::sys_seconds;

/// The day in UTC: "2026-01-02".
[[nodiscard]] std::string format_date(Time time);
/// RFC 3339 in UTC: "2026-01-02T03:04:05Z".
[[nodiscard]] std::string format_time(Time time);
/// RFC 5322 §3.3 in UTC: "Fri, 02 Jan 2026 03:04:05 +0000".
[[nodiscard]] std::string format_mail_date(Time time);
/// A day in UTC ("2026-01-02", its beginning) or a moment as format_time() has it. nullopt: neither, or a day
/// that is in no calendar.
[[nodiscard]] std::optional<Time> parse_time(std::string_view text);
/// The clock, for the programs' own use.
[[nodiscard]] Time now();

} // namespace lockbox
