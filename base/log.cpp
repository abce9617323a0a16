#include "base/log.hpp"

#include "base/ascii.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <syslog.h>

#include <memory>

namespace lockbox::log {
namespace {

// Long enough for a refusal that names many recipients, short enough for one syslog datagram (RFC 5424 §6.1).
constexpr std::size_t value_octets_max = 1500;

spdlog::level::level_enum spdlog_level(Level level) noexcept {
    switch (level) {
    case Level::debug:
        return spdlog::level::debug;
    case Level::info:
        return spdlog::level::info;
    case Level::warning:
        return spdlog::level::warn;
    case Level::error:
        return spdlog::level::err;
    }
    return spdlog::level::err;
}

std::shared_ptr<spdlog::logger>& current() {
    static auto logger = [] {
        auto made =
            std::make_shared<spdlog::logger>("lockbox", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z lockbox-milter[%P]: %l: %v");
        made->set_level(spdlog::level::info);
        return made;
    }();
    return logger;
}

std::string quoted_where_needed(const std::string& value) {
    const auto clean = printable(value, value_octets_max);
    if (!clean.empty() && clean.find_first_of(" ,\"") == std::string::npos) {
        return clean;
    }
    std::string quoted = "\"";
    for (const char c : clean) {
        if (c == '"' || c == '\\') {
            quoted += '\\';
        }
        quoted += c;
    }
    return quoted + '"';
}

} // namespace

void open(Sink sink, Level least) {
    if (sink == Sink::syslog) {
        auto logger = std::make_shared<spdlog::logger>(
            "lockbox", std::make_shared<spdlog::sinks::syslog_sink_mt>(
                           "lockbox-milter", LOG_PID | LOG_NDELAY, LOG_MAIL, /*enable_formatting=*/false));
        current() = std::move(logger);
    }
    current()->set_level(spdlog_level(least));
    current()->flush_on(spdlog::level::debug);
}

std::string format_line(std::string_view subject, std::string_view event, const Attributes& attributes) {
    std::string line = printable(subject);
    line += ": ";
    line += printable(event, value_octets_max);
    for (const auto& [name, value] : attributes) {
        line += ", ";
        line += name;
        line += '=';
        line += quoted_where_needed(value);
    }
    return line;
}

void write(Level level, std::string_view subject, std::string_view event, const Attributes& attributes) {
    const auto& logger = current();
    if (logger->should_log(spdlog_level(level))) {
        logger->log(spdlog_level(level), spdlog::string_view_t(format_line(subject, event, attributes)));
    }
}

} // namespace lockbox::log
