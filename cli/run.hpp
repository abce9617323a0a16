// The command line as a function.
#pragma once

#include "cli/io.hpp"

#include <span>
#include <string_view>

namespace lockbox::cli {

/// Runs one command; `arguments` come without the program's name. Returns the exit status that lockbox(1)
/// promises and never throws: what went wrong is on `io.err` as "lockbox: error: …" and "lockbox: hint: …".
[[nodiscard]] int run(std::span<const std::string_view> arguments, Io& io,
                      const Environment& environment) noexcept;

} // namespace lockbox::cli
