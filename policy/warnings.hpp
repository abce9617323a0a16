// What an administrator should know of a configuration that is not wrong.
#pragma once

#include "policy/config.hpp"

#include <string>
#include <vector>

namespace lockbox::policy {

/// In words, one sentence each; the same at a start and for `--check`. Reads nothing but the configuration.
[[nodiscard]] std::vector<std::string> warnings_of(const Config& config);

} // namespace lockbox::policy
