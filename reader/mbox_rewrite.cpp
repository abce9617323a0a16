#include "reader/mbox_rewrite.hpp"

#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "reader/in_order.hpp"
#include "reader/mbox_lock.hpp"
#include "reader/same_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace lockbox::reader {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t write_buffer_octets = 1U << 18U;

struct Task {
    MboxMessage stored;
    std::size_t number = 0;
    std::size_t octets_before_next = 0;
};

struct Result {
    MboxMessage stored;
    Change change;
    std::size_t octets_before_next = 0;
};

std::size_t octets_of(const MboxMessage& message) noexcept {
    return message.separator.size() + message.quoted.size() + message.end.size();
}

Result judge(Task&& task, const Worker& worker, const std::string& name) {
    Result result{std::move(task.stored), {}, task.octets_before_next};
    if (result.stored.is_rest()) {
        return result;
    }
    StoredMessage message;
    message.name = fmt::format("{}:{}", name, task.number);
    if (result.stored.is_continued) {
        message.refusal = fmt::format("it is larger than {} octets", mailbox_message_octets_max);
    } else {
        message.bytes = unquote_mbox(result.stored.quoted);
    }
    result.change = worker(message);
    return result;
}

void write_result(const Result& result, const ByteSink& sink) {
    const auto& stored = result.stored;
    sink(stored.separator);
    if (result.change.message) {
        const bool has_crlf = stored.separator.ends_with("\r\n");
        write_mbox_message(result.change.message->expose(), has_crlf ? "\r\n" : "\n", sink);
    } else {
        sink(stored.quoted);
    }
    sink(stored.end);
}

bool is_same_time(const timespec& left, const timespec& right) noexcept {
    return left.tv_sec == right.tv_sec && left.tv_nsec == right.tv_nsec;
}

struct stat status_of(int fd, const fs::path& path) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        throw Error(ErrorKind::io, fmt::format("cannot read {}: {}", path.string(), reason_of(errno)));
    }
    return status;
}

/// What becomes a file when it is complete: ".NAME.lockbox" beside it until then. It is removed on
/// destruction unless it got its name; what a killed process leaves is the next one's to overwrite.
class UnfinishedFile {
public:
    explicit UnfinishedFile(fs::path target) : target_(std::move(target)) {
        path_ = target_.parent_path() / fmt::format(".{}.lockbox", target_.filename().string());
        file_ = Descriptor(::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
        check(static_cast<bool>(file_));
        struct stat named {};
        // Whoever else had it under this lock may have given it its name by now.
        if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0 || ::lstat(path_.c_str(), &named) != 0 ||
            !is_same_file(status_of(file_.get(), path_), named)) {
            throw Error(ErrorKind::busy, fmt::format("another lockbox writes {}", target_.string()),
                        "try again when it has ended");
        }
        is_ours_ = true;
        try {
            check(S_ISREG(named.st_mode) && named.st_nlink == 1 && ::ftruncate(file_.get(), 0) == 0 &&
                  ::fchmod(file_.get(), 0600) == 0);
        } catch (...) {
            ::unlink(path_.c_str());
            throw;
        }
    }
    ~UnfinishedFile() {
        if (is_ours_) {
            ::unlink(path_.c_str());
        }
    }
    UnfinishedFile(const UnfinishedFile&) = delete;
    UnfinishedFile& operator=(const UnfinishedFile&) = delete;

    [[nodiscard]] int get() const noexcept { return file_.get(); }

    void write(std::string_view bytes) {
        if (bytes.size() > write_buffer_octets - buffer_.size()) {
            flush();
        }
        if (bytes.size() > write_buffer_octets) {
            write_all(file_.get(), bytes, target_.string());
        } else {
            buffer_.append(bytes);
        }
    }
    void flush() {
        write_all(file_.get(), buffer_.expose(), target_.string());
        buffer_ = Secret();
    }
    /// Mode, owner and times of the file whose place it takes.
    void take_after(const struct stat& old) {
        flush();
        const auto now = status_of(file_.get(), path_);
        if ((now.st_uid != old.st_uid || now.st_gid != old.st_gid) &&
            ::fchown(file_.get(), old.st_uid, old.st_gid) != 0) {
            throw Error(ErrorKind::permission,
                        fmt::format("cannot keep the owner of {}: {}", target_.string(), reason_of(errno)),
                        "--output writes the opened mailbox to another place");
        }
        const std::array<timespec, 2> times{old.st_atim, old.st_mtim};
        check(::fchmod(file_.get(), old.st_mode & 07777U) == 0 && ::futimens(file_.get(), times.data()) == 0);
    }
    /// For what others may append to it as soon as it has its name.
    void lock() {
        check(::fcntl(file_.get(), F_SETFL, O_APPEND) == 0);
        struct flock whole {};
        whole.l_type = F_WRLCK;
        whole.l_whence = SEEK_SET;
        check(::fcntl(file_.get(), F_SETLK, &whole) == 0);
    }
    void sync() {
        flush();
        check(::fsync(file_.get()) == 0);
    }
    /// Gives it its name. `replaces` false: throws where something has that name already.
    void finish(bool replaces) {
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

private:
    bool give_new_name() {
        if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) == 0) {
            return true;
        }
        if (errno != EINVAL && errno != ENOSYS) {
            return false;
        }
        return ::link(path_.c_str(), target_.c_str()) == 0 && ::unlink(path_.c_str()) == 0; // NFS
    }
    void check(bool succeeded) const {
        if (!succeeded) {
            throw Error(ErrorKind::io,
                        fmt::format("cannot write {}: {}", target_.string(), reason_of(errno)));
        }
    }

    fs::path target_;
    fs::path path_;
    Descriptor file_;
    Secret buffer_;
    bool is_ours_ = false;
};

[[noreturn]] void throw_changed(const fs::path& path) {
    throw Error(ErrorKind::busy, fmt::format("{} was changed by another program meanwhile", path.string()),
                "it was left as it is; try again when no other program changes it");
}

/// Copies what stands behind the first `from` octets of one file to the end of another. Returns how many
/// octets there are now.
std::size_t copy_tail(int from_fd, std::size_t from, int to_fd, const fs::path& path) {
    std::string buffer(write_buffer_octets, '\0');
    for (;;) {
        const auto count = ::pread(from_fd, buffer.data(), buffer.size(), static_cast<off_t>(from));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            throw Error(ErrorKind::io, fmt::format("cannot read {}: {}", path.string(), reason_of(errno)));
        }
        if (count == 0) {
            return from;
        }
        write_all(to_fd, std::string_view(buffer).substr(0, static_cast<std::size_t>(count)), path.string());
        from += static_cast<std::size_t>(count);
    }
}

} // namespace

ByteSource bytes_of(int fd, std::string name) {
    return [fd, name = std::move(name)](char* buffer, std::size_t size) {
        return read_some(fd, buffer, size, name);
    };
}

std::size_t rewrite_mbox(const ByteSource& source, const ByteSink& sink, const MboxRun& run) {
    std::vector<InOrder<Task, Result>::Work> work;
    for (const auto& worker : run.workers) {
        work.push_back([&worker, &run](Task&& task) { return judge(std::move(task), worker, run.name); });
    }
    MboxReader reader(source, run.name);
    std::size_t number = 0;
    std::size_t octets = 0;
    std::size_t changed = 0;
    InOrder<Task, Result> threads(std::move(work));
    threads.run(
        [&]() -> std::optional<Task> {
            auto message = reader.next();
            if (!message) {
                return std::nullopt;
            }
            number += message->is_rest() ? 0U : 1U;
            octets += octets_of(*message);
            return Task{std::move(*message), number, octets};
        },
        [](const Task& task) { return octets_of(task.stored); },
        [&](Result&& result) {
            write_result(result, sink);
            changed += result.change.message ? 1U : 0U;
            if (result.change.done) {
                result.change.done();
            }
            if (run.progress) {
                run.progress(result.octets_before_next);
            }
        });
    return changed;
}

void rewrite_mbox_to(const ByteSource& source, const fs::path& output, const MboxRun& run) {
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(output, ignored))) {
        throw Error(ErrorKind::io, fmt::format("cannot write {}: it exists already", output.string()),
                    "give --output another name, or remove it first");
    }
    UnfinishedFile file(output);
    (void)rewrite_mbox(
        source, [&](std::string_view bytes) { file.write(bytes); }, run);
    file.finish(false);
}

void rewrite_mbox_in_place(const fs::path& path, const MboxRun& run) {
    std::error_code error;
    auto target = fs::canonical(path, error); // a symbolic link stays one
    if (error) {
        throw Error(ErrorKind::no_input, fmt::format("cannot read {}: {}", path.string(), error.message()));
    }
    std::optional<MboxLock> lock(std::in_place, target);
    const auto before = status_of(lock->get(), target);
    UnfinishedFile file(target);
    std::size_t octets = 0;
    const auto source = [&](char* buffer, std::size_t size) {
        const auto count = read_some(lock->get(), buffer, size, target.string());
        octets += count;
        return count;
    };
    if (rewrite_mbox(
            source, [&](std::string_view bytes) { file.write(bytes); }, run) == 0) {
        return;
    }
    // fsync() before the last look at the old file: it takes long, and nothing of that length may follow.
    file.sync();
    const auto after = status_of(lock->get(), target);
    const auto size = static_cast<std::size_t>(after.st_size);
    if (size < octets ||
        (size == octets && after.st_size == before.st_size && !is_same_time(after.st_mtim, before.st_mtim))) {
        throw_changed(target);
    }
    struct stat named {};
    if (::stat(target.c_str(), &named) != 0 || !is_same_file(named, after)) {
        throw_changed(target);
    }
    octets = copy_tail(lock->get(), octets, file.get(), target);
    file.take_after(after);
    file.lock();
    file.finish(true);
    // Who had the old file open by then, and waited for its lock or for nobody, has appended to a file
    // without a name: that belongs below what is there now.
    lock->give_way();
    if (copy_tail(lock->get(), octets, file.get(), target) != octets && ::fsync(file.get()) != 0) {
        throw Error(ErrorKind::io, fmt::format("cannot write {}: {}", target.string(), reason_of(errno)));
    }
}

} // namespace lockbox::reader
