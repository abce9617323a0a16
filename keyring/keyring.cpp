#include "keyring/keyring.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "base/sqlite.hpp"
#include "keyring/alias_table.hpp"
#include "keyring/entry_table.hpp"
#include "keyring/schema.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace lockbox::keyring {
namespace {

constexpr std::size_t fingerprint_part_digits_min = 8;

/// Recipients whose certificates a connection keeps in memory: some 2 KiB each. Beyond, it begins anew.
constexpr std::size_t cached_addresses_max = 1000;

constexpr std::chrono::milliseconds lock_poll{10};

SqliteFile keyring_file(const std::string& path) {
    return {path, "keyring", "restore it from a backup, or move it away and import the certificates again"};
}

/// How old a confirmation may become before it is written again: each writing empties the caches of those who
/// read.
constexpr std::chrono::days confirmation_age_max{1};

void put_in_order(std::vector<Binding>& bindings) {
    std::sort(bindings.begin(), bindings.end(),
              [](const Binding& left, const Binding& right) { return left.address < right.address; });
    const auto same = [](const Binding& left, const Binding& right) { return left.address == right.address; };
    bindings.erase(std::unique(bindings.begin(), bindings.end(), same), bindings.end());
}

/// Where it comes from is remembered of the first time; everything else is looked at.
bool same_but_for_times_and_source(Entry left, const Entry& right) {
    left.imported = right.imported;
    left.updated = right.updated;
    for (auto& binding : left.bindings) {
        if (const auto* before = binding_for(right, binding.address)) {
            binding.source = before->source;
            binding.first_seen = before->first_seen;
            binding.confirmed = before->confirmed;
        }
    }
    return left == right;
}

bool is_confirmation_due(const Entry& entry, const Entry& present) {
    return std::any_of(entry.bindings.begin(), entry.bindings.end(), [&](const Binding& binding) {
        const auto* before = binding_for(present, binding.address);
        return before != nullptr && binding.confirmed - before->confirmed >= confirmation_age_max;
    });
}

/// "active", "pinned", …: what happened to a binding; empty: nothing that is written down.
std::string change_of(const Binding& binding, const Binding* before) {
    if (before == nullptr || before->state != binding.state) {
        return std::string(to_string(binding.state));
    }
    if (before->pinned != binding.pinned) {
        return binding.pinned ? "pinned" : "unpinned";
    }
    return before->trust != binding.trust ? fmt::format("trust {}", to_string(binding.trust)) : std::string();
}

} // namespace

Location Location::parse(std::string_view url) {
    constexpr std::string_view sqlite = "sqlite://";
    if (url.starts_with(sqlite)) {
        const auto path = url.substr(sqlite.size());
        if (!path.starts_with('/')) {
            throw Error(
                ErrorKind::configuration,
                fmt::format("keyring '{}': a path must follow sqlite://, beginning with a slash", url),
                "sqlite:///var/lib/lockbox/keyring.db");
        }
        return {std::string(path)};
    }
    if (const auto scheme = url.find("://"); scheme != std::string_view::npos) {
        throw Error(ErrorKind::configuration,
                    fmt::format("keyring '{}': this version keeps keyrings in SQLite files only", url),
                    "write sqlite:///path, or only the path");
    }
    if (url.empty()) {
        throw Error(ErrorKind::configuration, "the keyring's path is empty",
                    "sqlite:///var/lib/lockbox/keyring.db");
    }
    return {std::string(url)};
}

class Keyring::Impl {
public:
    Impl(std::string path, std::chrono::seconds wait_for_lock) : path_(std::move(path)) {
        const auto deadline = std::chrono::steady_clock::now() + wait_for_lock;
        guarded([&] {
            while (!try_to_open(wait_for_lock, deadline)) {
                std::this_thread::sleep_for(lock_poll);
            }
        });
        if (::stat(path_.c_str(), &opened_) != 0) {
            throw Error(ErrorKind::unavailable,
                        fmt::format("the keyring {} was removed while it was opened", path_));
        }
    }

    /// Runs work on the database; SOCI's exceptions become ours.
    template <typename Work>
    auto guarded(Work&& work) -> decltype(work()) {
        try {
            return work();
        } catch (const soci::soci_error& failure) {
            rethrow_sqlite_error(failure, keyring_file(path_));
        }
    }

    /// The same in a transaction that keeps other writers out from the beginning.
    template <typename Work>
    auto in_transaction(Work&& work) -> decltype(work()) {
        return guarded([&] {
            forget();
            return in_sqlite_transaction(sql_, SqliteAccess::write, work);
        });
    }

    /// The same for reading: all of it from one moment, whatever others write meanwhile.
    template <typename Work>
    auto in_snapshot(Work&& work) -> decltype(work()) {
        return snapshot_.read(work);
    }

    [[nodiscard]] bool still_in_place() const noexcept {
        struct stat now {};
        return ::stat(path_.c_str(), &now) == 0 && now.st_dev == opened_.st_dev &&
               now.st_ino == opened_.st_ino;
    }

    void act_as(std::string who) { who_ = std::move(who); }

    void record(const std::string& fingerprint, const std::string& what,
                const std::vector<std::string>& addresses, Time now, const std::string& why = {}) {
        const long long at = now.time_since_epoch().count();
        const auto joined = fmt::format("{}", fmt::join(addresses, " "));
        sql_ << "INSERT INTO change (at, fingerprint, what, addresses, who, why) VALUES (:at, :fingerprint, "
                ":what, :addresses, :who, :why)",
            soci::use(at), soci::use(fingerprint), soci::use(what), soci::use(joined), soci::use(who_),
            soci::use(why);
    }

    void record(const std::string& fingerprint, const Binding& binding, const Binding* before, Time now) {
        if (const auto what = change_of(binding, before); !what.empty()) {
            const auto why = binding.reason.empty() ? "source " + binding.source : binding.reason;
            record(fingerprint, what, {binding.address.to_string()}, now, why);
        }
    }

    void write(const Rebinding& change, Time now) {
        const auto entry = entries_.load(change.fingerprint);
        const auto* before = entry ? binding_for(*entry, change.binding.address) : nullptr;
        if (before == nullptr) {
            throw std::logic_error("a binding is changed that is not there");
        }
        entries_.replace(change.fingerprint, change.binding);
        record(change.fingerprint, change.binding, before, now);
    }

    /// Whole, in upper case. Throws Error(usage) where an alias stands for it. nullopt: it is not there.
    std::optional<Entry> removable(std::string_view fingerprint) {
        auto present = entries_.load(std::string(fingerprint));
        if (present) {
            const auto& whole = present->certificate.fingerprint;
            if (const auto names = aliases_.of_certificate(whole); !names.empty()) {
                throw Error(ErrorKind::usage,
                            fmt::format("certificate {} is not removed: the alias {} stands for it", whole,
                                        fmt::join(names, ", ")),
                            fmt::format("`lockbox alias remove {0}` first, or give it another certificate "
                                        "with `lockbox alias add {0} FINGERPRINT`",
                                        names.front()));
            }
        }
        return present;
    }

    std::vector<Change> changes_of(const std::string& fingerprint) {
        std::vector<Change> changes;
        Change change;
        long long at = 0;
        soci::statement statement =
            (sql_.prepare << "SELECT at, what, addresses, who, why FROM change"
                             " WHERE fingerprint = :fingerprint ORDER BY rowid",
             soci::use(fingerprint), soci::into(at), soci::into(change.what), soci::into(change.addresses),
             soci::into(change.who), soci::into(change.why));
        statement.execute();
        while (statement.fetch()) {
            change.at = from_seconds(at);
            changes.push_back(change);
        }
        return changes;
    }

    [[nodiscard]] EntryTable& entries() noexcept { return entries_; }
    [[nodiscard]] AliasTable& aliases() noexcept { return aliases_; }

    Alias alias_from(AliasRow row) {
        Alias alias{std::move(row.name), std::move(row.members), std::nullopt};
        if (!row.fingerprint.empty()) {
            alias.certificate = entries_.load(row.fingerprint);
            if (!alias.certificate) {
                throw Error(
                    ErrorKind::malformed,
                    fmt::format("the keyring {} is damaged: the alias {} stands for a certificate that "
                                "is not there",
                                path_, alias.name.text()));
            }
        }
        return alias;
    }

    std::optional<Alias> load_alias(const AliasName& name) {
        auto row = aliases_.load(name);
        return row ? std::optional(alias_from(*std::move(row))) : std::nullopt;
    }

    Known load_known(const mail::Address& address) {
        Known known;
        known.bound = entries_.for_address(address);
        const auto domain = AliasName::of_domain(address);
        for (auto& row : aliases_.load(address.folded(), domain.folded())) {
            auto& place = row.name == domain ? known.domain_alias : known.alias;
            place = alias_from(std::move(row));
        }
        return known;
    }

    /// Throws where the alias, or one that it is a member of, cannot be expanded any more.
    void check_expansions(const AliasName& name) {
        std::map<std::string, std::optional<Alias>> known;
        const AliasLookup alias_of = [&](const mail::Address& address) -> const Alias* {
            const auto alias_name = AliasName::of(address);
            auto [place, is_new] = known.emplace(alias_name.folded(), std::nullopt);
            if (is_new) {
                place->second = load_alias(alias_name);
            }
            return place->second ? &*place->second : nullptr;
        };
        std::set<std::string> seen{name.folded()};
        std::vector<std::string> concerned{name.folded()};
        while (!concerned.empty()) {
            const auto folded = std::move(concerned.back());
            concerned.pop_back();
            if (const auto address = mail::Address::parse(folded)) {
                const auto problem = expand(*address, alias_of).problem;
                if (!problem.empty()) {
                    throw Error(ErrorKind::usage, fmt::format("{}: {}", folded, problem),
                                "nothing was changed; `lockbox alias list` shows what stands for what");
                }
            }
            for (auto& group : aliases_.of_member(folded)) {
                if (seen.insert(group).second) {
                    concerned.push_back(std::move(group));
                }
            }
        }
    }

    /// Replaces the alias, and says what it was and is.
    AliasChange replace_alias(std::optional<Alias> before, AliasRow row, Time now) {
        aliases_.erase(row.name);
        aliases_.insert(row, now);
        std::vector<std::string> addresses{row.name.text()};
        for (const auto& member : row.members) {
            addresses.push_back(member.to_string());
        }
        record(row.fingerprint, before ? "alias updated" : "alias new", addresses, now);
        const auto stored = before ? Stored::updated : Stored::added;
        return {stored, std::move(before), alias_from(std::move(row))};
    }

    /// What look_up() returned for these addresses; empty when the keyring has changed since.
    std::map<mail::Address, Known>& cache() {
        if (!version_query_) {
            version_query_.emplace((sql_.prepare << "PRAGMA data_version", soci::into(version_now_)));
        }
        version_query_->execute(/*withDataExchange=*/true);
        while (version_query_
                   ->fetch()) { // to its end: a statement left open holds on to the snapshot it has read
        }
        if (version_now_ != cached_version_ || cache_.size() > cached_addresses_max) {
            prepare_schema(sql_, path_); // a newer program may have been at work
            cache_.clear();
            cached_version_ = version_now_;
        }
        return cache_;
    }

    /// SQLite's data_version tells of other connections' changes, not of this one's own.
    void forget() noexcept { cache_.clear(); }

private:
    /// SQLite waits for locks by itself, but not for everyone who is just making the file, turning its
    /// journal into a write-ahead log, or tidying that away as the last to leave (sqlite.org/wal.html,
    /// section 8). False: to be tried again.
    bool try_to_open(std::chrono::seconds wait_for_lock, std::chrono::steady_clock::time_point deadline) {
        try {
            sql_.open(soci::sqlite3, sqlite_connection_string(path_, wait_for_lock));
            sql_ << "PRAGMA foreign_keys = ON";
            std::string mode;
            sql_ << "PRAGMA journal_mode", soci::into(mode);
            if (mode != "wal") {
                sql_ << "PRAGMA journal_mode = WAL", soci::into(mode);
            }
            prepare_schema(sql_, path_);
            return true;
        } catch (const soci::soci_error& failure) {
            if (sqlite_code(failure) != SQLITE_BUSY || std::chrono::steady_clock::now() >= deadline) {
                throw;
            }
            if (sql_.is_connected()) {
                sql_.close();
            }
            return false;
        }
    }

    std::string path_;
    std::string who_;
    soci::session sql_;
    EntryTable entries_{sql_, path_};
    AliasTable aliases_{sql_, path_};
    KeptSnapshot snapshot_{sql_};
    struct stat opened_ {};
    int version_now_ = 0;
    int cached_version_ = 0;
    std::optional<soci::statement>
        version_query_; ///< after sql_ and what it writes to, so it is gone before them
    std::map<mail::Address, Known> cache_;
};

Keyring::Keyring(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Keyring::~Keyring() = default;
Keyring::Keyring(Keyring&&) noexcept = default;
Keyring& Keyring::operator=(Keyring&&) noexcept = default;

Keyring Keyring::open(const Location& location, Access access, std::chrono::seconds wait_for_lock) {
    std::error_code error;
    const auto status = std::filesystem::status(location.path, error);
    if (!std::filesystem::status_known(status)) {
        const auto directory = std::filesystem::path(location.path).parent_path().string();
        throw error == std::errc::permission_denied
            ? Error(
                  ErrorKind::permission,
                  fmt::format("{} may not be looked into, so nobody can say whether the keyring {} is there",
                              directory, location.path),
                  "be root, or a user whom the owner of the directory lets in")
            : Error(ErrorKind::io,
                    fmt::format("cannot look for the keyring {}: {}", location.path, error.message()));
    }
    if (std::filesystem::is_directory(status)) {
        throw Error(ErrorKind::unavailable, fmt::format("the keyring {} is a directory", location.path),
                    "name a file in it");
    }
    if (!std::filesystem::exists(status)) {
        if (access == Access::read) {
            throw Error(ErrorKind::unavailable, fmt::format("there is no keyring {}", location.path),
                        fmt::format("`lockbox --keyring {} import FILE` makes it", location.path));
        }
        make_sqlite_file(keyring_file(location.path));
    }
    return Keyring(std::make_unique<Impl>(location.path, wait_for_lock));
}

bool Keyring::still_in_place() const noexcept {
    return impl_->still_in_place();
}

void Keyring::act_as(std::string who) {
    impl_->act_as(std::move(who));
}

std::vector<Bound> Keyring::find(const mail::Address& address) {
    return look_up(address).bound;
}

std::vector<Entry> Keyring::certificates_for(const mail::Address& address) {
    std::vector<Entry> entries;
    for (auto& bound : find(address)) { // those of one certificate are neighbours
        if (entries.empty() ||
            entries.back().certificate.fingerprint != bound.entry.certificate.fingerprint) {
            entries.push_back(std::move(bound.entry));
        }
    }
    return entries;
}

Known Keyring::look_up(const mail::Address& address) {
    return impl_->guarded([&] {
        auto& cache = impl_->cache();
        if (const auto known = cache.find(address); known != cache.end()) {
            return known->second;
        }
        auto known = impl_->in_snapshot([&] { return impl_->load_known(address); });
        return cache.emplace(address, std::move(known)).first->second;
    });
}

std::optional<Entry> Keyring::by_fingerprint(std::string_view fingerprint) {
    std::string upper(fingerprint);
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    return impl_->guarded([&] { return impl_->entries().load(upper); });
}

std::vector<Entry> Keyring::by_fingerprint_part(std::string_view digits) {
    std::string part;
    for (const char c : digits) {
        if (!is_digit(c) && (to_lower(c) < 'a' || to_lower(c) > 'f')) {
            return {};
        }
        part += c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    if (part.size() < fingerprint_part_digits_min) {
        return {};
    }
    return impl_->guarded([&] { return impl_->entries().by_fingerprint_part(part); });
}

void Keyring::for_each(const std::function<void(const Entry&)>& visit) {
    for (const auto& fingerprint : impl_->guarded([&] { return impl_->entries().fingerprints(); })) {
        if (const auto entry = impl_->guarded([&] { return impl_->entries().load(fingerprint); })) {
            visit(*entry);
        }
    }
}

std::vector<std::string> Keyring::issuers() {
    return impl_->guarded([&] { return impl_->entries().issuers(); });
}

std::size_t Keyring::size() {
    return impl_->guarded([&] { return impl_->entries().size(); });
}

bool Keyring::empty() {
    return impl_->guarded([&] { return impl_->entries().empty(); });
}

std::vector<Change> Keyring::changes_of(const std::string& fingerprint) {
    return impl_->guarded([&] { return impl_->changes_of(fingerprint); });
}

std::optional<Stored> Keyring::store(const Entry& entry, const std::optional<Entry>& made_from, Time now,
                                     const Bind& bind) {
    return impl_->in_transaction([&]() -> std::optional<Stored> {
        const auto& fingerprint = entry.certificate.fingerprint;
        const auto present = impl_->entries().load(fingerprint);
        if (present != made_from) {
            return std::nullopt;
        }
        auto stored = entry;
        if (present) {
            keep_revocations(stored, *present);
        }
        const auto of_others =
            bind ? bind(stored, [&](const mail::Address& address) { return impl_->load_known(address); })
                 : std::vector<Rebinding>();
        put_in_order(stored.bindings);
        for (auto& binding : stored.bindings) {
            if (const auto* before = present ? binding_for(*present, binding.address) : nullptr) {
                binding.source = before->source;
                binding.first_seen = before->first_seen;
            }
        }
        const bool same = present && of_others.empty() && same_but_for_times_and_source(stored, *present);
        if (same && !is_confirmation_due(stored, *present)) {
            return Stored::unchanged;
        }
        stored.imported = present ? present->imported : now;
        stored.updated = same ? present->updated : now;
        impl_->entries().erase(fingerprint);
        impl_->entries().insert(stored);
        if (!same) {
            impl_->record(fingerprint, present ? "updated" : "new",
                          addresses_in(stored, BindingState::active), now);
        }
        for (const auto& binding : stored.bindings) {
            impl_->record(fingerprint, binding, present ? binding_for(*present, binding.address) : nullptr,
                          now);
        }
        for (const auto& change : of_others) {
            impl_->write(change, now);
        }
        return same ? Stored::unchanged : present ? Stored::updated : Stored::added;
    });
}

std::vector<Rebinding> Keyring::rebind(const mail::Address& address, const Decide& decide, Time now) {
    return impl_->in_transaction([&] {
        auto changes = decide(impl_->load_known(address).bound);
        for (const auto& change : changes) {
            impl_->write(change, now);
        }
        return changes;
    });
}

bool Keyring::remove(std::string_view fingerprint, Time now) {
    return impl_->in_transaction([&] {
        const auto present = impl_->removable(fingerprint);
        bool removed = false;
        for (const auto& before : present ? present->bindings : std::vector<Binding>()) {
            if (before.state == BindingState::former) {
                continue;
            }
            if (before.state == BindingState::rejected) {
                continue;
            }
            auto binding = before; // what only waited was never used, so nobody has to remember it
            binding.state =
                before.state == BindingState::active ? BindingState::former : BindingState::rejected;
            binding.reason = former_because::removed;
            binding.pinned = false;
            impl_->write({present->certificate.fingerprint, std::move(binding)}, now);
            removed = true;
        }
        return removed;
    });
}

bool Keyring::forget(std::string_view fingerprint, Time now) {
    return impl_->in_transaction([&] {
        auto present = impl_->removable(fingerprint);
        if (!present) {
            return false;
        }
        std::vector<std::string> addresses;
        for (const auto& binding : present->bindings) {
            addresses.push_back(binding.address.to_string());
        }
        const auto whole = present->certificate.fingerprint;
        impl_->entries().erase(whole);
        if (has_revocation(*present)) {
            present->bindings.clear();
            impl_->entries().insert(*present);
        }
        impl_->record(whole, "forgotten", addresses, now);
        return true;
    });
}

std::optional<Alias> Keyring::alias(const AliasName& name) {
    return impl_->guarded([&] { return impl_->in_snapshot([&] { return impl_->load_alias(name); }); });
}

void Keyring::for_each_alias(const std::function<void(const Alias&)>& visit) {
    for (const auto& folded : impl_->guarded([&] { return impl_->aliases().names(); })) {
        const auto name = AliasName::parse(folded);
        if (const auto found = name ? alias(*name) : std::nullopt) {
            visit(*found);
        }
    }
}

AliasChange Keyring::add_members(const AliasName& name, const std::vector<mail::Address>& members, Time now) {
    if (name.is_domain()) {
        throw Error(ErrorKind::usage,
                    fmt::format("{} is a domain, which can stand for a certificate only", name.text()),
                    fmt::format("`lockbox alias add {} FINGERPRINT`", name.text()));
    }
    return impl_->in_transaction([&]() -> AliasChange {
        auto before = impl_->load_alias(name);
        if (before && before->certificate) {
            throw Error(ErrorKind::usage,
                        fmt::format("the alias {} stands for certificate {}", before->name.text(),
                                    before->certificate->certificate.fingerprint),
                        fmt::format("`lockbox alias remove {}` first", before->name.text()));
        }
        AliasRow row{
            before ? before->name : name, before ? before->members : std::vector<mail::Address>(), {}};
        for (const auto& member : members) {
            if (std::find(row.members.begin(), row.members.end(), member) == row.members.end()) {
                row.members.push_back(member);
            }
        }
        if (before && before->members == row.members) {
            return {Stored::unchanged, before, *before};
        }
        if (row.members.size() > alias_members_max) {
            throw Error(ErrorKind::usage,
                        fmt::format("the alias {} would stand for {} addresses; the most are {}",
                                    row.name.text(), row.members.size(), alias_members_max),
                        "nothing was changed");
        }
        auto change = impl_->replace_alias(std::move(before), std::move(row), now);
        impl_->check_expansions(change.after.name);
        return change;
    });
}

AliasChange Keyring::set_certificate(const AliasName& name, std::string_view fingerprint, Time now) {
    return impl_->in_transaction([&]() -> AliasChange {
        const auto entry = impl_->entries().load(std::string(fingerprint));
        if (!entry) {
            throw Error(ErrorKind::no_certificate, fmt::format("there is no certificate {}", fingerprint),
                        "`lockbox list` shows what there is");
        }
        auto before = impl_->load_alias(name);
        if (before && !before->certificate) {
            throw Error(ErrorKind::usage,
                        fmt::format("the alias {} stands for other addresses", before->name.text()),
                        fmt::format("`lockbox alias remove {}` first", before->name.text()));
        }
        if (before && before->certificate == entry) {
            return {Stored::unchanged, before, *before};
        }
        const auto& kept = before ? before->name : name;
        return impl_->replace_alias(before, {kept, {}, entry->certificate.fingerprint}, now);
    });
}

AliasChange Keyring::remove_members(const AliasName& name, const std::vector<mail::Address>& members,
                                    Time now) {
    return impl_->in_transaction([&]() -> AliasChange {
        auto before = impl_->load_alias(name);
        if (!before) {
            throw Error(ErrorKind::no_certificate, fmt::format("there is no alias {}", name.text()),
                        "`lockbox alias list` shows what there is");
        }
        AliasRow row{before->name, before->members, {}};
        for (const auto& member : members) {
            const auto place = std::find(row.members.begin(), row.members.end(), member);
            if (place == row.members.end()) {
                throw Error(ErrorKind::no_certificate,
                            fmt::format("{} is not among those that the alias {} stands for",
                                        member.to_string(), row.name.text()),
                            "`lockbox alias list` shows what stands for what");
            }
            row.members.erase(place);
        }
        if (row.members.empty()) {
            throw Error(ErrorKind::usage, fmt::format("the alias {} would stand for nobody", row.name.text()),
                        fmt::format("`lockbox alias remove {}` removes it whole", row.name.text()));
        }
        return impl_->replace_alias(std::move(before), std::move(row), now);
    });
}

std::optional<Alias> Keyring::remove_alias(const AliasName& name, Time now) {
    return impl_->in_transaction([&]() -> std::optional<Alias> {
        auto before = impl_->load_alias(name);
        if (before) {
            impl_->aliases().erase(before->name);
            impl_->record(before->certificate ? before->certificate->certificate.fingerprint : std::string(),
                          "alias removed", {before->name.text()}, now);
        }
        return before;
    });
}

} // namespace lockbox::keyring
