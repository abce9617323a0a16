#include "keyring/entry_table.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "base/sqlite.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

namespace lockbox::keyring {
namespace {

std::string bytes_of(soci::blob& blob) {
    std::string bytes(blob.get_len(), '\0');
    if (!bytes.empty()) {
        blob.read(0, bytes.data(), bytes.size());
    }
    return bytes;
}

constexpr std::array<std::string_view, 3> said_by_words{"nobody", "message", "person"}; // in SaidBy's order

std::optional<SaidBy> said_by_from(std::string_view word) {
    const auto* const found = std::find(said_by_words.begin(), said_by_words.end(), word);
    return found != said_by_words.end() ? std::optional(static_cast<SaidBy>(found - said_by_words.begin()))
                                        : std::nullopt;
}

std::string word_of(SaidBy said_by) {
    return std::string(said_by_words.at(static_cast<std::size_t>(said_by)));
}

} // namespace

EntryTable::EntryTable(soci::session& sql, const std::string& path)
    : sql_(sql), path_(path), bindings_(sql, path),
      certificate_(
          sql,
          "SELECT fingerprint, protocol, bytes, algorithm, created, expires, revoked, imported, updated, "
          "content_encryption, encryption_said_by, encryption_said_at FROM certificate WHERE fingerprint = "
          ":fingerprint",
          [this](soci::statement& statement) {
              statement.exchange(soci::use(asked_));
              statement.exchange(soci::into(row_.fingerprint));
              statement.exchange(soci::into(row_.protocol));
              statement.exchange(soci::into(bytes()));
              statement.exchange(soci::into(row_.algorithm));
              statement.exchange(soci::into(row_.created));
              statement.exchange(soci::into(expires_.value, expires_.indicator));
              statement.exchange(soci::into(revoked_));
              statement.exchange(soci::into(row_.imported));
              statement.exchange(soci::into(row_.updated));
              statement.exchange(soci::into(row_.encryption, row_.has_encryption));
              statement.exchange(soci::into(row_.said_by));
              statement.exchange(soci::into(row_.said_at.value, row_.said_at.indicator));
          }),
      user_ids_(
          sql,
          "SELECT text, address, revoked, expires FROM user_id WHERE certificate = :fingerprint ORDER BY "
          "position",
          [this](soci::statement& statement) {
              statement.exchange(soci::use(asked_));
              statement.exchange(soci::into(user_id_.text));
              statement.exchange(soci::into(user_id_.address));
              statement.exchange(soci::into(revoked_));
              statement.exchange(soci::into(expires_.value, expires_.indicator));
          }),
      encryption_keys_(sql,
                       "SELECT fingerprint, algorithm, created, expires, revoked FROM encryption_key"
                       " WHERE certificate = :fingerprint ORDER BY position",
                       [this](soci::statement& statement) {
                           statement.exchange(soci::use(asked_));
                           statement.exchange(soci::into(key_.fingerprint));
                           statement.exchange(soci::into(key_.algorithm));
                           statement.exchange(soci::into(key_created_));
                           statement.exchange(soci::into(expires_.value, expires_.indicator));
                           statement.exchange(soci::into(revoked_));
                       }),
      chain_(sql, "SELECT bytes FROM chain WHERE certificate = :fingerprint ORDER BY position",
             [this](soci::statement& statement) {
                 statement.exchange(soci::use(asked_));
                 statement.exchange(soci::into(bytes()));
             }) {}

std::optional<Entry> EntryTable::load(const std::string& fingerprint) {
    asked_ = fingerprint;
    std::optional<Entry> found;
    certificate_.for_each_row([&] { found = entry_from_row(); });
    if (!found) {
        return std::nullopt;
    }
    auto& entry = *found;
    entry.bindings = bindings_.of_certificate(fingerprint);
    user_ids_.for_each_row([&] {
        entry.user_ids.push_back(user_id_);
        entry.user_ids.back().revoked = revoked_ != 0;
        entry.user_ids.back().expires = expires_.get();
    });
    encryption_keys_.for_each_row([&] {
        key_.created = from_seconds(key_created_);
        key_.expires = expires_.get();
        key_.revoked = revoked_ != 0;
        entry.encryption_keys.push_back(key_);
    });
    if (entry.certificate.protocol == crypto::Protocol::smime) {
        chain_.for_each_row([&] { entry.chain.push_back(bytes_of(bytes())); });
    }
    return found;
}

soci::blob& EntryTable::bytes() {
    return bytes_ ? *bytes_ : bytes_.emplace(sql_);
}

Entry EntryTable::entry_from_row() {
    const auto known_protocol = crypto::protocol_from(row_.protocol);
    const auto known_said_by = said_by_from(row_.said_by);
    const auto known_encryption = row_.has_encryption == soci::i_ok
                                      ? crypto::content_encryption_from(row_.encryption)
                                      : crypto::ContentEncryption::aes256_cbc;
    if (!known_protocol || !known_said_by || !known_encryption) {
        throw Error(ErrorKind::malformed,
                    fmt::format("the keyring {} is damaged: certificate {} has the protocol '{}' and the "
                                "content encryption '{}', which '{}' has said",
                                path_, row_.fingerprint, printable(row_.protocol), printable(row_.encryption),
                                printable(row_.said_by)));
    }
    Entry entry;
    entry.certificate.fingerprint = row_.fingerprint;
    entry.certificate.protocol = *known_protocol;
    entry.certificate.bytes = bytes_of(bytes());
    entry.certificate.content_encryption = *known_encryption;
    entry.algorithm = row_.algorithm;
    entry.encryption_said_by = *known_said_by;
    entry.encryption_said_at = row_.said_at.get();
    entry.created = from_seconds(row_.created);
    entry.expires = expires_.get();
    entry.revoked = revoked_ != 0;
    entry.imported = from_seconds(row_.imported);
    entry.updated = from_seconds(row_.updated);
    return entry;
}

std::vector<Bound> EntryTable::for_address(const mail::Address& address) {
    const auto folded = address.folded();
    std::vector<Bound> found;
    for (const auto& fingerprint : bindings_.fingerprints(address)) {
        auto entry = load(fingerprint);
        if (!entry) {
            continue;
        }
        for (const auto& binding : entry->bindings) {
            if (binding.address.folded() == folded) {
                found.push_back({binding, *entry});
            }
        }
    }
    return found;
}

std::vector<Entry> EntryTable::by_fingerprint_part(const std::string& digits) {
    std::set<std::string> found;
    for (const auto& pattern : {digits + "%", "%" + digits}) {
        for (const auto* query : {"SELECT fingerprint FROM certificate WHERE fingerprint LIKE :pattern",
                                  "SELECT certificate FROM encryption_key WHERE fingerprint LIKE :pattern"}) {
            for (auto& fingerprint : sqlite_column(sql_, query, pattern)) {
                found.insert(std::move(fingerprint));
            }
        }
    }
    std::vector<Entry> entries;
    for (const auto& fingerprint : found) {
        if (auto entry = load(fingerprint)) {
            entries.push_back(*std::move(entry));
        }
    }
    return entries;
}

std::vector<std::string> EntryTable::issuers() {
    std::vector<std::string> found;
    soci::blob bytes(sql_);
    soci::statement statement = (sql_.prepare << "SELECT DISTINCT bytes FROM chain", soci::into(bytes));
    statement.execute();
    while (statement.fetch()) {
        found.push_back(bytes_of(bytes));
    }
    return found;
}

std::vector<std::string> EntryTable::fingerprints() {
    return sqlite_column(sql_,
                         "SELECT fingerprint FROM binding WHERE fingerprint <> :nothing"
                         " GROUP BY fingerprint ORDER BY min(address), fingerprint",
                         "");
}

std::size_t EntryTable::size() {
    long long count = 0;
    sql_ << "SELECT count(DISTINCT fingerprint) FROM binding WHERE state = 'active'", soci::into(count);
    return static_cast<std::size_t>(count);
}

bool EntryTable::empty() {
    int found = 0;
    sql_ << "SELECT EXISTS (SELECT 1 FROM binding WHERE state = 'active') OR"
            " EXISTS (SELECT 1 FROM alias WHERE certificate IS NOT NULL)",
        soci::into(found);
    return found == 0;
}

void EntryTable::insert(const Entry& entry) {
    const auto& certificate = entry.certificate;
    soci::blob bytes(sql_);
    bytes.write(0, certificate.bytes.data(), certificate.bytes.size());
    const std::string protocol(crypto::to_string(certificate.protocol));
    NullableTime expires(entry.expires);
    const long long created = seconds(entry.created);
    const long long imported = seconds(entry.imported);
    const long long updated = seconds(entry.updated);
    const int revoked = entry.revoked ? 1 : 0;
    const std::string encryption(crypto::word(certificate.content_encryption));
    auto has_encryption = certificate.protocol == crypto::Protocol::smime ? soci::i_ok : soci::i_null;
    const auto said_by = word_of(entry.encryption_said_by);
    NullableTime said_at(entry.encryption_said_at);
    sql_ << "INSERT INTO certificate (fingerprint, protocol, bytes, algorithm, created, expires, revoked, "
            "imported, updated, content_encryption, encryption_said_by, encryption_said_at) VALUES "
            "(:fingerprint, :protocol, :bytes, :algorithm, :created, :expires, :revoked, :imported, "
            ":updated, :encryption, :said_by, :said_at)",
        soci::use(certificate.fingerprint), soci::use(protocol), soci::use(bytes), soci::use(entry.algorithm),
        soci::use(created), soci::use(expires.value, expires.indicator), soci::use(revoked),
        soci::use(imported), soci::use(updated), soci::use(encryption, has_encryption), soci::use(said_by),
        soci::use(said_at.value, said_at.indicator);
    for (const auto& binding : entry.bindings) {
        bindings_.insert(certificate.fingerprint, binding);
    }
    insert_user_ids(entry);
    insert_encryption_keys(entry);
    insert_chain(entry);
}

void EntryTable::erase(const std::string& fingerprint) {
    bindings_.erase_all(fingerprint);
    sql_ << "DELETE FROM user_id WHERE certificate = :fingerprint", soci::use(fingerprint);
    sql_ << "DELETE FROM encryption_key WHERE certificate = :fingerprint", soci::use(fingerprint);
    sql_ << "DELETE FROM chain WHERE certificate = :fingerprint", soci::use(fingerprint);
    sql_ << "DELETE FROM certificate WHERE fingerprint = :fingerprint", soci::use(fingerprint);
}

void EntryTable::insert_user_ids(const Entry& entry) {
    int position = 0;
    for (const auto& user_id : entry.user_ids) {
        const int revoked = user_id.revoked ? 1 : 0;
        NullableTime expires(user_id.expires);
        sql_ << "INSERT INTO user_id (certificate, position, text, address, revoked, expires)"
                " VALUES (:certificate, :position, :text, :address, :revoked, :expires)",
            soci::use(entry.certificate.fingerprint), soci::use(position), soci::use(user_id.text),
            soci::use(user_id.address), soci::use(revoked), soci::use(expires.value, expires.indicator);
        ++position;
    }
}

void EntryTable::insert_encryption_keys(const Entry& entry) {
    int position = 0;
    for (const auto& key : entry.encryption_keys) {
        const long long created = seconds(key.created);
        NullableTime expires(key.expires);
        const int revoked = key.revoked ? 1 : 0;
        sql_ << "INSERT INTO encryption_key (certificate, position, fingerprint, algorithm, created, "
                "expires, revoked)"
                " VALUES (:certificate, :position, :fingerprint, :algorithm, :created, :expires, "
                ":revoked)",
            soci::use(entry.certificate.fingerprint), soci::use(position), soci::use(key.fingerprint),
            soci::use(key.algorithm), soci::use(created), soci::use(expires.value, expires.indicator),
            soci::use(revoked);
        ++position;
    }
}

void EntryTable::insert_chain(const Entry& entry) {
    int position = 0;
    for (const auto& issuer : entry.chain) {
        soci::blob bytes(sql_);
        bytes.write(0, issuer.data(), issuer.size());
        sql_ << "INSERT INTO chain (certificate, position, bytes) VALUES (:certificate, :position, :bytes)",
            soci::use(entry.certificate.fingerprint), soci::use(position), soci::use(bytes);
        ++position;
    }
}

} // namespace lockbox::keyring
