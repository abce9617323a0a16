#include "reader/unfinished_file.hpp"

#include "base/error.hpp"
#include "reader/same_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace lockbox::reader {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t write_buffer_octets = 1U << 18U;
constexpr mode_t only_for_me = 0600;

} // namespace

struct stat status_of(int fd, const fs::path& path) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        throw Error(ErrorKind::io, fmt::format("cannot read {}: {}", path.string(), reason_of(errno)));
    }
    return status;
}

UnfinishedFile::UnfinishedFile(fs::path target) : target_(std::move(target)) {
    path_ = target_.parent_path() / fmt::format(".{}.lockbox", target_.filename().string());
    const auto make = [&] {
        return Descriptor(
            ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, only_for_me));
    };
    file_ = make();
    if (!file_ && errno == EEXIST) {
        remove_leftover();
        file_ = make();
        if (!file_ && errno == EEXIST) {
            throw_busy();
        }
    }
    check(static_cast<bool>(file_));
    struct stat named {};
    // Another lockbox may have taken it for a leftover before the lock.
    if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0 || ::lstat(path_.c_str(), &named) != 0 ||
        !is_same_file(status_of(file_.get(), path_), named)) {
        throw_busy();
    }
    is_ours_ = true;
}

UnfinishedFile::~UnfinishedFile() {
    if (is_ours_) {
        ::unlink(path_.c_str());
    }
}

void UnfinishedFile::throw_busy() const {
    throw Error(ErrorKind::busy, fmt::format("another lockbox writes {}", target_.string()),
                "try again when it has ended");
}

/// What a killed process left is that of this user, or of whose the target is, to whom it was given at the
/// end. It is not written to: who has it open would read along. O_NONBLOCK is for a pipe that somebody put
/// there.
void UnfinishedFile::remove_leftover() const {
    const Descriptor found(::open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!found && errno == ENOENT) {
        return;
    }
    struct stat status {};
    struct stat named {};
    struct stat replaced {};
    const bool has_target = ::lstat(target_.c_str(), &replaced) == 0;
    const bool is_own = found && ::fstat(found.get(), &status) == 0 && S_ISREG(status.st_mode) &&
                        status.st_nlink == 1 &&
                        (status.st_uid == ::geteuid() || (has_target && status.st_uid == replaced.st_uid));
    if (!is_own) {
        throw Error(
            ErrorKind::permission,
            fmt::format("{} is in the way, and it is nothing that lockbox made for you", path_.string()),
            "remove it, or write into a directory that is your own");
    }
    if (::flock(found.get(), LOCK_EX | LOCK_NB) != 0 || ::lstat(path_.c_str(), &named) != 0 ||
        !is_same_file(status, named)) {
        throw_busy();
    }
    check(::unlink(path_.c_str()) == 0);
}

void UnfinishedFile::write(std::string_view bytes) {
    if (bytes.size() > write_buffer_octets - buffer_.size()) {
        flush();
    }
    if (bytes.size() > write_buffer_octets) {
        write_all(file_.get(), bytes, target_.string());
    } else {
        buffer_.append(bytes);
    }
}

void UnfinishedFile::flush() {
    write_all(file_.get(), buffer_.expose(), target_.string());
    buffer_ = Secret();
}

void UnfinishedFile::take_after(const struct stat& old) {
    flush();
    const auto now = status_of(file_.get(), path_);
    if ((now.st_uid != old.st_uid || now.st_gid != old.st_gid) &&
        ::fchown(file_.get(), old.st_uid, old.st_gid) != 0) {
        throw Error(ErrorKind::permission,
                    fmt::format("cannot keep the owner of {}: {}", target_.string(), reason_of(errno)),
                    "--output writes what was opened to another place");
    }
    const std::array<timespec, 2> times{old.st_atim, old.st_mtim};
    check(::fchmod(file_.get(), old.st_mode & 07777U) == 0 && ::futimens(file_.get(), times.data()) == 0);
}

void UnfinishedFile::lock() {
    check(::fcntl(file_.get(), F_SETFL, O_APPEND) == 0);
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    check(::fcntl(file_.get(), F_SETLK, &whole) == 0);
}

void UnfinishedFile::sync() {
    flush();
    check(::fsync(file_.get()) == 0);
}

void UnfinishedFile::finish(bool replaces) {
    sync();
    check(replaces ? ::rename(path_.c_str(), target_.c_str()) == 0 : give_new_name());
    is_ours_ = false;
    const auto parent = target_.parent_path();
    const Descriptor directory(
        ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory) {
        (void)::fsync(directory.get());
    }
}

bool UnfinishedFile::give_new_name() {
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) == 0) {
        return true;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return false;
    }
    return ::link(path_.c_str(), target_.c_str()) == 0 && ::unlink(path_.c_str()) == 0; // NFS
}

void UnfinishedFile::check(bool succeeded) const {
    if (!succeeded) {
        throw Error(ErrorKind::io, fmt::format("cannot write {}: {}", target_.string(), reason_of(errno)));
    }
}

} // namespace lockbox::reader
