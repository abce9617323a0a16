// Whether a name still means the file that was opened.
#pragma once

#include <sys/stat.h>

namespace lockbox::reader {

[[nodiscard]] inline bool is_same_file(const struct stat& left, const struct stat& right) noexcept {
    return left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

} // namespace lockbox::reader
