#include "reader/mbox_lock.hpp"

#include "base/error.hpp"
#include "reader/same_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace lockbox::reader {
namespace {

/// Somebody may replace the file between open() and the lock, but not again and again.
constexpr int attempts_max = 5;

std::string host_name() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

/// "PID:HOST", as Dovecot writes it into its own.
std::string owner_of_this() {
    return fmt::format("{}:{}", ::getpid(), host_name());
}

/// The process was on this machine, and is no more. What cannot be told counts as alive.
bool is_left_behind(std::string_view owner) {
    const auto colon = owner.find(':');
    if (colon == std::string_view::npos || host_name().empty() || owner.substr(colon + 1) != host_name()) {
        return false;
    }
    pid_t pid = 0;
    const auto end = owner.data() + colon;
    const auto [stopped, error] = std::from_chars(owner.data(), end, pid);
    return error == std::errc() && stopped == end && pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH;
}

std::optional<std::string> read_owner(const std::filesystem::path& dot_lock) {
    const Descriptor file(::open(dot_lock.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file) {
        return std::nullopt;
    }
    std::string owner(300, '\0');
    owner.resize(read_some(file.get(), owner.data(), owner.size(), dot_lock.string()));
    while (!owner.empty() && owner.back() == '\n') {
        owner.pop_back();
    }
    return owner;
}

bool set_lock(int fd, short type) noexcept {
    struct flock whole {};
    whole.l_type = type;
    whole.l_whence = SEEK_SET;
    return ::fcntl(fd, F_SETLK, &whole) == 0;
}

[[noreturn]] void throw_busy(const std::filesystem::path& path, std::string hint) {
    throw Error(ErrorKind::busy, fmt::format("{} is locked by another program", path.string()),
                std::move(hint));
}

} // namespace

MboxLock::MboxLock(std::filesystem::path path) : path_(std::move(path)), dot_lock_(path_.string() + ".lock") {
    // Policy of Debian, 11.6: fcntl() first, so that two programs never wait for each other's second lock.
    lock_file();
    make_dot_lock();
}

MboxLock::~MboxLock() {
    remove_dot_lock();
}

void MboxLock::remove_dot_lock() noexcept {
    if (has_dot_lock_) {
        ::unlink(dot_lock_.c_str());
        has_dot_lock_ = false;
    }
}

void MboxLock::give_way() noexcept {
    remove_dot_lock();
    (void)set_lock(file_.get(), F_UNLCK);
    const auto end = std::chrono::steady_clock::now() + give_way_max;
    do {
        std::this_thread::sleep_for(std::chrono::milliseconds(2)); // who was woken must come to run
    } while (!set_lock(file_.get(), F_WRLCK) && std::chrono::steady_clock::now() < end);
}

void MboxLock::lock_file() {
    for (int attempt = 0; attempt < attempts_max; ++attempt) {
        file_ = Descriptor(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
        if (!file_) {
            const bool is_forbidden = errno == EACCES || errno == EPERM || errno == EROFS;
            throw Error(is_forbidden ? ErrorKind::permission : ErrorKind::no_input,
                        fmt::format("cannot open {} for writing: {}", path_.string(), reason_of(errno)));
        }
        if (!set_lock(file_.get(), F_WRLCK)) {
            if (errno == EACCES || errno == EAGAIN) {
                throw_busy(path_, "close the mail program that has it open, or try again later");
            }
            throw Error(ErrorKind::io, fmt::format("cannot lock {}: {}", path_.string(), reason_of(errno)));
        }
        struct stat locked {};
        struct stat named {};
        if (::fstat(file_.get(), &locked) == 0 && ::stat(path_.c_str(), &named) == 0 &&
            is_same_file(locked, named)) {
            return;
        }
    }
    throw_busy(path_, "it is replaced again and again: try again later");
}

void MboxLock::make_dot_lock() {
    for (int attempt = 0; attempt < attempts_max; ++attempt) {
        Descriptor file(::open(dot_lock_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
        if (file) {
            try {
                write_all(file.get(), owner_of_this() + "\n", dot_lock_.string());
            } catch (...) {
                ::unlink(dot_lock_.c_str());
                throw;
            }
            has_dot_lock_ = true;
            return;
        }
        if (errno != EEXIST) {
            const bool is_forbidden = errno == EACCES || errno == EPERM || errno == EROFS;
            throw Error(is_forbidden ? ErrorKind::permission : ErrorKind::io,
                        fmt::format("cannot make the lock {}: {}", dot_lock_.string(), reason_of(errno)),
                        "--output writes the opened mailbox to another place");
        }
        const auto owner = read_owner(dot_lock_);
        if (owner && !is_left_behind(*owner)) {
            throw_busy(path_, fmt::format("try again later; if no mail program runs, remove {}",
                                          dot_lock_.string()));
        }
        // The fcntl() lock keeps another lockbox from coming to the same conclusion.
        if (owner && ::unlink(dot_lock_.c_str()) != 0 && errno != ENOENT) {
            throw_busy(path_, fmt::format("remove {}, which a killed program left", dot_lock_.string()));
        }
    }
    throw_busy(path_, "try again later");
}

} // namespace lockbox::reader
