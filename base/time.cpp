#include "base/time.hpp"

#include <fmt/chrono.h>

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

Time now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

} // namespace lockbox
