// The keyring's tables, version by version.
#pragma once

#include <soci/soci.h>

#include <string>

namespace lockbox::keyring {

/// The version that this program reads and writes.
constexpr int schema_version = 4;

/// Brings the database to schema_version: makes the tables in an empty one, migrates an older one, in one
/// transaction that other programs wait for. `name` is for the error texts. Throws Error(unavailable) for a
/// newer schema and Error(malformed) for a database that is something else.
void prepare_schema(soci::session& sql, const std::string& name);

} // namespace lockbox::keyring
