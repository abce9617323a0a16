#include "base/sqlite.hpp"

#include "base/ascii.hpp"
#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "base/handle.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <new>

namespace lockbox {

int sqlite_code(const soci::soci_error& failure) {
    const auto* sqlite = dynamic_cast<const soci::sqlite3_soci_error*>(&failure);
    return sqlite != nullptr ? sqlite->result() & 0xff : SQLITE_ERROR;
}

void rethrow_sqlite_error(const soci::soci_error& failure, const SqliteFile& file) {
    switch (sqlite_code(failure)) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        throw Error(ErrorKind::busy, fmt::format("{} is locked by another program", file.name()),
                    fmt::format("wait for it to finish; `fuser {}` names it", file.path));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        throw Error(ErrorKind::malformed, fmt::format("{} is damaged or is no {}", file.name(), file.what),
                    file.when_damaged);
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        throw Error(ErrorKind::unavailable, fmt::format("{} cannot be opened", file.name()),
                    "the file and its directory must be readable and writable (SQLite keeps its log there)");
    case SQLITE_FULL:
        throw Error(ErrorKind::io, fmt::format("cannot write to {}: the disk is full", file.name()),
                    "nothing was changed; make room and try again");
    case SQLITE_IOERR:
        throw Error(ErrorKind::io, fmt::format("cannot read or write {}", file.name()),
                    "look at the disk and the kernel's log");
    case SQLITE_NOMEM:
        throw std::bad_alloc();
    default:
        throw Error(ErrorKind::engine, fmt::format("{}: {}", file.name(), failure.what()));
    }
}

std::string sqlite_connection_string(const std::string& path, std::chrono::seconds wait_for_lock) {
    std::string uri;
    for (const char c : path) {
        if (is_alpha(c) || is_digit(c) || c == '/' || c == '.' || c == '-' || c == '_') {
            uri += c;
        } else {
            uri += fmt::format("%{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        }
    }
    return fmt::format("db=file:{}?mode=rw timeout={}", uri, wait_for_lock.count());
}

void make_sqlite_file(const SqliteFile& file) {
    const Descriptor made(::open(file.path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!made) {
        if (errno == EEXIST) {
            return;
        }
        const auto directory = std::filesystem::path(file.path).parent_path().string();
        throw Error(errno == EACCES ? ErrorKind::permission : ErrorKind::unavailable,
                    fmt::format("cannot make {}: {}", file.name(), reason_of(errno)),
                    fmt::format("make the directory {} first, for the user that Lockbox runs as",
                                directory.empty() ? "." : directory));
    }
    struct stat directory {};
    const auto parent = std::filesystem::path(file.path).parent_path();
    const bool as_root = ::geteuid() == 0 && ::stat(parent.empty() ? "." : parent.c_str(), &directory) == 0;
    const bool owned = !as_root || ::fchown(made.get(), directory.st_uid, directory.st_gid) == 0;
    const int error = errno;
    if (!owned) {
        throw Error(ErrorKind::permission, fmt::format("cannot give {} to its directory's owner: {}",
                                                       file.name(), reason_of(error)));
    }
}

namespace {

/// A name beside the copy's own, until the copy is whole.
class UnfinishedCopy {
public:
    explicit UnfinishedCopy(std::string target)
        : target_(std::move(target)), path_(target_ + ".XXXXXX"), fd_(::mkostemp(path_.data(), O_CLOEXEC)) {
        check(static_cast<bool>(fd_));
    }
    ~UnfinishedCopy() {
        if (!finished_) {
            ::unlink(path_.c_str());
        }
    }
    UnfinishedCopy(const UnfinishedCopy&) = delete;
    UnfinishedCopy& operator=(const UnfinishedCopy&) = delete;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    void give_to_owner_of(const std::string& file) {
        struct stat source {};
        check(::stat(file.c_str(), &source) == 0);
        check(::geteuid() != 0 || ::fchown(fd_.get(), source.st_uid, source.st_gid) == 0);
    }
    void finish() {
        check(::fsync(fd_.get()) == 0 && ::rename(path_.c_str(), target_.c_str()) == 0);
        finished_ = true;
        const auto parent = std::filesystem::path(target_).parent_path();
        const Descriptor directory(
            ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        check(directory && ::fsync(directory.get()) == 0);
    }
    [[noreturn]] void fail(const std::string& reason) const {
        throw Error(ErrorKind::io, fmt::format("cannot write {}: {}", target_, reason),
                    "it is the copy that is made before a change of the format; nothing was changed");
    }

private:
    void check(bool succeeded) const {
        if (!succeeded) {
            fail(reason_of(errno));
        }
    }
    std::string target_;
    std::string path_;
    Descriptor fd_;
    bool finished_ = false;
};

using namespace sqlite_api; // where SOCI declares what is SQLite's own
using RawSqlite = Handle<sqlite3, sqlite3_close>;

RawSqlite open_raw(const std::string& path, int flags) {
    sqlite3* raw = nullptr;
    const int opened = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
    RawSqlite database(raw);
    return opened == SQLITE_OK ? std::move(database) : RawSqlite();
}

} // namespace

void copy_sqlite_file(const SqliteFile& file, const std::string& copy) {
    UnfinishedCopy unfinished(copy);
    unfinished.give_to_owner_of(file.path);
    auto source = open_raw(file.path, SQLITE_OPEN_READWRITE); // a write-ahead log is written to by readers
    auto target = open_raw(unfinished.path(), SQLITE_OPEN_READWRITE);
    if (!source || !target) {
        unfinished.fail(fmt::format("{} cannot be opened a second time", file.name()));
    }
    auto* const backup = sqlite3_backup_init(target.get(), "main", source.get(), "main");
    if (backup == nullptr) {
        unfinished.fail(sqlite3_errmsg(target.get()));
    }
    constexpr int every_page = -1;
    const int copied = sqlite3_backup_step(backup, every_page);
    const int finished = sqlite3_backup_finish(backup);
    if (copied != SQLITE_DONE || finished != SQLITE_OK) {
        unfinished.fail(sqlite3_errstr(copied != SQLITE_DONE ? copied : finished));
    }
    target.reset();
    unfinished.finish();
}

soci::statement& KeptQuery::prepared() {
    if (!statement_) {
        statement_.emplace(sql_);
        exchange_(*statement_);
        statement_->alloc();
        statement_->prepare(query_);
        statement_->define_and_bind();
    }
    return *statement_;
}

std::vector<std::string> sqlite_column(soci::session& sql, const std::string& query,
                                       const std::string& argument) {
    std::vector<std::string> values;
    std::string value;
    soci::statement statement = (sql.prepare << query, soci::use(argument), soci::into(value));
    statement.execute();
    while (statement.fetch()) {
        values.push_back(value);
    }
    return values;
}

} // namespace lockbox
