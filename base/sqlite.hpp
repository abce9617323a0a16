// SQLite files through SOCI: how they are named, made, opened and how they fail; what is in them is their
// owners' business.
#pragma once

#include <soci/soci.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace lockbox {

/// An SQLite file as error texts speak of it.
struct SqliteFile {
    std::string path;
    std::string what;         ///< "keyring", "journal"
    std::string when_damaged; ///< what to do then
    [[nodiscard]] std::string name() const { return "the " + what + ' ' + path; }
};

/// SQLite's result code, without what extends it (sqlite.org/rescode.html).
[[nodiscard]] int sqlite_code(const soci::soci_error& failure);

/// The result code as what the caller does next: Error busy, malformed, unavailable, io or engine, or
/// std::bad_alloc.
[[noreturn]] void rethrow_sqlite_error(const soci::soci_error& failure, const SqliteFile& file);

/// For soci::sqlite3, every byte escaped that SQLite's URIs or SOCI's parser could take for something else.
/// The file must be there.
[[nodiscard]] std::string sqlite_connection_string(const std::string& path,
                                                   std::chrono::seconds wait_for_lock);

/// An empty file of mode 0600, which SQLite takes for an empty database; root makes it for the owner of its
/// directory, who is the milter's user. SQLite gives its own files beside it the same owner and mode. Nothing
/// happens to a file that is there. Throws Error permission or unavailable.
void make_sqlite_file(const SqliteFile& file);

/// Copies what is committed to a file of mode 0600 and the same owner, which is there whole or not at all,
/// and is safe against power failures. Others may read and write meanwhile; somebody who has begun to write
/// sees the state from before in the copy. A copy that is there already is replaced. Throws Error(io) naming
/// it.
void copy_sqlite_file(const SqliteFile& file, const std::string& copy);

/// The first column of every row that `query`, which has one argument, finds.
[[nodiscard]] std::vector<std::string> sqlite_column(soci::session& sql, const std::string& query,
                                                     const std::string& argument);

/// A query that a connection asks again and again: SQLite parses it once. What it is asked about and where
/// its rows go is exchanged with variables, which must stay where they are. Not to be asked while it is
/// answered.
class KeptQuery {
public:
    /// `exchange` calls soci::statement::exchange() with soci::use() and soci::into(), in the order of the
    /// query.
    using Exchange = std::function<void(soci::statement&)>;

    /// Nothing is prepared before the first question: the tables may not be there yet.
    KeptQuery(soci::session& sql, std::string query, Exchange exchange)
        : sql_(sql), query_(std::move(query)), exchange_(std::move(exchange)) {}
    KeptQuery(const KeptQuery&) = delete;
    KeptQuery& operator=(const KeptQuery&) = delete;

    /// Calls `use_row` after each row. The rows are read to their end, or the statement is given up: one that
    /// is left open holds on to the snapshot that it has read.
    template <typename UseRow>
    void for_each_row(UseRow&& use_row) {
        try {
            auto& statement = prepared();
            statement.execute();
            while (statement.fetch()) {
                use_row();
            }
        } catch (...) {
            statement_.reset();
            throw;
        }
    }

    /// Runs a statement that has neither arguments nor rows.
    void run() { prepared().execute(/*withDataExchange=*/true); }

private:
    soci::statement& prepared();

    soci::session& sql_;
    std::string query_;
    Exchange exchange_;
    std::optional<soci::statement> statement_;
};

/// BEGIN, COMMIT and ROLLBACK for reading, for a connection that reads again and again.
class KeptSnapshot {
public:
    explicit KeptSnapshot(soci::session& sql)
        : sql_(sql), begin_(sql, "BEGIN", [](soci::statement&) {}),
          commit_(sql, "COMMIT", [](soci::statement&) {}) {}

    /// As in_sqlite_transaction() with SqliteAccess::read.
    template <typename Work>
    auto read(Work&& work) -> decltype(work()) {
        begin_.run();
        try {
            auto result = work();
            commit_.run();
            return result;
        } catch (...) {
            try {
                sql_ << "ROLLBACK";
            } catch (...) { // NOLINT(bugprone-empty-catch): the first error is the one to report
            }
            throw;
        }
    }

private:
    soci::session& sql_;
    KeptQuery begin_;
    KeptQuery commit_;
};

enum class SqliteAccess {
    write, ///< BEGIN IMMEDIATE: other writers wait from the beginning
    read,  ///< BEGIN: everything is read from one moment, whatever others write meanwhile
};

/// Begins, does the work, commits; rolls back where the work throws.
template <typename Work>
auto in_sqlite_transaction(soci::session& sql, SqliteAccess access, Work&& work) -> decltype(work()) {
    class Transaction {
    public:
        Transaction(soci::session& session, SqliteAccess kind) : session_(session) {
            session_ << (kind == SqliteAccess::write ? "BEGIN IMMEDIATE" : "BEGIN");
        }
        ~Transaction() {
            if (!committed_) {
                try {
                    session_ << "ROLLBACK";
                } catch (...) { // NOLINT(bugprone-empty-catch): the first error is the one to report
                }
            }
        }
        Transaction(const Transaction&) = delete;
        Transaction& operator=(const Transaction&) = delete;
        void commit() {
            session_ << "COMMIT";
            committed_ = true;
        }

    private:
        soci::session& session_;
        bool committed_ = false;
    };
    Transaction transaction(sql, access);
    if constexpr (std::is_void_v<decltype(work())>) {
        work();
        transaction.commit();
    } else {
        auto result = work();
        transaction.commit();
        return result;
    }
}

} // namespace lockbox
