#include "reader/calendar_text.hpp"

#include "base/ascii.hpp"
#include "base/handle.hpp"

#include <fmt/format.h>
#include <libical/ical.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace lockbox::reader {
namespace {

using Component = Handle<icalcomponent, icalcomponent_free>;

std::string text_or_empty(const char* text) {
    return text != nullptr ? std::string(text) : std::string();
}

std::string on_one_line(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return is_space(c); }, ' ');
    return std::string(trim(text));
}

bool is_within_limits(std::string_view text) {
    std::size_t components = 0;
    for (std::size_t line = 0; line < text.size();) {
        components += starts_with_ignoring_case(trim(text.substr(line, 16)), "BEGIN:") ? 1U : 0U;
        const auto end = text.find_first_of("\r\n", line);
        line = end == std::string_view::npos ? text.size() : end + 1;
    }
    return text.size() <= calendar_octets_max && components > 0 && components <= calendar_components_max;
}

std::string kind_of(icalproperty_method method) {
    return method == ICAL_METHOD_REQUEST   ? "an invitation"
           : method == ICAL_METHOD_CANCEL  ? "a cancellation"
           : method == ICAL_METHOD_REPLY   ? "an answer to an invitation"
           : method == ICAL_METHOD_COUNTER ? "another time proposed for an invitation"
           : method == ICAL_METHOD_ADD     ? "another date of an event"
                                           : "an event";
}

/// As it is written: nothing is converted.
std::string time_of(icalproperty* property) {
    const auto time = icalvalue_get_datetime(icalproperty_get_value(property));
    if (icaltime_is_null_time(time) != 0) {
        return {};
    }
    auto text = fmt::format("{:04}-{:02}-{:02}", time.year, time.month, time.day);
    if (time.is_date != 0) {
        return text;
    }
    text += fmt::format(" {:02}:{:02}", time.hour, time.minute);
    auto* const zone = icalproperty_get_first_parameter(property, ICAL_TZID_PARAMETER);
    const auto* const name = zone != nullptr ? icalparameter_get_tzid(zone) : nullptr;
    if (name != nullptr) {
        text += fmt::format(" ({})", on_one_line(name));
    } else {
        text += icaltime_is_utc(time) != 0 ? " UTC" : " (no time zone is named)";
    }
    return text;
}

std::string duration_in_words(const icaldurationtype& duration) {
    std::string text;
    const auto add = [&](unsigned amount, std::string_view unit) {
        if (amount > 0) {
            text += fmt::format("{}{} {}{}", text.empty() ? "" : " ", amount, unit, amount == 1 ? "" : "s");
        }
    };
    add(duration.weeks, "week");
    add(duration.days, "day");
    add(duration.hours, "hour");
    add(duration.minutes, "minute");
    return text;
}

std::string when(icalcomponent* event) {
    std::string text;
    if (auto* const start = icalcomponent_get_first_property(event, ICAL_DTSTART_PROPERTY)) {
        text = time_of(start);
    }
    if (auto* const end = icalcomponent_get_first_property(event, ICAL_DTEND_PROPERTY)) {
        const auto until = time_of(end);
        const auto value = icalvalue_get_datetime(icalproperty_get_value(end));
        // RFC 5545 §3.6.1: the end of a day without a time is not part of it.
        text += until.empty() ? "" : value.is_date != 0 ? " to before " + until : " to " + until;
    } else if (auto* const lasts = icalcomponent_get_first_property(event, ICAL_DURATION_PROPERTY)) {
        const auto words = duration_in_words(icalproperty_get_duration(lasts));
        text += words.empty() ? "" : ", for " + words;
    }
    if (auto* const due = icalcomponent_get_first_property(event, ICAL_DUE_PROPERTY)) {
        text += (text.empty() ? "due " : ", due ") + time_of(due);
    }
    return text;
}

/// "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;COUNT=5": "weekly, interval 2, on MO, 5 times".
std::string rule_in_words(std::string_view rule) {
    std::string text;
    while (!rule.empty()) {
        const auto end = std::min(rule.find(';'), rule.size());
        const auto item = rule.substr(0, end);
        rule.remove_prefix(std::min(end + 1, rule.size()));
        const auto name = lockbox::to_lower(item.substr(0, item.find('=')));
        const auto value = item.find('=') == std::string_view::npos ? "" : item.substr(item.find('=') + 1);
        if (name == "wkst") {
            continue;
        }
        text += text.empty() ? "" : ", ";
        text += name == "freq"       ? lockbox::to_lower(value)
                : name == "interval" ? fmt::format("every {}th time", value)
                : name == "count"    ? fmt::format("{} times", value)
                : name == "byday"    ? fmt::format("on {}", value)
                                     : fmt::format("{} {}", name, value);
    }
    return text;
}

std::string person(icalproperty* property, const char* address) {
    auto mailbox = on_one_line(text_or_empty(address));
    if (starts_with_ignoring_case(mailbox, "mailto:")) {
        mailbox.erase(0, 7);
    }
    auto* const name = icalproperty_get_first_parameter(property, ICAL_CN_PARAMETER);
    const auto words = on_one_line(text_or_empty(name != nullptr ? icalparameter_get_cn(name) : nullptr));
    return words.empty() || words == mailbox ? mailbox : fmt::format("\"{}\" <{}>", words, mailbox);
}

std::string answer(icalproperty* attendee) {
    auto* const state = icalproperty_get_first_parameter(attendee, ICAL_PARTSTAT_PARAMETER);
    const auto value = state != nullptr ? icalparameter_get_partstat(state) : ICAL_PARTSTAT_NONE;
    return value == ICAL_PARTSTAT_ACCEPTED    ? ", accepted"
           : value == ICAL_PARTSTAT_DECLINED  ? ", declined"
           : value == ICAL_PARTSTAT_TENTATIVE ? ", perhaps"
           : value == ICAL_PARTSTAT_DELEGATED ? ", sends somebody else"
                                              : "";
}

void add_line(std::string& text, std::string_view label, const std::string& value) {
    if (!value.empty()) {
        text += fmt::format("{:<12}{}\n", std::string(label) + ':', value);
    }
}

std::string first_text(icalcomponent* event, icalproperty_kind kind) {
    auto* const property = icalcomponent_get_first_property(event, kind);
    auto* const value = property != nullptr ? icalproperty_get_value(property) : nullptr;
    return text_or_empty(value != nullptr ? icalvalue_get_text(value) : nullptr);
}

std::string event_text(icalcomponent* event) {
    std::string text;
    add_line(text, "What", on_one_line(first_text(event, ICAL_SUMMARY_PROPERTY)));
    add_line(text, "When", when(event));
    for (auto* rule = icalcomponent_get_first_property(event, ICAL_RRULE_PROPERTY); rule != nullptr;
         rule = icalcomponent_get_next_property(event, ICAL_RRULE_PROPERTY)) {
        add_line(text, "Repeats",
                 rule_in_words(on_one_line(text_or_empty(icalproperty_get_value_as_string(rule)))));
    }
    add_line(text, "Where", on_one_line(first_text(event, ICAL_LOCATION_PROPERTY)));
    if (auto* const organizer = icalcomponent_get_first_property(event, ICAL_ORGANIZER_PROPERTY)) {
        add_line(text, "Organizer", person(organizer, icalproperty_get_organizer(organizer)));
    }
    std::size_t attendees = 0;
    for (auto* attendee = icalcomponent_get_first_property(event, ICAL_ATTENDEE_PROPERTY);
         attendee != nullptr; attendee = icalcomponent_get_next_property(event, ICAL_ATTENDEE_PROPERTY)) {
        if (++attendees <= calendar_attendees_max) {
            add_line(text, "Attendee",
                     person(attendee, icalproperty_get_attendee(attendee)) + answer(attendee));
        }
    }
    if (attendees > calendar_attendees_max) {
        add_line(text, "Attendees", fmt::format("{} more", attendees - calendar_attendees_max));
    }
    if (auto* const status = icalcomponent_get_first_property(event, ICAL_STATUS_PROPERTY)) {
        const auto value = icalproperty_get_status(status);
        add_line(text, "State",
                 value == ICAL_STATUS_CANCELLED   ? "cancelled"
                 : value == ICAL_STATUS_TENTATIVE ? "not certain"
                                                  : "");
    }
    auto description = first_text(event, ICAL_DESCRIPTION_PROPERTY);
    std::erase(description, '\r');
    if (!trim(description).empty()) {
        text += '\n' + std::string(trim(description)) + '\n';
    }
    return text;
}

} // namespace

std::optional<CalendarText> calendar_text(std::string_view icalendar) {
    if (!is_within_limits(icalendar)) {
        return std::nullopt;
    }
    icalerror_set_errors_are_fatal(false);
    const std::string text(icalendar.substr(0, icalendar.find('\0')));
    const Component root(icalparser_parse_string(text.c_str()));
    if (!root) {
        return std::nullopt;
    }
    // Several calendars one after the other come in a component without a name.
    std::vector<icalcomponent*> calendars;
    if (icalcomponent_isa(root.get()) == ICAL_XROOT_COMPONENT) {
        for (auto* calendar = icalcomponent_get_first_component(root.get(), ICAL_ANY_COMPONENT);
             calendar != nullptr;
             calendar = icalcomponent_get_next_component(root.get(), ICAL_ANY_COMPONENT)) {
            calendars.push_back(calendar);
        }
    } else {
        calendars.push_back(root.get());
    }
    CalendarText result;
    std::size_t events = 0;
    for (auto* const calendar : calendars) {
        if (result.kind.empty()) {
            result.kind = kind_of(icalcomponent_get_method(calendar));
        }
        for (auto* event = icalcomponent_get_first_component(calendar, ICAL_ANY_COMPONENT); event != nullptr;
             event = icalcomponent_get_next_component(calendar, ICAL_ANY_COMPONENT)) {
            const auto kind = icalcomponent_isa(event);
            if ((kind == ICAL_VEVENT_COMPONENT || kind == ICAL_VTODO_COMPONENT ||
                 kind == ICAL_VJOURNAL_COMPONENT) &&
                ++events <= calendar_events_max) {
                result.text += (result.text.empty() ? "" : "\n") + event_text(event);
            }
        }
    }
    if (events > calendar_events_max) {
        result.text += fmt::format("\nand {} more\n", events - calendar_events_max);
    }
    return events == 0 ? std::nullopt : std::optional<CalendarText>(std::move(result));
}

} // namespace lockbox::reader
