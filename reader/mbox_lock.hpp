// The locks that mail programs and servers keep each other from a mailbox file with.
#pragma once

#include "base/descriptor.hpp"

#include <chrono>
#include <filesystem>

namespace lockbox::reader {

/// As long as the delivery of one message takes on a slow disk.
constexpr std::chrono::seconds give_way_max{10};

/// Holds an mbox as Debian's mail programs do: with fcntl(2), then with a file beside it whose name ends in
/// ".lock". Neither waits. A ".lock" file that names a process of this machine which is no more, as a killed
/// lockbox leaves one, is taken over.
class MboxLock {
public:
    /// Throws Error(no_input) where there is no such file, Error(permission) where it may not be written or
    /// no file may be made beside it, and Error(busy) where somebody else holds it.
    explicit MboxLock(std::filesystem::path path);
    ~MboxLock();
    MboxLock(const MboxLock&) = delete;
    MboxLock& operator=(const MboxLock&) = delete;

    /// The file, open for reading and writing.
    [[nodiscard]] int get() const noexcept { return file_.get(); }
    /// For when the file was replaced: lets go of both locks, so that programs which have the old file open
    /// and wait for them do what they want to do, and takes the first one again. Waits give_way_max at most.
    void give_way() noexcept;

private:
    void lock_file();
    void make_dot_lock();
    void remove_dot_lock() noexcept;

    std::filesystem::path path_;
    std::filesystem::path dot_lock_;
    Descriptor file_;
    bool has_dot_lock_ = false;
};

} // namespace lockbox::reader
