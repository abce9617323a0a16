#include "milter/journal.hpp"

#include "base/ascii.hpp"
#include "base/descriptor.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/sqlite.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <unordered_set>
#include <utility>

namespace lockbox::milter {
namespace {

constexpr std::chrono::seconds lock_wait{5};
constexpr std::size_t attempt_id_octets = 16;
constexpr int journal_version = 2;

/// The write-ahead log is tidied up before a try sends anything, never between the record of a copy and its
/// way: SQLite's own habit of doing that at a commit would stretch the one moment in which a killed process
/// leaves a wrong record.
constexpr unsigned writes_between_checkpoints = 1000;

/// What is known of messages that have records grows with each message that is handed over, and is read anew
/// after so many.
constexpr unsigned prepared_between_readings = 100'000;

/// Answered attempts that are forgotten at once where room is needed.
constexpr int forgotten_at_once = 1000;

SqliteFile journal_file(const std::string& path) {
    return {path, "journal",
            "move it away and start again: only messages that were half sent at that moment are not "
            "recognised then"};
}

std::string lock_path(const std::string& journal_path) {
    return journal_path + ".lock";
}

Descriptor open_lock(const std::string& path) {
    return Descriptor(::open(path.c_str(), O_RDWR | O_CLOEXEC));
}

/// Held as long as the descriptor lives and no longer, however the process ends.
Descriptor lock_for(const SqliteFile& journal) {
    const auto path = lock_path(journal.path);
    make_sqlite_file({path, "journal's lock", {}}); // not for root alone, where root starts or checks
    auto lock = open_lock(path);
    if (!lock) {
        throw Error(ErrorKind::unavailable, fmt::format("cannot open {}", path),
                    "it must be readable and writable for the user that Lockbox runs as");
    }
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        throw Error(ErrorKind::unavailable,
                    fmt::format("{} is in use by another lockbox-milter", journal.name()),
                    "each milter needs a journal of its own; `journal` names it");
    }
    return lock;
}

void add_to_digest(std::string& digested, std::string_view name, std::string_view value) {
    digested += fmt::format("{}:{}:", name, value.size());
    digested += value;
}

constexpr std::string_view sent_on = "Resent-";

/// The fields that say which message it is, of its first sending or of those that sent it on.
struct Identifying {
    std::vector<std::string_view> ids;   ///< made by the client
    std::vector<std::string_view> dates; ///< made by the client, as far as one can tell
};

/// Postfix adds what is missing behind all other fields, first the Message-ID, then the Date.
Identifying identifying_fields(const policy::Transaction& transaction, std::string_view prefix) {
    const auto id_name = fmt::format("{}Message-ID", prefix);
    const auto date_name = fmt::format("{}Date", prefix);
    Identifying found;
    bool date_may_be_the_clients = true;
    for (const auto& field : transaction.header.fields()) {
        if (all_space(field.body)) {
            continue;
        }
        if (equal_ignoring_case(field.name, id_name)) {
            const bool is_the_mtas =
                !transaction.queue_id.empty() && field.body.find(transaction.queue_id) != std::string::npos;
            if (is_the_mtas) {
                date_may_be_the_clients = false;
            } else {
                found.ids.push_back(field.body);
            }
        } else if (equal_ignoring_case(field.name, date_name) && date_may_be_the_clients) {
            found.dates.push_back(field.body);
        }
    }
    if (!found.ids.empty()) {
        found.dates.clear();
    }
    return found;
}

bool is_content(std::string_view name) {
    constexpr std::array<std::string_view, 4> names{"From", "To", "Cc", "Subject"};
    const auto same = [&](std::string_view other) { return equal_ignoring_case(name, other); };
    return std::any_of(names.begin(), names.end(), same) ||
           (starts_with_ignoring_case(name, sent_on) && !same("Resent-Message-ID") && !same("Resent-Date"));
}

} // namespace

std::optional<MessageIdentity> identity_of(const policy::Transaction& transaction) {
    const auto& fields = transaction.header.fields();
    const bool was_sent_on = std::any_of(fields.begin(), fields.end(), [](const mail::HeaderField& field) {
        return starts_with_ignoring_case(field.name, sent_on);
    });
    const auto first = identifying_fields(transaction, "");
    const auto latest = was_sent_on ? identifying_fields(transaction, sent_on) : first;
    if (first.ids.empty() && first.dates.empty() && latest.ids.empty() && latest.dates.empty()) {
        return std::nullopt;
    }
    std::string digested;
    add_to_digest(digested, "reverse-path", transaction.reverse_path.mailbox());
    const auto add_all = [&](std::string_view name, const std::vector<std::string_view>& bodies) {
        for (const auto body : bodies) {
            add_to_digest(digested, name, trim(body));
        }
    };
    add_all("message-id", first.ids);
    add_all("date", first.dates);
    if (was_sent_on) {
        add_all("resent-message-id", latest.ids);
        add_all("resent-date", latest.dates);
    }
    for (const auto& field : fields) {
        if (is_content(field.name)) {
            add_to_digest(digested, to_lower(field.name), field.body);
        }
    }
    return MessageIdentity{hex_encode(sha256(digested)), !latest.ids.empty()};
}

/// One try, as its attempt and the journal know it.
struct Journal::Attempt::State {
    std::string id;
    std::optional<MessageIdentity> identity;
    std::set<std::string> envelope; ///< mailboxes
    Time begun{};
    std::chrono::steady_clock::time_point begun_steadily;
    std::string body; ///< its digest; empty as long as nobody needed it
    /// What earlier tries have left, and of that what this try answers for: try, recipient.
    std::vector<std::string> served_before;
    std::vector<std::pair<std::string, std::string>> inherited;
    std::set<std::string> recorded; ///< by this one; under the journal's lock, whoever lets a copy through
    bool has_row = false;

    [[nodiscard]] bool shares_recipients_with(const std::set<std::string>& other) const {
        return std::any_of(other.begin(), other.end(),
                           [&](const std::string& mailbox) { return envelope.count(mailbox) != 0; });
    }
    /// By the clock of its beginning.
    [[nodiscard]] Time now() const {
        return begun + std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() -
                                                                        begun_steadily);
    }
};

namespace {

using State = Journal::Attempt::State;

long long seconds_of(Time time) {
    return time.time_since_epoch().count();
}

template <typename Duration>
long long seconds_of(Duration duration) {
    return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

/// A path has no line ends in it: an MTA reads it from a line.
std::string joined(const std::set<std::string>& mailboxes) {
    return fmt::format("{}", fmt::join(mailboxes, "\n"));
}

std::set<std::string> split(std::string_view lines) {
    std::set<std::string> mailboxes;
    while (true) {
        const auto end = std::min(lines.find('\n'), lines.size());
        mailboxes.emplace(lines.substr(0, end));
        if (end == lines.size()) {
            return mailboxes;
        }
        lines.remove_prefix(end + 1);
    }
}

/// Records that still count: of answered tries near the answer, whatever the clock did since; of others for
/// long.
constexpr std::string_view still_counts = "((answered IS NULL AND begun >= :oldest) OR"
                                          " (answered IS NOT NULL AND answered BETWEEN :from AND :to))";

} // namespace

class Journal::Impl {
public:
    explicit Impl(const std::string& path) : file_(journal_file(path)), lock_(lock_for(file_)) {
        guarded([&] {
            make_sqlite_file(file_);
            sql_.open(soci::sqlite3, sqlite_connection_string(path, lock_wait));
            std::string answer;
            sql_ << "PRAGMA journal_mode = WAL", soci::into(answer);
            sql_ << "PRAGMA synchronous = NORMAL";
            sql_ << "PRAGMA wal_autocheckpoint = 0";
            sql_ << "PRAGMA foreign_keys = ON"; // a record without its try would be nobody's
            prepare_tables();
            read_what_is_known();
        });
    }

    /// Waits until no other try of the message is under way; then this one is.
    void enter(const State& state, const Wait& wait) {
        std::unique_lock lock(live_mutex_);
        const bool is_alone = wait_until(lock, ended_, wait, [&] {
            if (!state.identity) {
                return true;
            }
            const auto [begin, end] = live_.equal_range(state.identity->fields);
            return std::none_of(begin, end, [&](const auto& other) {
                return state.shares_recipients_with(other.second->envelope);
            });
        });
        if (!is_alone) {
            throw Error(ErrorKind::busy, "another try of this message is under way");
        }
        live_.emplace(state.identity ? state.identity->fields : std::string(), &state);
    }

    void read_earlier_ones(State& state, std::string_view body) {
        if (!state.identity || !may_be_known(*state.identity)) {
            return;
        }
        if (count_of("SELECT count(*) FROM attempt WHERE fields = :fields", state.identity->fields) == 0) {
            return;
        }
        state.body = hex_encode(sha256(body));
        const std::scoped_lock lock(mutex_);
        guarded([&] {
            std::set<std::string> served;
            for (const auto& [id, envelope] : earlier_tries(state)) {
                if (!state.shares_recipients_with(envelope)) {
                    continue; // of another part of the message
                }
                for (auto& recipient : recipients_of(id)) {
                    // Who was neither in that envelope nor is in this one came out of an alias.
                    if (state.envelope.count(recipient) != 0 || envelope.count(recipient) == 0) {
                        state.inherited.emplace_back(id, recipient);
                    }
                    served.insert(std::move(recipient));
                }
            }
            state.served_before.assign(served.begin(), served.end());
        });
    }

    void prepare(State& state, std::string_view body) {
        if (!state.identity || state.has_row) {
            return; // nobody will ask
        }
        if (state.body.empty()) {
            state.body = hex_encode(sha256(body));
        }
        note_as_known(*state.identity);
        const auto live = live_ids();
        const std::scoped_lock lock(mutex_);
        guarded([&] {
            if (writes_since_checkpoint_ >= writes_between_checkpoints) {
                writes_since_checkpoint_ = 0;
                sql_ << "PRAGMA wal_checkpoint(PASSIVE)";
            }
            in_transaction([&] {
                forget_old_ones(state.now(), live);
                make_room();
                insert_row(state);
            });
            if (++prepared_since_reading_ >= prepared_between_readings) {
                read_what_is_known();
            }
        });
        state.has_row = true;
    }

    void record(State& state, const std::vector<std::string>& recipients) {
        if (!state.identity) {
            return;
        }
        const std::scoped_lock lock(mutex_);
        guarded([&] {
            in_transaction([&] {
                for (const auto& recipient : recipients) {
                    sql_ << "INSERT OR REPLACE INTO served (attempt, recipient) VALUES (:attempt, "
                            ":recipient)",
                        soci::use(state.id), soci::use(recipient);
                }
            });
            records_ += static_cast<long long>(recipients.size());
            for (const auto& recipient : recipients) {
                wrong_.erase({state.id, recipient});
                state.recorded.insert(recipient);
            }
        });
    }

    void confirm(const State& state, const std::vector<std::string>& recipients) {
        if (!state.identity) {
            return;
        }
        const std::scoped_lock lock(mutex_);
        guarded([&] {
            const Synchronous until_on_disk(sql_);
            in_transaction([&] {
                for (const auto& recipient : recipients) {
                    sql_ << "UPDATE served SET confirmed = 1 WHERE attempt = :attempt AND recipient = "
                            ":recipient",
                        soci::use(state.id), soci::use(recipient);
                }
            });
        });
    }

    void take_back(const State& state, const std::vector<std::string>& recipients) noexcept {
        std::vector<std::pair<std::string, std::string>> records;
        unless_it_fails("take back", [&] {
            for (const auto& recipient : recipients) {
                records.emplace_back(state.id, recipient);
            }
            remove(records);
        });
    }

    void answered(State& state) noexcept {
        if (!state.identity || (!state.has_row && state.inherited.empty())) {
            return;
        }
        unless_it_fails("answered", [&] {
            state.identity->is_certain ? keep_for_a_while(state) : remove(records_behind(state));
        });
    }

    void end(const State& state) noexcept {
        if (state.has_row) {
            unless_it_fails("end", [&] {
                const std::scoped_lock lock(mutex_);
                sql_ << "DELETE FROM attempt WHERE id = :id AND NOT EXISTS (SELECT 1 FROM served WHERE "
                        "attempt = :same)",
                    soci::use(state.id), soci::use(state.id);
            });
        }
        leave(state);
    }

    void leave(const State& state) noexcept {
        {
            const std::scoped_lock lock(live_mutex_);
            std::erase_if(live_, [&](const auto& live) { return live.second == &state; });
        }
        ended_.notify_all();
    }

private:
    /// Every commit waits for the disk, as long as it lives.
    class Synchronous {
    public:
        explicit Synchronous(soci::session& sql) : sql_(sql) { sql_ << "PRAGMA synchronous = FULL"; }
        ~Synchronous() {
            try {
                sql_ << "PRAGMA synchronous = NORMAL";
            } catch (...) { // NOLINT(bugprone-empty-catch): slower, and no less safe
            }
        }
        Synchronous(const Synchronous&) = delete;
        Synchronous& operator=(const Synchronous&) = delete;

    private:
        soci::session& sql_;
    };

    using Records = std::vector<std::pair<std::string, std::string>>; ///< try, recipient

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

    long long count_of(const std::string& query, const std::string& argument) {
        const std::scoped_lock lock(mutex_);
        return guarded([&] {
            long long number = 0;
            sql_ << query, soci::use(argument), soci::into(number);
            return number;
        });
    }

    void make_tables() {
        sql_ << "CREATE TABLE attempt (id TEXT NOT NULL PRIMARY KEY, fields TEXT NOT NULL, body TEXT NOT "
                "NULL, envelope TEXT NOT NULL, begun BIGINT NOT NULL, answered BIGINT)";
        sql_ << "CREATE INDEX attempt_of_message ON attempt (fields, body)";
        sql_ << "CREATE INDEX attempt_begun ON attempt (begun)";
        sql_ << "CREATE INDEX attempt_answered ON attempt (answered)";
        sql_ << "CREATE TABLE served (attempt TEXT NOT NULL REFERENCES attempt (id), recipient TEXT NOT "
                "NULL, confirmed INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (attempt, recipient))";
    }

    void prepare_tables() {
        in_sqlite_transaction(sql_, SqliteAccess::write, [&] {
            if (count("SELECT count(*) FROM sqlite_master WHERE type = 'table'") == 0) {
                sql_ << "CREATE TABLE lockbox_journal (version INTEGER NOT NULL)";
                sql_ << "INSERT INTO lockbox_journal (version) VALUES (" << journal_version << ")";
                make_tables();
            }
            if (count(
                    "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'lockbox_journal'") ==
                0) {
                throw Error(ErrorKind::malformed,
                            fmt::format("{} is a database, but not a journal", file_.path),
                            "name another file with `journal`");
            }
            const auto version = count("SELECT version FROM lockbox_journal");
            if (version == 1) {
                return begin_anew_after_version_1();
            }
            if (version != journal_version) {
                throw Error(
                    ErrorKind::unavailable,
                    fmt::format("{} has version {}, not the {} of this program", file_.name(), version,
                                journal_version),
                    "another version of Lockbox has written it; start that one, or move the file away");
            }
        });
    }

    /// Its records know a message by another digest, which no message of today has.
    void begin_anew_after_version_1() {
        const auto records = count("SELECT count(*) FROM served");
        sql_ << "DROP TABLE served";
        sql_ << "DROP TABLE try";
        make_tables();
        sql_ << "UPDATE lockbox_journal SET version = " << journal_version;
        if (records > 0) {
            log::warning(
                "journal", "records of an older version are of no use any more",
                {{"file", file_.path},
                 {"records", std::to_string(records)},
                 {"hint", "messages that were half sent at the upgrade go to all recipients again"}});
        }
    }

    static std::uint64_t short_form(std::string_view fields) {
        std::uint64_t number = 0;
        (void)std::from_chars(fields.data(), fields.data() + std::min<std::size_t>(fields.size(), 16), number,
                              16);
        return number;
    }

    void read_what_is_known() {
        std::unordered_set<std::uint64_t> known;
        std::string fields;
        soci::statement statement =
            (sql_.prepare << "SELECT DISTINCT substr(fields, 1, 16) FROM attempt", soci::into(fields));
        statement.execute();
        while (statement.fetch()) {
            known.insert(short_form(fields));
        }
        records_ = count("SELECT count(*) FROM served");
        prepared_since_reading_ = 0;
        const std::scoped_lock lock(live_mutex_);
        known_ = std::move(known);
        for (const auto& [live_fields, state] : live_) {
            known_.insert(short_form(live_fields)); // it may be about to write its row
        }
    }

    bool may_be_known(const MessageIdentity& identity) {
        const std::scoped_lock lock(live_mutex_);
        return known_.count(short_form(identity.fields)) != 0;
    }

    void note_as_known(const MessageIdentity& identity) {
        const std::scoped_lock lock(live_mutex_);
        known_.insert(short_form(identity.fields));
    }

    std::set<std::string> live_ids() {
        const std::scoped_lock lock(live_mutex_);
        std::set<std::string> ids;
        for (const auto& [fields, state] : live_) {
            ids.insert(state->id);
        }
        return ids;
    }

    void insert_row(const State& state) {
        const auto begun = seconds_of(state.begun);
        const auto envelope = joined(state.envelope);
        sql_ << "INSERT INTO attempt (id, fields, body, envelope, begun) VALUES (:id, :fields, :body, "
                ":envelope, :begun)",
            soci::use(state.id), soci::use(state.identity->fields), soci::use(state.body),
            soci::use(envelope), soci::use(begun);
    }

    void forget(const std::string& id) {
        sql_ << "DELETE FROM served WHERE attempt = :id", soci::use(id);
        sql_ << "DELETE FROM attempt WHERE id = :id", soci::use(id);
    }

    /// Never those that are under way, whatever the clock does.
    void forget_old_ones(Time now, const std::set<std::string>& live) {
        const auto oldest = seconds_of(now) - seconds_of(unanswered_age_max);
        const auto from = seconds_of(now) - seconds_of(answered_age_max);
        const auto to = seconds_of(now) + seconds_of(answered_age_max);
        std::vector<std::string> old;
        std::string id;
        const auto query = fmt::format("SELECT id FROM attempt WHERE NOT {}", still_counts);
        soci::statement statement =
            (sql_.prepare << query, soci::use(oldest), soci::use(from), soci::use(to), soci::into(id));
        statement.execute();
        while (statement.fetch()) {
            old.push_back(id);
        }
        for (const auto& one : old) {
            if (live.count(one) == 0) {
                forget(one);
            }
        }
    }

    /// What was answered is the least needed.
    void make_room() {
        if (records_ < journal_records_max) {
            return;
        }
        records_ = count("SELECT count(*) FROM served");
        while (records_ >= journal_records_max) {
            const auto oldest = sqlite_column(
                sql_, "SELECT id FROM attempt WHERE answered IS NOT NULL ORDER BY answered, id LIMIT :most",
                std::to_string(forgotten_at_once));
            if (oldest.empty()) {
                throw Error(ErrorKind::io,
                            fmt::format("{} is full: {} records", file_.name(), journal_records_max),
                            "many messages were half sent; see why the reinjection listener fails");
            }
            std::for_each(oldest.begin(), oldest.end(), [&](const std::string& id) { forget(id); });
            records_ = count("SELECT count(*) FROM served");
        }
    }

    std::map<std::string, std::set<std::string>> earlier_tries(const State& state) {
        const auto now = seconds_of(state.now());
        const auto oldest = now - seconds_of(unanswered_age_max);
        const auto from = now - seconds_of(answered_age_max);
        const auto to = now + seconds_of(answered_age_max);
        std::map<std::string, std::set<std::string>> tries;
        std::string id;
        std::string envelope;
        const auto query = fmt::format("SELECT id, envelope FROM attempt WHERE fields = :fields AND body = "
                                       ":body AND id <> :id AND {}",
                                       still_counts);
        soci::statement statement = (sql_.prepare << query, soci::use(state.identity->fields),
                                     soci::use(state.body), soci::use(state.id), soci::use(oldest),
                                     soci::use(from), soci::use(to), soci::into(id), soci::into(envelope));
        statement.execute();
        while (statement.fetch()) {
            tries.emplace(id, split(envelope));
        }
        return tries;
    }

    std::vector<std::string> recipients_of(const std::string& id) {
        auto recipients = sqlite_column(sql_, "SELECT recipient FROM served WHERE attempt = :id", id);
        std::erase_if(recipients, [&](const std::string& recipient) {
            return wrong_.count({id, recipient}) != 0;
        });
        return recipients;
    }

    Records records_behind(const State& state) {
        const std::scoped_lock lock(mutex_);
        auto records = state.inherited;
        for (const auto& recipient : state.recorded) {
            records.emplace_back(state.id, recipient);
        }
        return records;
    }

    /// They are wrong from now on, as long as this process lives, whatever the disk does.
    void remove(const Records& records) {
        const std::scoped_lock lock(mutex_);
        wrong_.insert(records.begin(), records.end());
        in_transaction([&] {
            for (const auto& [id, recipient] : records) {
                sql_ << "DELETE FROM served WHERE attempt = :attempt AND recipient = :recipient",
                    soci::use(id), soci::use(recipient);
            }
            forget_empty_ones(records);
        });
        for (const auto& record : records) {
            wrong_.erase(record);
        }
    }

    /// This try answers for what it has found, too.
    void keep_for_a_while(State& state) {
        const auto answered = seconds_of(state.now());
        const std::scoped_lock lock(mutex_);
        in_transaction([&] {
            if (!state.has_row) {
                insert_row(state);
            }
            for (const auto& [id, recipient] : state.inherited) {
                sql_ << "UPDATE OR REPLACE served SET attempt = :new WHERE attempt = :old AND recipient = "
                        ":recipient",
                    soci::use(state.id), soci::use(id), soci::use(recipient);
            }
            forget_empty_ones(state.inherited);
            sql_ << "UPDATE attempt SET answered = :answered WHERE id = :id", soci::use(answered),
                soci::use(state.id);
        });
        state.has_row = true;
    }

    /// But for those that are under way: their next record would have no try.
    void forget_empty_ones(const Records& records) {
        std::set<std::string> ids;
        for (const auto& [id, recipient] : records) {
            ids.insert(id);
        }
        const auto live = live_ids();
        for (const auto& id : ids) {
            if (live.count(id) == 0) {
                sql_ << "DELETE FROM attempt WHERE id = :id AND NOT EXISTS (SELECT 1 FROM served WHERE "
                        "attempt = :same)",
                    soci::use(id), soci::use(id);
            }
        }
    }

    SqliteFile file_;
    Descriptor lock_;
    std::mutex mutex_; ///< of what follows; live_mutex_ may be taken under it
    soci::session sql_;
    std::set<std::pair<std::string, std::string>> wrong_; ///< records that could not be removed
    unsigned writes_since_checkpoint_ = 0;
    unsigned prepared_since_reading_ = 0;
    long long records_ = 0; ///< no fewer than there are

    std::mutex live_mutex_; ///< of what follows; held for moments
    std::condition_variable ended_;
    std::multimap<std::string, const State*> live_; ///< by the digest of their fields
    /// Of messages that may have records, the beginnings of that digest: who is not there has none.
    std::unordered_set<std::uint64_t> known_;
};

Journal::Journal(const std::string& path) : impl_(std::make_unique<Impl>(path)) {}
Journal::~Journal() = default;

bool Journal::is_in_use(const std::string& path) noexcept {
    const auto lock = open_lock(lock_path(path));
    return lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0;
}

std::unique_ptr<Journal::Attempt> Journal::begin(const policy::Transaction& transaction, Time now,
                                                 const Wait& wait) {
    auto state = std::make_unique<Attempt::State>();
    state->id = hex_encode(random_bytes(attempt_id_octets));
    state->identity = identity_of(transaction);
    for (const auto& recipient : transaction.recipients) {
        state->envelope.insert(recipient.mailbox());
    }
    state->begun = now;
    state->begun_steadily = std::chrono::steady_clock::now();
    auto attempt = std::make_unique<Attempt>(*impl_, std::move(state)); // it leaves again, whatever happens
    impl_->enter(*attempt->state_, wait);
    impl_->read_earlier_ones(*attempt->state_, transaction.body);
    return attempt;
}

Journal::Attempt::Attempt(Impl& journal, std::unique_ptr<State> state) noexcept
    : journal_(&journal), state_(std::move(state)) {}
Journal::Attempt::~Attempt() {
    journal_->end(*state_);
}
const std::vector<std::string>& Journal::Attempt::served_before() const noexcept {
    return state_->served_before;
}
void Journal::Attempt::prepare(std::string_view body) {
    journal_->prepare(*state_, body);
}
void Journal::Attempt::record(const std::vector<std::string>& recipients) {
    journal_->record(*state_, recipients);
}
void Journal::Attempt::confirm(const std::vector<std::string>& recipients) {
    journal_->confirm(*state_, recipients);
}
void Journal::Attempt::take_back(const std::vector<std::string>& recipients) noexcept {
    journal_->take_back(*state_, recipients);
}
void Journal::Attempt::answered() noexcept {
    journal_->answered(*state_);
}

} // namespace lockbox::milter
