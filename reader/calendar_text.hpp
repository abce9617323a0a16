// Invitations and other events (RFC 5545, RFC 5546), as text.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lockbox::reader {

constexpr std::size_t calendar_octets_max = 1U << 20U;
/// Components at any depth, alarms and rules of time zones included; libical frees them by recursion.
constexpr std::size_t calendar_components_max = 500;
/// Events and tasks that are written; the rest are counted.
constexpr std::size_t calendar_events_max = 20;
/// Of each event; the rest are counted.
constexpr std::size_t calendar_attendees_max = 50;

struct CalendarText {
    std::string text; ///< UTF-8, LF line ends; not harmless
    std::string kind; ///< of words of ours: "an invitation", "a cancellation", …
};

/// What, when, how often, where, by whom and for whom. Times are as they are written, with the name of their
/// time zone: nothing is converted. nullopt: there is no event or task in it, or it is beyond the limits.
[[nodiscard]] std::optional<CalendarText> calendar_text(std::string_view icalendar);

} // namespace lockbox::reader
