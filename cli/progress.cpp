#include "cli/progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace lockbox::cli {
namespace {

/// ECMA-48: to the first column, and nothing to the right of it.
constexpr const char* erase_line = "\r\x1b[K";
constexpr std::size_t bar_columns = 24;
/// After that time the rate means something.
constexpr std::chrono::duration<double> rate_after{0.5};

/// "0:07", "2:48", "1:02:03".
std::string clock_time(std::chrono::duration<double> duration) {
    constexpr std::chrono::duration<double> longest = std::chrono::hours(999);
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(std::min(duration, longest)).count();
    if (seconds >= 3600) {
        return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }
    return fmt::format("{}:{:02}", seconds / 60, seconds % 60);
}

} // namespace

std::string progress_line(std::size_t done, std::size_t skipped, std::optional<std::size_t> total,
                          std::optional<double> fraction, std::chrono::duration<double> elapsed) {
    std::string line;
    if (total && *total > 0) {
        fraction = static_cast<double>(done + skipped) / static_cast<double>(*total);
    }
    if (fraction) {
        fraction = std::clamp(*fraction, 0.0, 1.0);
        const auto full = static_cast<std::size_t>(*fraction * static_cast<double>(bar_columns));
        line += fmt::format("[{}{}] ", std::string(full, '#'), std::string(bar_columns - full, '-'));
    }
    const auto messages = done + skipped;
    line += total ? fmt::format("{}/{}", messages, *total)
                  : fmt::format("{} message{}", messages, messages == 1 ? "" : "s");
    if (done == 0 || elapsed < rate_after) {
        return line;
    }
    const double rate = static_cast<double>(done) / elapsed.count();
    line += fmt::format("  {:.1f}/s", rate);
    if (total) {
        const auto left = *total - std::min(*total, done + skipped);
        line += fmt::format("  {} left",
                            clock_time(std::chrono::duration<double>(static_cast<double>(left) / rate)));
    } else if (fraction && *fraction > 0) {
        line += fmt::format("  {} left", clock_time(elapsed * (1 - *fraction) / *fraction));
    }
    return line;
}

Progress::Progress(std::ostream& err, bool is_terminal, Clock clock)
    : err_(err), is_terminal_(is_terminal), clock_(std::move(clock)), begin_(clock_()) {}

void Progress::advance() {
    ++done_;
    if (!is_terminal_) {
        return;
    }
    const auto now = clock_();
    if (drawn_ && now - *drawn_ < redraw_interval) {
        return;
    }
    drawn_ = now;
    is_shown_ = true;
    err_ << erase_line << progress_line(done_, skipped_, total_, fraction_, now - begin_) << std::flush;
}

void Progress::clear() {
    if (is_shown_) {
        err_ << erase_line << std::flush;
        is_shown_ = false;
    }
}

} // namespace lockbox::cli
