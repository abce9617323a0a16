// The keyring's tables, version by version.
#pragma once

#include <soci/soci.h>

#include <string>

namespace lockbox::keyring {

/// The version that this program reads and writes.
constexpr int schema_version = 5;

/// Brings the database to schema_version: makes the tables in an empty one, migrates an older one, in one
/// transaction that other programs wait for. Before an older one is migrated, the file is copied to
/// `PATH.before-vN`, where N is the first version that it does not have, with mode 0600. Throws
/// Error(unavailable) for a newer schema, Error(malformed) for a database that is something else, and
/// Error(io) where the copy cannot be written: nothing was changed then.
void prepare_schema(soci::session& sql, const std::string& path);

} // namespace lockbox::keyring
