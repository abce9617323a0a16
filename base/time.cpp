#include "base/time.hpp"

#include "base/ascii.hpp"

#include <fmt/chrono.h>

#include <charconv>

namespace lockbox {

std::string format_date(Time time) {
    return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

std::string format_time(Time time) {
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

std::string format_mail_date(Time time) {
    return fmt::format("{:%a, %d %b %Y %H:%M:%S +0000}",
                       fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

std::optional<Time> parse_time(std::string_view text) {
    constexpr std::string_view day_form = "0000-00-00";
    constexpr std::string_view moment_form = "0000-00-00T00:00:00Z";
    if (text.size() != day_form.size() && text.size() != moment_form.size()) {
        return std::nullopt;
    }
    const auto form = moment_form.substr(0, text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (form[i] == '0' ? !is_digit(text[i]) : form[i] != text[i]) {
            return std::nullopt;
        }
    }
    const auto number = [&](std::size_t at, std::size_t digits) {
        int value = 0;
        (void)std::from_chars(text.data() + at, text.data() + at + digits, value);
        return value;
    };
    const std::chrono::year_month_day day(std::chrono::year(number(0, 4)),
                                          std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                          std::chrono::day(static_cast<unsigned>(number(8, 2))));
    if (!day.ok()) {
        return std::nullopt;
    }
    Time time = std::chrono::sys_days(day);
    if (text.size() == moment_form.size()) {
        const std::chrono::hours hours(number(11, 2));
        const std::chrono::minutes minutes(number(14, 2));
        const std::chrono::seconds seconds(number(17, 2));
        if (hours.count() > 23 || minutes.count() > 59 || seconds.count() > 59) {
            return std::nullopt;
        }
        time += hours + minutes + seconds;
    }
    return time;
}

Time now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

} // namespace lockbox
