#include "keyring/entry_table.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "base/sqlite.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace lockbox::keyring {
namespace {

std::int64_t seconds(Time time) {
    return time.time_since_epoch().count();
}

Time from_seconds(long long count) {
    return Time(std::chrono::seconds(count));
}

/// A nullable point in time on its way to or from a column.
struct NullableTime {
    long long value = 0;
    soci::indicator indicator = soci::i_null;

    NullableTime() = default;
    explicit NullableTime(const std::optional<Time>& time)
        : value(time ? seconds(*time) : 0), indicator(time ? soci::i_ok : soci::i_null) {}
    [[nodiscard]] std::optional<Time> get() const {
        return indicator == soci::i_ok ? std::optional(from_seconds(value)) : std::nullopt;
    }
};

std::string bytes_of(soci::blob& blob) {
    std::string bytes(blob.get_len(), '\0');
    if (!bytes.empty()) {
        blob.read(0, bytes.data(), bytes.size());
    }
    return bytes;
}

bool has_address(const Entry& entry, const mail::Address& wanted) {
    return std::any_of(entry.addresses.begin(), entry.addresses.end(), [&](const std::string& text) {
        const auto address = mail::Address::parse(text);
        return address && address->folded() == wanted.folded();
    });
}

} // namespace

std::optional<Entry> EntryTable::load(const std::string& fingerprint) {
    Entry entry;
    std::string protocol;
    std::string trust;
    soci::blob bytes(sql_);
    long long created = 0;
    long long imported = 0;
    long long updated = 0;
    int revoked = 0;
    NullableTime expires;
    std::string encryption;
    soci::indicator has_encryption = soci::i_null;
    sql_ << "SELECT fingerprint, protocol, bytes, algorithm, created, expires, revoked, trust, source, "
            "imported, updated, content_encryption"
            " FROM certificate WHERE fingerprint = :fingerprint",
        soci::use(fingerprint), soci::into(entry.certificate.fingerprint), soci::into(protocol),
        soci::into(bytes), soci::into(entry.algorithm), soci::into(created),
        soci::into(expires.value, expires.indicator), soci::into(revoked), soci::into(trust),
        soci::into(entry.source), soci::into(imported), soci::into(updated),
        soci::into(encryption, has_encryption);
    if (!sql_.got_data()) {
        return std::nullopt;
    }
    const auto known_protocol = crypto::protocol_from(protocol);
    const auto known_trust = trust_from(trust);
    const auto known_encryption = has_encryption == soci::i_ok ? crypto::content_encryption_from(encryption)
                                                               : crypto::ContentEncryption::aes256_cbc;
    if (!known_protocol || !known_trust || !known_encryption) {
        throw Error(
            ErrorKind::malformed,
            fmt::format("the keyring {} is damaged: certificate {} has the protocol '{}', the trust '{}' and "
                        "the content encryption '{}'",
                        path_, fingerprint, printable(protocol), printable(trust), printable(encryption)));
    }
    entry.certificate.protocol = *known_protocol;
    entry.certificate.bytes = bytes_of(bytes);
    entry.certificate.content_encryption = *known_encryption;
    entry.trust = *known_trust;
    entry.created = from_seconds(created);
    entry.expires = expires.get();
    entry.revoked = revoked != 0;
    entry.imported = from_seconds(imported);
    entry.updated = from_seconds(updated);
    entry.addresses = sqlite_column(
        sql_, "SELECT address FROM address WHERE fingerprint = :fingerprint AND former = 0 ORDER BY address",
        fingerprint);
    entry.former_addresses = sqlite_column(
        sql_, "SELECT address FROM address WHERE fingerprint = :fingerprint AND former = 1 ORDER BY address",
        fingerprint);
    load_user_ids(entry);
    load_encryption_keys(entry);
    if (entry.certificate.protocol == crypto::Protocol::smime) {
        load_chain(entry);
    }
    return entry;
}

std::vector<Entry> EntryTable::for_address(const mail::Address& address) {
    std::vector<Entry> entries;
    for (const auto& fingerprint : sqlite_column(
             sql_, "SELECT DISTINCT fingerprint FROM address WHERE folded = :folded ORDER BY fingerprint",
             address.folded())) {
        if (auto entry = load(fingerprint)) {
            entry->address_revoked = !has_address(*entry, address);
            entries.push_back(*std::move(entry));
        }
    }
    return entries;
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
    return sqlite_column(
        sql_,
        "SELECT certificate.fingerprint FROM certificate LEFT JOIN address"
        " ON address.fingerprint = certificate.fingerprint WHERE certificate.fingerprint <> :nothing"
        " GROUP BY certificate.fingerprint ORDER BY min(address.address), certificate.fingerprint",
        "");
}

std::size_t EntryTable::size() {
    long long count = 0;
    sql_ << "SELECT count(*) FROM certificate", soci::into(count);
    return static_cast<std::size_t>(count);
}

bool EntryTable::empty() {
    int found = 0;
    sql_ << "SELECT EXISTS (SELECT 1 FROM certificate)", soci::into(found);
    return found == 0;
}

void EntryTable::insert(const Entry& entry) {
    const auto& certificate = entry.certificate;
    soci::blob bytes(sql_);
    bytes.write(0, certificate.bytes.data(), certificate.bytes.size());
    const std::string protocol(crypto::to_string(certificate.protocol));
    const std::string trust(to_string(entry.trust));
    NullableTime expires(entry.expires);
    const long long created = seconds(entry.created);
    const long long imported = seconds(entry.imported);
    const long long updated = seconds(entry.updated);
    const int revoked = entry.revoked ? 1 : 0;
    const std::string encryption(crypto::word(certificate.content_encryption));
    auto has_encryption = certificate.protocol == crypto::Protocol::smime ? soci::i_ok : soci::i_null;
    sql_ << "INSERT INTO certificate (fingerprint, protocol, bytes, algorithm, created, expires, revoked, "
            "trust, source, imported, updated, content_encryption) VALUES (:fingerprint, :protocol, :bytes, "
            ":algorithm, :created, :expires, :revoked, :trust, :source, :imported, :updated, :encryption)",
        soci::use(certificate.fingerprint), soci::use(protocol), soci::use(bytes), soci::use(entry.algorithm),
        soci::use(created), soci::use(expires.value, expires.indicator), soci::use(revoked), soci::use(trust),
        soci::use(entry.source), soci::use(imported), soci::use(updated),
        soci::use(encryption, has_encryption);
    insert_addresses(entry.addresses, 0, certificate.fingerprint);
    insert_addresses(entry.former_addresses, 1, certificate.fingerprint);
    insert_user_ids(entry);
    insert_encryption_keys(entry);
    insert_chain(entry);
}

void EntryTable::erase(const std::string& fingerprint) {
    sql_ << "DELETE FROM address WHERE fingerprint = :fingerprint", soci::use(fingerprint);
    sql_ << "DELETE FROM user_id WHERE certificate = :fingerprint", soci::use(fingerprint);
    sql_ << "DELETE FROM encryption_key WHERE certificate = :fingerprint", soci::use(fingerprint);
    sql_ << "DELETE FROM chain WHERE certificate = :fingerprint", soci::use(fingerprint);
    sql_ << "DELETE FROM certificate WHERE fingerprint = :fingerprint", soci::use(fingerprint);
}

void EntryTable::load_user_ids(Entry& entry) {
    crypto::UserId user_id;
    int revoked = 0;
    soci::statement statement = (sql_.prepare << "SELECT text, address, revoked FROM user_id WHERE "
                                                 "certificate = :fingerprint ORDER BY position",
                                 soci::use(entry.certificate.fingerprint), soci::into(user_id.text),
                                 soci::into(user_id.address), soci::into(revoked));
    statement.execute();
    while (statement.fetch()) {
        user_id.revoked = revoked != 0;
        entry.user_ids.push_back(user_id);
    }
}

void EntryTable::load_encryption_keys(Entry& entry) {
    crypto::EncryptionKey key;
    long long created = 0;
    int revoked = 0;
    NullableTime expires;
    soci::statement statement =
        (sql_.prepare << "SELECT fingerprint, algorithm, created, expires, revoked FROM encryption_key"
                         " WHERE certificate = :fingerprint ORDER BY position",
         soci::use(entry.certificate.fingerprint), soci::into(key.fingerprint), soci::into(key.algorithm),
         soci::into(created), soci::into(expires.value, expires.indicator), soci::into(revoked));
    statement.execute();
    while (statement.fetch()) {
        key.created = from_seconds(created);
        key.expires = expires.get();
        key.revoked = revoked != 0;
        entry.encryption_keys.push_back(key);
    }
}

void EntryTable::load_chain(Entry& entry) {
    soci::blob bytes(sql_);
    soci::statement statement =
        (sql_.prepare << "SELECT bytes FROM chain WHERE certificate = :fingerprint ORDER BY position",
         soci::use(entry.certificate.fingerprint), soci::into(bytes));
    statement.execute();
    while (statement.fetch()) {
        entry.chain.push_back(bytes_of(bytes));
    }
}

void EntryTable::insert_addresses(const std::vector<std::string>& addresses, int former,
                                  const std::string& fingerprint) {
    for (const auto& text : addresses) {
        const auto address = mail::Address::parse(text);
        if (!address) {
            throw Error(ErrorKind::malformed, fmt::format("'{}' is no mail address", printable(text)));
        }
        const auto folded = address->folded();
        sql_ << "INSERT INTO address (folded, address, former, fingerprint)"
                " VALUES (:folded, :address, :former, :fingerprint)",
            soci::use(folded), soci::use(text), soci::use(former), soci::use(fingerprint);
    }
}

void EntryTable::insert_user_ids(const Entry& entry) {
    int position = 0;
    for (const auto& user_id : entry.user_ids) {
        const int revoked = user_id.revoked ? 1 : 0;
        sql_ << "INSERT INTO user_id (certificate, position, text, address, revoked)"
                " VALUES (:certificate, :position, :text, :address, :revoked)",
            soci::use(entry.certificate.fingerprint), soci::use(position), soci::use(user_id.text),
            soci::use(user_id.address), soci::use(revoked);
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
