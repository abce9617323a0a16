#include "keyring/schema.hpp"

#include "base/error.hpp"
#include "base/sqlite.hpp"
#include "keyring/alias.hpp"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

namespace lockbox::keyring {
namespace {

using Statements = std::vector<std::string_view>;

constexpr int version_folded_again = 4;

/// migrations[n] leads from version n to n + 1. What has been released is never edited, only followed.
const std::array<Statements, schema_version> migrations{{
    {
        "CREATE TABLE lockbox_keyring (schema_version INTEGER NOT NULL)",
        "INSERT INTO lockbox_keyring (schema_version) VALUES (0)",

        "CREATE TABLE certificate ("
        " fingerprint TEXT NOT NULL PRIMARY KEY,"
        " protocol TEXT NOT NULL,"   // openpgp, smime
        " bytes BLOB NOT NULL,"      // canonical
        " algorithm TEXT NOT NULL,"  // of the primary key
        " created BIGINT NOT NULL,"  // seconds since 1970, as all times
        " expires BIGINT,"           // null: never
        " revoked INTEGER NOT NULL," // 0 or 1
        " trust TEXT NOT NULL,"
        " source TEXT NOT NULL,"
        " imported BIGINT NOT NULL,"
        " updated BIGINT NOT NULL)",

        "CREATE TABLE address ("
        " folded TEXT NOT NULL," // mail::Address::folded(), since version 4: what is searched for
        " address TEXT NOT NULL,"
        " former INTEGER NOT NULL," // 1: it may not be used for this address any more
        " fingerprint TEXT NOT NULL REFERENCES certificate (fingerprint),"
        " PRIMARY KEY (folded, address, fingerprint))",
        "CREATE INDEX address_of ON address (fingerprint)",

        "CREATE TABLE user_id ("
        " certificate TEXT NOT NULL REFERENCES certificate (fingerprint),"
        " position INTEGER NOT NULL,"
        " text TEXT NOT NULL,"
        " address TEXT NOT NULL,"
        " revoked INTEGER NOT NULL,"
        " PRIMARY KEY (certificate, position))",

        "CREATE TABLE encryption_key ("
        " certificate TEXT NOT NULL REFERENCES certificate (fingerprint),"
        " position INTEGER NOT NULL,"
        " fingerprint TEXT NOT NULL,"
        " algorithm TEXT NOT NULL,"
        " created BIGINT NOT NULL,"
        " expires BIGINT,"
        " revoked INTEGER NOT NULL,"
        " PRIMARY KEY (certificate, position))",
        "CREATE INDEX encryption_key_fingerprint ON encryption_key (fingerprint)",

        // What happened to whom and when; rows are only ever added.
        "CREATE TABLE change ("
        " at BIGINT NOT NULL,"
        " fingerprint TEXT NOT NULL,"
        " what TEXT NOT NULL," // new, updated, removed, alias new, alias updated, alias removed
        " addresses TEXT NOT NULL)",
    },
    {
        // A certificate that an alias stands on stays; deferred, because a changed one is deleted and
        // inserted.
        "CREATE TABLE alias ("
        " folded TEXT NOT NULL PRIMARY KEY," // what is searched for: "@domain", or as in `address`
        " name TEXT NOT NULL,"
        " certificate TEXT REFERENCES certificate (fingerprint) DEFERRABLE INITIALLY DEFERRED," // null:
                                                                                                // members
        " updated BIGINT NOT NULL)",
        "CREATE INDEX alias_certificate ON alias (certificate)",

        "CREATE TABLE alias_member ("
        " alias TEXT NOT NULL REFERENCES alias (folded),"
        " position INTEGER NOT NULL,"
        " folded TEXT NOT NULL,"
        " address TEXT NOT NULL,"
        " PRIMARY KEY (alias, position))",
        "CREATE INDEX alias_member_folded ON alias_member (folded)",
    },
    {
        "ALTER TABLE certificate ADD COLUMN content_encryption TEXT", // cbc, gcm; null: OpenPGP

        // The certificates above one of X.509, in DER, its issuer first.
        "CREATE TABLE chain ("
        " certificate TEXT NOT NULL REFERENCES certificate (fingerprint),"
        " position INTEGER NOT NULL,"
        " bytes BLOB NOT NULL,"
        " PRIMARY KEY (certificate, position))",
    },
    {}, // the same tables, with addresses in another form: fold_again()
    {
        // Whose certificate it is: believed for each pair of address and certificate, not for the
        // certificate.
        "CREATE TABLE binding ("
        " folded TEXT NOT NULL," // mail::Address::folded(): what is searched for
        " address TEXT NOT NULL,"
        " fingerprint TEXT NOT NULL REFERENCES certificate (fingerprint),"
        " state TEXT NOT NULL," // active, pending, rejected, former
        " trust TEXT NOT NULL," // manual, verified, discovered, harvested
        " source TEXT NOT NULL,"
        " pinned INTEGER NOT NULL,"   // 0 or 1
        " assigned INTEGER NOT NULL," // 1: the certificate need not name the address
        " first_seen BIGINT NOT NULL,"
        " confirmed BIGINT NOT NULL,"
        " good_until BIGINT," // null: no end
        " reason TEXT NOT NULL,"
        " PRIMARY KEY (folded, address, fingerprint))",
        "INSERT INTO binding (folded, address, fingerprint, state, trust, source, pinned, assigned, "
        "first_seen,"
        " confirmed, good_until, reason)"
        " SELECT folded, address, fingerprint, CASE former WHEN 0 THEN 'active' ELSE 'former' END, trust,"
        " source, 0, 0, imported, updated, NULL,"
        " CASE WHEN former = 0 THEN '' WHEN EXISTS (SELECT 1 FROM user_id WHERE certificate = fingerprint"
        " AND revoked = 1 AND lower(user_id.address) = lower(address.address))"
        " THEN 'certificate revoked for this address'"
        " ELSE 'certificate does not name this address any more' END"
        " FROM address JOIN certificate USING (fingerprint)",
        "CREATE INDEX binding_of ON binding (fingerprint)",
        "DROP TABLE address",
        "ALTER TABLE certificate DROP COLUMN trust",
        "ALTER TABLE certificate DROP COLUMN source",
        "ALTER TABLE certificate ADD COLUMN encryption_said_by TEXT NOT NULL DEFAULT 'nobody'", // message,
                                                                                                // person
        "ALTER TABLE certificate ADD COLUMN encryption_said_at BIGINT", // when the message was signed
        "ALTER TABLE user_id ADD COLUMN expires BIGINT",                // null: never

        // Who did it, and why; and nothing is ever taken back.
        "ALTER TABLE change ADD COLUMN who TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE change ADD COLUMN why TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX change_of ON change (fingerprint)",
        "CREATE TRIGGER change_is_not_edited BEFORE UPDATE ON change"
        " BEGIN SELECT RAISE(ABORT, 'changes are only ever added'); END",
        "CREATE TRIGGER change_is_not_removed BEFORE DELETE ON change"
        " BEGIN SELECT RAISE(ABORT, 'changes are only ever added'); END",
    },
}};

// --- Version 4: addresses in Unicode's form C, folded in every script; A-Z alone were before ---

struct AddressRow {
    std::string folded;
    std::string address;
    int former = 0;
    std::string fingerprint;
};

std::vector<AddressRow> address_rows(soci::session& sql) {
    std::vector<AddressRow> rows;
    AddressRow row;
    soci::statement statement =
        (sql.prepare << "SELECT folded, address, former, fingerprint FROM address", soci::into(row.folded),
         soci::into(row.address), soci::into(row.former), soci::into(row.fingerprint));
    statement.execute();
    while (statement.fetch()) {
        rows.push_back(row);
    }
    return rows;
}

/// Two spellings that are one address now become one row: of a former address only if both were.
void fold_addresses(soci::session& sql) {
    for (const auto& row : address_rows(sql)) {
        const auto address = mail::Address::parse(row.address);
        if (!address) {
            continue;
        }
        const auto text = address->to_string();
        const auto folded = address->folded();
        if (text == row.address && folded == row.folded) {
            continue;
        }
        sql << "DELETE FROM address WHERE folded = :folded AND address = :address AND fingerprint = "
               ":fingerprint",
            soci::use(row.folded), soci::use(row.address), soci::use(row.fingerprint);
        sql << "INSERT INTO address (folded, address, former, fingerprint)"
               " VALUES (:folded, :address, :former, :fingerprint)"
               " ON CONFLICT DO UPDATE SET former = min(former, excluded.former)",
            soci::use(folded), soci::use(text), soci::use(row.former), soci::use(row.fingerprint);
    }
}

struct AliasNames {
    std::string folded;
    std::string name;
};

/// The one that was changed last comes first.
std::vector<AliasNames> alias_names(soci::session& sql) {
    std::vector<AliasNames> rows;
    AliasNames row;
    soci::statement statement =
        (sql.prepare << "SELECT folded, name FROM alias ORDER BY updated DESC, folded",
         soci::into(row.folded), soci::into(row.name));
    statement.execute();
    while (statement.fetch()) {
        rows.push_back(row);
    }
    return rows;
}

/// Of two aliases that have one name now, the one that was changed last stays; that the other went is noted.
void remove_aliases_of_taken_names(soci::session& sql) {
    std::set<std::string> taken;
    for (const auto& row : alias_names(sql)) {
        const auto name = AliasName::parse(row.name);
        if (!name || taken.insert(name->folded()).second) {
            continue;
        }
        sql << "DELETE FROM alias_member WHERE alias = :alias", soci::use(row.folded);
        sql << "DELETE FROM alias WHERE folded = :alias", soci::use(row.folded);
        sql << "INSERT INTO change (at, fingerprint, what, addresses)"
               " VALUES (strftime('%s', 'now'), '', 'alias removed', :name)",
            soci::use(row.name);
    }
}

void fold_aliases(soci::session& sql) {
    for (const auto& row : alias_names(sql)) {
        const auto name = AliasName::parse(row.name);
        if (!name || (name->text() == row.name && name->folded() == row.folded)) {
            continue;
        }
        sql << "UPDATE alias SET folded = :folded, name = :name WHERE folded = :before",
            soci::use(name->folded()), soci::use(name->text()), soci::use(row.folded);
        sql << "UPDATE alias_member SET alias = :folded WHERE alias = :before", soci::use(name->folded()),
            soci::use(row.folded);
    }
}

void fold_alias_members(soci::session& sql) {
    for (const auto& before : sqlite_column(
             sql, "SELECT DISTINCT address FROM alias_member WHERE address <> :nothing", std::string())) {
        const auto address = mail::Address::parse(before);
        if (!address) {
            continue;
        }
        const auto text = address->to_string();
        const auto folded = address->folded();
        sql << "UPDATE alias_member SET folded = :folded, address = :address WHERE address = :before",
            soci::use(folded), soci::use(text), soci::use(before);
    }
}

void fold_again(soci::session& sql) {
    sql << "PRAGMA defer_foreign_keys = ON"; // an alias and its members change their name one after the other
    fold_addresses(sql);
    remove_aliases_of_taken_names(sql);
    fold_aliases(sql);
    fold_alias_members(sql);
}

bool has_tables(soci::session& sql) {
    int count = 0;
    sql << "SELECT count(*) FROM sqlite_master WHERE type = 'table'", soci::into(count);
    return count > 0;
}

bool is_keyring(soci::session& sql) {
    int count = 0;
    sql << "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'lockbox_keyring'",
        soci::into(count);
    return count > 0;
}

int version_of(soci::session& sql, const std::string& name) {
    if (!has_tables(sql)) {
        return 0;
    }
    if (!is_keyring(sql)) {
        throw Error(ErrorKind::malformed, fmt::format("{} is a database, but not a keyring", name),
                    "name another file with --keyring, or with the key `keyring` of lockbox.conf");
    }
    int version = 0;
    sql << "SELECT schema_version FROM lockbox_keyring", soci::into(version);
    if (version > schema_version) {
        throw Error(ErrorKind::unavailable,
                    fmt::format("{} has schema version {}, newer than the {} of this program", name, version,
                                schema_version),
                    "a newer Lockbox has written it: install that version here too");
    }
    return version;
}

} // namespace

void prepare_schema(soci::session& sql, const std::string& path) {
    if (version_of(sql, path) == schema_version) {
        return;
    }
    // IMMEDIATE: of two programs that find an old schema, the second waits and then finds a new one.
    in_sqlite_transaction(sql, SqliteAccess::write, [&] {
        const int old_version = version_of(sql, path);
        if (old_version > 0 && old_version < schema_version) {
            copy_sqlite_file({path, "keyring", {}}, fmt::format("{}.before-v{}", path, old_version + 1));
        }
        for (int version = old_version; version < schema_version; ++version) {
            for (const auto statement : migrations.at(static_cast<std::size_t>(version))) {
                sql << std::string(statement);
            }
            if (version + 1 == version_folded_again) {
                fold_again(sql);
            }
            sql << "UPDATE lockbox_keyring SET schema_version = " << version + 1;
        }
    });
}

} // namespace lockbox::keyring
