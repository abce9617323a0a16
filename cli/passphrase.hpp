// Passphrases: from a person at the terminal, or from a script.
#pragma once

#include "base/secret.hpp"

#include <string>

namespace lockbox::cli {

/// Asks at /dev/tty without showing what is typed. A signal meanwhile does what it does, but the terminal is
/// put back first. Throws Error(no_secret_key) where there is no terminal or the answer is an end of file.
[[nodiscard]] Secret ask_at_terminal(const std::string& prompt);

/// What can be read from a descriptor up to the first line end or its end. Throws Error(no_input).
[[nodiscard]] Secret read_passphrase(int descriptor);

} // namespace lockbox::cli
