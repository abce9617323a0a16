// The operator's log: one line per event, the queue id first, no content.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockbox::log {

enum class Level { debug, info, warning, error };
enum class Sink { standard_error, syslog };

/// Attributes in the order they are printed: `name=value`. Values are made printable, and quoted where they
/// contain a space.
using Attributes = std::vector<std::pair<std::string_view, std::string>>;

/// Chooses where lines go and which are written. Call once before threads start; until then lines go to
/// standard error. `syslog` uses facility mail and the name lockbox-milter.
void open(Sink sink, Level least);

/// `subject` is a queue id or a part of the program: "4Zk3Qv1yTgz: sealed, copies=1, protocol=openpgp".
void write(Level level, std::string_view subject, std::string_view event, const Attributes& attributes = {});

inline void debug(std::string_view subject, std::string_view event, const Attributes& attributes = {}) {
    write(Level::debug, subject, event, attributes);
}
inline void info(std::string_view subject, std::string_view event, const Attributes& attributes = {}) {
    write(Level::info, subject, event, attributes);
}
inline void warning(std::string_view subject, std::string_view event, const Attributes& attributes = {}) {
    write(Level::warning, subject, event, attributes);
}
inline void error(std::string_view subject, std::string_view event, const Attributes& attributes = {}) {
    write(Level::error, subject, event, attributes);
}

/// The line that write() hands to the sink.
[[nodiscard]] std::string format_line(std::string_view subject, std::string_view event,
                                      const Attributes& attributes);

} // namespace lockbox::log
