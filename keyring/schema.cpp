#include "keyring/schema.hpp"

#include "base/error.hpp"
#include "base/sqlite.hpp"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <string_view>
#include <vector>

namespace lockbox::keyring {
namespace {

using Statements = std::vector<std::string_view>;

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
        " folded TEXT NOT NULL," // the local part in lower case: what is searched for
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
}};

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

void prepare_schema(soci::session& sql, const std::string& name) {
    if (version_of(sql, name) == schema_version) {
        return;
    }
    // IMMEDIATE: of two programs that find an old schema, the second waits and then finds a new one.
    in_sqlite_transaction(sql, SqliteAccess::write, [&] {
        for (int version = version_of(sql, name); version < schema_version; ++version) {
            for (const auto statement : migrations.at(static_cast<std::size_t>(version))) {
                sql << std::string(statement);
            }
            sql << "UPDATE lockbox_keyring SET schema_version = " << version + 1;
        }
    });
}

} // namespace lockbox::keyring
