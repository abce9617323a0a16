// Bytes that other programs made: tests/data/README.md says how.
#pragma once

#include "base/file.hpp"

#include <filesystem>
#include <string>

namespace lockbox::tests {

inline std::string mail_data(const std::string& name) {
    return read_file(std::filesystem::path(LOCKBOX_TEST_DATA) / "mail" / name, 10'000'000);
}

} // namespace lockbox::tests
