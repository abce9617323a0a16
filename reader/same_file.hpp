// Whether a name still means the file that was opened, and whether that is what it was.
#pragma once

#include <sys/stat.h>

namespace lockbox::reader {

[[nodiscard]] inline bool is_same_file(const struct stat& left, const struct stat& right) noexcept {
    return left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

[[nodiscard]] inline bool is_same_time(const timespec& left, const timespec& right) noexcept {
    return left.tv_sec == right.tv_sec && left.tv_nsec == right.tv_nsec;
}

/// The same file, and nobody has written to it in between.
[[nodiscard]] inline bool is_unchanged(const struct stat& now, const struct stat& before) noexcept {
    return is_same_file(now, before) && now.st_size == before.st_size &&
           is_same_time(now.st_mtim, before.st_mtim);
}

} // namespace lockbox::reader
