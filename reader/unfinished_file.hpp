// A file that gets its name when it is complete.
#pragma once

#include "base/descriptor.hpp"
#include "base/secret.hpp"

#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace lockbox::reader {

/// Throws Error(io) that names `path`.
[[nodiscard]] struct stat status_of(int fd, const std::filesystem::path& path);

/// What becomes a file when it is complete: ".NAME.lockbox" beside it until then, mode 0600. It is removed on
/// destruction unless it got its name; what a killed process leaves is removed by the next one. Each throws
/// Error(io) that names the file, also where the disk is full.
class UnfinishedFile {
public:
    /// Throws Error(busy) where another lockbox writes the same file, and Error(permission) where
    /// ".NAME.lockbox" is a stranger's: in a directory that all may write to, he could read and change what
    /// is written.
    explicit UnfinishedFile(std::filesystem::path target);
    ~UnfinishedFile();
    UnfinishedFile(const UnfinishedFile&) = delete;
    UnfinishedFile& operator=(const UnfinishedFile&) = delete;

    [[nodiscard]] int get() const noexcept { return file_.get(); }

    void write(std::string_view bytes);
    /// Takes over mode, owner and times of the file whose place it takes. Throws Error(permission) where the
    /// owner cannot be kept.
    void take_after(const struct stat& old);
    /// For what others may append to it as soon as it has its name: holds it with fcntl(2).
    void lock();
    /// All that was written is on the disk.
    void sync();
    /// sync(), and gives it its name. `replaces` false: throws where something has that name already.
    void finish(bool replaces);

private:
    [[noreturn]] void throw_busy() const;
    void remove_leftover() const;
    void flush();
    [[nodiscard]] bool give_new_name();
    void check(bool succeeded) const;

    std::filesystem::path target_;
    std::filesystem::path path_;
    Descriptor file_;
    Secret buffer_;
    bool is_ours_ = false;
};

} // namespace lockbox::reader
