// The daemon's life: start, reload, stop.
#pragma once

#include "policy/config.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace lockbox::milter {

/// Everything that can be known to be wrong before mail comes, without listening: user, group, socket
/// directory, keyring, sealing engine. Throws Error for the first that is. Returns sentences about what does
/// not keep it from starting: overdue lists of revoked certificates.
[[nodiscard]] std::vector<std::string> check_start(const policy::Config& config);

/// Listens, becomes the configured user, calls `ready`, and serves until SIGTERM or SIGINT; messages that
/// have come whole get their verdict first. SIGUSR1 reads `config_path` again. Ends the process with status
/// 0. Throws Error when it cannot start; nothing is left behind then.
[[noreturn]] void run(const policy::Config& config, const std::filesystem::path& config_path,
                      const std::function<void()>& ready);

} // namespace lockbox::milter
