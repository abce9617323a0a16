// One message in a file of its own, which may be replaced.
#pragma once

#include "base/descriptor.hpp"
#include "base/secret.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <string_view>

namespace lockbox::reader {

/// A file as it was when it was read. Where its path is a symbolic link, the link stays one, and what it
/// leads to is replaced.
class MessageFile {
public:
    /// Reads all of it. Throws Error(no_input) where it cannot be read or is no regular file, and
    /// Error(too_large).
    explicit MessageFile(const std::filesystem::path& path);

    [[nodiscard]] std::string_view bytes() const noexcept { return bytes_.expose(); }

    /// Puts `bytes` in its place, whole or not at all, with its mode, owner and times. Throws Error(busy)
    /// where the file was changed or replaced since it was read, and what UnfinishedFile throws; the file is
    /// then what it was.
    void replace(std::string_view bytes) const;

private:
    std::filesystem::path path_;
    Descriptor file_;
    struct stat status_ {};
    Secret bytes_;
};

} // namespace lockbox::reader
