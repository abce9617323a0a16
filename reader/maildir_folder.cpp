#include "reader/maildir_folder.hpp"

#include "base/error.hpp"
#include "base/handle.hpp"
#include "reader/maildir.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>

namespace lockbox::reader {
namespace {

namespace fs = std::filesystem;

/// How our files in tmp begin.
constexpr std::string_view temporary_prefix = "lockbox.";

} // namespace

Descriptor open_directory(const fs::path& path) {
    Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory) {
        throw Error(ErrorKind::no_input, fmt::format("cannot read {}: {}", path.string(), reason_of(errno)));
    }
    return directory;
}

std::vector<std::string> names_in(int directory, const fs::path& path) {
    const Handle<DIR, ::closedir> stream(
        ::fdopendir(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
    std::vector<std::string> names;
    errno = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this function's own
    while (const auto* entry = stream ? ::readdir(stream.get()) : nullptr) {
        names.emplace_back(entry->d_name);
    }
    if (errno != 0) {
        throw Error(ErrorKind::io, fmt::format("cannot read {}: {}", path.string(), reason_of(errno)));
    }
    return names;
}

bool rename_to_free_name(int from, const std::string& name, int to, const std::string& new_name) {
    if (::renameat2(from, name.c_str(), to, new_name.c_str(), RENAME_NOREPLACE) == 0) {
        return true;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return false;
    }
    struct stat taken {}; // file systems that cannot do it in one step: NFS
    if (::fstatat(to, new_name.c_str(), &taken, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return false;
    }
    return ::renameat(from, name.c_str(), to, new_name.c_str()) == 0;
}

MaildirPlace MaildirPlace::parse(std::string_view path) {
    return {path.starts_with("new/"), std::string(path.substr(path.find('/') + 1))};
}

std::string MaildirPlace::to_string() const {
    return fmt::format("{}/{}", is_new ? "new" : "cur", name);
}

MaildirFolder::MaildirFolder(fs::path path)
    : path_(std::move(path)), cur_(open_directory(path_ / "cur")), new_(open_directory(path_ / "new")),
      tmp_(open_directory(path_ / "tmp")) {}

MaildirFolder::~MaildirFolder() {
    if (is_changed_) {
        (void)::fsync(cur_.get());
        (void)::fsync(new_.get());
    }
}

std::string MaildirFolder::path_of(const MaildirPlace& place) const {
    return (path_ / place.to_string()).string();
}

void MaildirFolder::take() {
    if (::flock(tmp_.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            throw Error(ErrorKind::busy, fmt::format("another lockbox works in {}", path_.string()),
                        "try again when it has ended");
        }
        return; // no locks on this file system: nobody can tell whose the files in tmp are
    }
    for (const auto& name : names_in(tmp_.get(), path_ / "tmp")) {
        if (name.starts_with(temporary_prefix)) {
            (void)::unlinkat(tmp_.get(), name.c_str(), 0);
        }
    }
}

std::optional<MaildirPlace> MaildirFolder::find(const std::string& unique) const {
    // Messages go from new to cur; and one that is renamed while a directory is read may not be seen.
    for (const bool is_new : {true, false, false}) {
        for (auto& name : names_in(is_new ? new_.get() : cur_.get(), path_)) {
            if (!name.starts_with('.') && unique_part(name) == unique) {
                return MaildirPlace{is_new, std::move(name)};
            }
        }
    }
    return std::nullopt;
}

TemporaryMessage::TemporaryMessage(const MaildirFolder& folder, std::string_view bytes,
                                   const struct stat& model, bool keeps_owner)
    : directory_(folder.tmp()), path_((folder.path() / "tmp").string()),
      name_(fmt::format("{}{}.{}", temporary_prefix, ::getpid(),
                        std::chrono::system_clock::now().time_since_epoch().count())) {
    const Descriptor file(
        ::openat(directory_, name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    check(static_cast<bool>(file));
    try {
        write_all(file.get(), bytes, path_);
        if (keeps_owner) {
            keep_owner(file.get(), model);
        }
        const std::array<timespec, 2> times{model.st_atim, model.st_mtim};
        check(::fchmod(file.get(), model.st_mode & 07777U) == 0 &&
              ::futimens(file.get(), times.data()) == 0 && ::fsync(file.get()) == 0);
    } catch (...) {
        remove();
        throw;
    }
}

void TemporaryMessage::keep_owner(int file, const struct stat& model) const {
    struct stat now {};
    check(::fstat(file, &now) == 0);
    if ((now.st_uid != model.st_uid || now.st_gid != model.st_gid) &&
        ::fchown(file, model.st_uid, model.st_gid) != 0) {
        throw Error(ErrorKind::permission,
                    fmt::format("cannot keep the owner of a message in {}: {}", path_, reason_of(errno)),
                    "--output writes the opened messages to another place");
    }
}

void TemporaryMessage::check(bool succeeded) const {
    if (!succeeded) {
        throw Error(ErrorKind::io, fmt::format("cannot write in {}: {}", path_, reason_of(errno)));
    }
}

void TemporaryMessage::remove() noexcept {
    if (is_here_) {
        (void)::unlinkat(directory_, name_.c_str(), 0);
        is_here_ = false;
    }
}

} // namespace lockbox::reader
