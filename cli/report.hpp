// What is said of an opened message, to a person and in JSON: decrypt and read say the same.
#pragma once

#include "cli/output.hpp"
#include "reader/open.hpp"

#include <ostream>
#include <string_view>

namespace lockbox::cli {

/// The exit status for one message, as lockbox(1) prints it.
[[nodiscard]] int exit_status(reader::Outcome outcome) noexcept;

enum class Verbosity {
    all,
    warnings, ///< and errors: nothing of what is as it should be
};

/// One summary line, and what belongs to it on lines of its own. `name` says which of several messages it is;
/// empty: there is only one.
void report_opened(std::ostream& err, std::string_view name, const reader::Opened& opened,
                   Verbosity verbosity = Verbosity::all);

/// The same for --json, without any content.
[[nodiscard]] Json json_opened(const reader::Opened& opened);

} // namespace lockbox::cli
