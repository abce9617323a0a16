// Files, read whole and written whole.
#pragma once

#include <cstddef>
#include <filesystem>
#include <istream>
#include <string>
#include <string_view>

namespace lockbox {

/// The whole file. Throws Error(no_input) naming it when it is missing, unreadable or a directory, and
/// Error(too_large) when it has more than `octets_max` octets.
[[nodiscard]] std::string read_file(const std::filesystem::path& path, std::size_t octets_max);

/// The same for a stream that `name` stands for in error texts.
[[nodiscard]] std::string read_stream(std::istream& in, const std::string& name, std::size_t octets_max);

/// Replaces `path` whole or not at all: a reader sees the old bytes or the new ones, also after a crash.
/// Mode 0600. Throws Error(io) naming the file; on failure nothing is left behind.
void write_atomically(const std::filesystem::path& path, std::string_view bytes);

/// A directory of mode 0700 that is removed, with what is in it, on destruction.
class TemporaryDirectory {
public:
    /// Below $TMPDIR or /tmp. Throws Error(io).
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

} // namespace lockbox
