#include "milter/journal.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/sqlite.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <set>
#include <utility>

namespace lockbox::milter {
namespace {

constexpr std::chrono::seconds lock_wait{5};
constexpr std::size_t attempt_id_octets = 16;
constexpr int journal_version = 1;

/// The write-ahead log is tidied up before a try sends anything, never between the record of a copy and its
/// way: SQLite's own habit of doing that at a commit would stretch the one moment in which a killed process
/// leaves a wrong record.
constexpr unsigned writes_between_checkpoints = 1000;

SqliteFile journal_file(const std::string& path) {
    return {path, "journal",
            "move it away and start again: only messages that were half sent at that moment are not "
            "recognised then"};
}

std::string lock_path(const std::string& journal_path) {
    return journal_path + ".lock";
}

/// Held as long as the process lives and no longer, however it ends.
class LockFile {
public:
    LockFile(const std::string& path, const std::string& of_what) {
        make_sqlite_file({path, "journal's lock", {}}); // not for root alone, where root starts or checks
        fd_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        if (fd_ < 0) {
            throw Error(ErrorKind::unavailable, fmt::format("cannot open {}", path),
                        "it must be readable and writable for the user that Lockbox runs as");
        }
        if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
            ::close(fd_);
            throw Error(ErrorKind::unavailable,
                        fmt::format("{} is in use by another lockbox-milter", of_what),
                        "each milter needs a journal of its own; `journal` names it");
        }
    }
    ~LockFile() { ::close(fd_); }
    LockFile(const LockFile&) = delete;
    LockFile& operator=(const LockFile&) = delete;

private:
    int fd_ = -1;
};

void add_to_digest(std::string& digested, std::string_view name, std::string_view value) {
    digested += fmt::format("{}:{}:", name, value.size());
    digested += value;
}

} // namespace

std::optional<std::string> identity_of(const policy::Transaction& transaction) {
    auto message_id = transaction.header.first("Message-ID").value_or("");
    if (!transaction.queue_id.empty() && message_id.find(transaction.queue_id) != std::string::npos) {
        message_id.clear();
    }
    const auto date = transaction.header.first("Date").value_or("");
    if (message_id.empty() && date.empty()) {
        return std::nullopt;
    }
    std::string digested;
    add_to_digest(digested, "reverse-path", transaction.reverse_path.raw);
    add_to_digest(digested, "message-id", message_id);
    add_to_digest(digested, "date", date);
    for (const auto* field : {"From", "To", "Cc", "Subject"}) {
        for (const auto body : transaction.header.all(field)) {
            add_to_digest(digested, field, body);
        }
    }
    add_to_digest(digested, "body", sha256(transaction.body));
    return hex_encode(sha256(digested));
}

class Journal::Impl {
public:
    explicit Impl(const std::string& path) : file_(journal_file(path)), lock_(lock_path(path), file_.name()) {
        guarded([&] {
            make_sqlite_file(file_);
            sql_.open(soci::sqlite3, sqlite_connection_string(path, lock_wait));
            std::string answer;
            sql_ << "PRAGMA journal_mode = WAL", soci::into(answer);
            sql_ << "PRAGMA synchronous = NORMAL";
            sql_ << "PRAGMA wal_autocheckpoint = 0";
            sql_ << "PRAGMA foreign_keys = ON"; // a clock that jumps forgets tries that are under way
            prepare_tables();
        });
    }

    std::vector<std::string> begin(const std::string& id, const std::string& identity, Time now) {
        const std::scoped_lock lock(mutex_);
        return guarded([&] {
            if (writes_since_checkpoint_ >= writes_between_checkpoints) {
                writes_since_checkpoint_ = 0;
                sql_ << "PRAGMA wal_checkpoint(PASSIVE)";
            }
            auto taken_over = in_transaction([&] {
                forget_old_ones(now);
                if (count("SELECT count(*) FROM served") >= journal_records_max) {
                    throw Error(ErrorKind::io,
                                fmt::format("{} is full: {} records", file_.name(), journal_records_max),
                                "many messages were half sent; see why the reinjection listener fails");
                }
                const long long at = now.time_since_epoch().count();
                sql_ << "INSERT INTO try (id, identity, begun) VALUES (:id, :identity, :begun)",
                    soci::use(id), soci::use(identity), soci::use(at);
                return take_over(id, identity);
            });
            live_.insert(id);
            return taken_over;
        });
    }

    void record(const std::string& id, const std::vector<std::string>& recipients) {
        const std::scoped_lock lock(mutex_);
        guarded([&] {
            in_transaction([&] {
                for (const auto& recipient : recipients) {
                    sql_ << "INSERT OR REPLACE INTO served (try, recipient) VALUES (:try, :recipient)",
                        soci::use(id), soci::use(recipient);
                }
            });
        });
    }

    void confirm(const std::string& id) {
        const std::scoped_lock lock(mutex_);
        guarded([&] {
            sql_ << "PRAGMA synchronous = FULL";
            try {
                sql_ << "UPDATE try SET confirmed = confirmed + 1 WHERE id = :id", soci::use(id);
            } catch (...) {
                sql_ << "PRAGMA synchronous = NORMAL";
                throw;
            }
            sql_ << "PRAGMA synchronous = NORMAL";
        });
    }

    void take_back(const std::string& id, const std::vector<std::string>& recipients) noexcept {
        const std::scoped_lock lock(mutex_);
        unless_it_fails("take back", [&] {
            for (const auto& recipient : recipients) {
                wrong_.insert({id, recipient}); // as long as this process lives, whatever the disk does
            }
            in_transaction([&] {
                for (const auto& recipient : recipients) {
                    sql_ << "DELETE FROM served WHERE try = :try AND recipient = :recipient", soci::use(id),
                        soci::use(recipient);
                }
            });
            for (const auto& recipient : recipients) {
                wrong_.erase({id, recipient});
            }
        });
    }

    void settle(const std::string& id) noexcept {
        const std::scoped_lock lock(mutex_);
        unless_it_fails("settle", [&] {
            settled_.insert(id);
            in_transaction([&] {
                sql_ << "DELETE FROM served WHERE try = :id", soci::use(id);
                sql_ << "DELETE FROM try WHERE id = :id", soci::use(id);
            });
            settled_.erase(id);
        });
    }

    void settle_answered() noexcept {
        std::set<std::string> live;
        {
            const std::scoped_lock lock(mutex_);
            live = live_;
        }
        for (const auto& id : live) {
            settle(id);
        }
    }

    void end(const std::string& id) noexcept {
        const std::scoped_lock lock(mutex_);
        live_.erase(id);
        unless_it_fails("end", [&] {
            long long records = 0;
            sql_ << "SELECT count(*) FROM served WHERE try = :id", soci::use(id), soci::into(records);
            if (records == 0) {
                sql_ << "DELETE FROM try WHERE id = :id", soci::use(id);
            }
        });
    }

private:
    template <typename Work>
    auto guarded(Work&& work) -> decltype(work()) {
        try {
            return work();
        } catch (const soci::soci_error& failure) {
            rethrow_sqlite_error(failure, file_);
        }
    }

    template <typename Work>
    void unless_it_fails(std::string_view what, Work&& work) noexcept {
        try {
            guarded(work);
        } catch (const std::exception& error) {
            try {
                log::error("journal", what, {{"error", error.what()}});
            } catch (...) { // NOLINT(bugprone-empty-catch): no memory for a log line either
            }
        }
    }

    template <typename Work>
    auto in_transaction(Work&& work) -> decltype(work()) {
        ++writes_since_checkpoint_;
        return in_sqlite_transaction(sql_, SqliteAccess::write, std::forward<Work>(work));
    }

    long long count(const std::string& query) {
        long long number = 0;
        sql_ << query, soci::into(number);
        return number;
    }

    void prepare_tables() {
        in_sqlite_transaction(sql_, SqliteAccess::write, [&] {
            const auto tables = count("SELECT count(*) FROM sqlite_master WHERE type = 'table'");
            if (tables == 0) {
                sql_ << "CREATE TABLE lockbox_journal (version INTEGER NOT NULL)";
                sql_ << "INSERT INTO lockbox_journal (version) VALUES (" << journal_version << ")";
                sql_ << "CREATE TABLE try (id TEXT NOT NULL PRIMARY KEY, identity TEXT NOT NULL, begun "
                        "BIGINT NOT NULL,"
                        " confirmed INTEGER NOT NULL DEFAULT 0)";
                sql_ << "CREATE INDEX try_of_identity ON try (identity)";
                sql_ << "CREATE INDEX try_begun ON try (begun)";
                sql_ << "CREATE TABLE served (try TEXT NOT NULL REFERENCES try (id), recipient TEXT NOT NULL,"
                        " PRIMARY KEY (try, recipient))";
            }
            if (count(
                    "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'lockbox_journal'") ==
                0) {
                throw Error(ErrorKind::malformed,
                            fmt::format("{} is a database, but not a journal", file_.path),
                            "name another file with `journal`");
            }
            const auto version = count("SELECT version FROM lockbox_journal");
            if (version != journal_version) {
                throw Error(
                    ErrorKind::unavailable,
                    fmt::format("{} has version {}, not the {} of this program", file_.name(), version,
                                journal_version),
                    "another version of Lockbox has written it; start that one, or move the file away");
            }
        });
    }

    /// Live tries are not old: a try has minutes.
    void forget_old_ones(Time now) {
        const long long before = (now - std::chrono::duration_cast<std::chrono::seconds>(journal_age_max))
                                     .time_since_epoch()
                                     .count();
        sql_ << "DELETE FROM served WHERE try IN (SELECT id FROM try WHERE begun < :before)",
            soci::use(before);
        sql_ << "DELETE FROM try WHERE begun < :before", soci::use(before);
    }

    /// Those with records.
    std::vector<std::string> ended_tries_of(const std::string& identity) {
        auto ids = sqlite_column(sql_,
                                 "SELECT id FROM try WHERE identity = :identity AND EXISTS"
                                 " (SELECT 1 FROM served WHERE served.try = try.id) ORDER BY begun, id",
                                 identity);
        std::erase_if(ids,
                      [&](const std::string& id) { return live_.count(id) != 0 || settled_.count(id) != 0; });
        return ids;
    }

    std::vector<std::string> recipients_of(const std::string& id) {
        auto recipients = sqlite_column(sql_, "SELECT recipient FROM served WHERE try = :id", id);
        std::erase_if(recipients, [&](const std::string& recipient) {
            return wrong_.count({id, recipient}) != 0;
        });
        return recipients;
    }

    std::vector<std::string> take_over(const std::string& id, const std::string& identity) {
        std::set<std::string> taken;
        for (const auto& ended : ended_tries_of(identity)) {
            for (const auto& recipient : recipients_of(ended)) {
                // Of two ended tries that served somebody, one is taken over: two messages alike are two
                // messages.
                if (!taken.insert(recipient).second) {
                    continue;
                }
                sql_ << "UPDATE served SET try = :new WHERE try = :old AND recipient = :recipient",
                    soci::use(id), soci::use(ended), soci::use(recipient);
            }
            sql_ << "DELETE FROM try WHERE id = :id AND NOT EXISTS (SELECT 1 FROM served WHERE try = :same)",
                soci::use(ended), soci::use(ended);
        }
        return {taken.begin(), taken.end()};
    }

    SqliteFile file_;
    LockFile lock_;
    std::mutex mutex_;
    soci::session sql_;
    std::set<std::string> live_;                          ///< tries that have not ended
    std::set<std::string> settled_;                       ///< tries whose records could not be removed
    std::set<std::pair<std::string, std::string>> wrong_; ///< records that could not be taken back
    unsigned writes_since_checkpoint_ = 0;
};

Journal::Journal(const std::string& path) : impl_(std::make_unique<Impl>(path)) {}
Journal::~Journal() = default;

bool Journal::is_in_use(const std::string& path) noexcept {
    const int fd = ::open(lock_path(path).c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const bool taken = ::flock(fd, LOCK_EX | LOCK_NB) != 0;
    ::close(fd);
    return taken;
}

void Journal::settle_answered() noexcept {
    impl_->settle_answered();
}

std::unique_ptr<Journal::Attempt> Journal::begin(const std::optional<std::string>& identity, Time now) {
    auto id = hex_encode(random_bytes(attempt_id_octets));
    auto served_before = impl_->begin(id, identity.value_or("unrecognisable " + id), now);
    auto attempt = std::make_unique<Attempt>(*this, std::move(id));
    attempt->served_before_ = std::move(served_before);
    return attempt;
}

Journal::Attempt::~Attempt() {
    journal_->impl_->end(id_);
}
void Journal::Attempt::record(const std::vector<std::string>& recipients) {
    journal_->impl_->record(id_, recipients);
}
void Journal::Attempt::confirm() {
    journal_->impl_->confirm(id_);
}
void Journal::Attempt::take_back(const std::vector<std::string>& recipients) noexcept {
    journal_->impl_->take_back(id_, recipients);
}
void Journal::Attempt::settle() noexcept {
    journal_->impl_->settle(id_);
}

} // namespace lockbox::milter
