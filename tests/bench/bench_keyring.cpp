// Looking a certificate up among many.
#include "keyring/keyring.hpp"
#include "tests/bench/support.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <map>

using namespace lockbox;

namespace {

/// A keyring with so many copies of one certificate, made once for each size.
keyring::Location keyring_of(long certificates) {
    static const TemporaryDirectory directory;
    static std::map<long, keyring::Location> made;
    const auto found = made.find(certificates);
    if (found != made.end()) {
        return found->second;
    }
    const keyring::Location location{(directory.path() / fmt::format("{}.db", certificates)).string()};
    auto keyring = keyring::Keyring::open(location, keyring::Access::create);
    keyring::Entry entry;
    entry.certificate = bench::certificate("alice");
    entry.certificate.encryption_key.clear();
    entry.algorithm = "ed25519";
    entry.created = now() - std::chrono::hours(1);
    entry.encryption_keys = {{std::string(40, 'A'), "cv25519", entry.created, std::nullopt, false}};
    entry.user_ids = {{"User <user@example.org>", "user@example.org", false}};
    entry.certificate.fingerprint = std::string(40, '0');
    entry.bindings = {keyring::Binding{mail::Address::parse("user0@example.org").value()}};
    (void)keyring.store(entry, std::nullopt, now());
    // The rest as copies in SQL: a hundred thousand imports would take longer than all benchmarks together.
    soci::session sql(soci::sqlite3, "db=" + location.path);
    sql << "BEGIN";
    const auto number = fmt::format(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) ", certificates - 1);
    sql << number + "INSERT INTO certificate (fingerprint, protocol, bytes, algorithm, created, expires, "
                    "revoked, imported, updated)"
                    " SELECT printf('%040d', i), protocol, bytes, algorithm, created, expires, revoked, "
                    "imported, updated FROM certificate, n";
    sql << number + "INSERT INTO binding SELECT 'user' || i || '@example.org', 'user' || i || "
                    "'@example.org', printf('%040d', i), state, trust, source, pinned, assigned, first_seen,"
                    " confirmed, good_until, reason FROM binding, n";
    sql << number + "INSERT INTO user_id SELECT printf('%040d', i), 0, text, address, revoked, expires "
                    "FROM user_id, n";
    sql << number + "INSERT INTO encryption_key SELECT printf('%040d', i), 0, fingerprint, algorithm, "
                    "created, expires, revoked"
                    " FROM encryption_key, n";
    sql << "COMMIT";
    made.emplace(certificates, location);
    return location;
}

/// In the database: another program's change before each look-up makes the connection forget what it
/// remembers.
void look_up(benchmark::State& state) {
    const auto location = keyring_of(state.range(0));
    auto keyring = keyring::Keyring::open(location, keyring::Access::read);
    soci::session other(soci::sqlite3, "db=" + location.path + " synchronous=off");
    long i = 0;
    for (auto _ : state) {
        state.PauseTiming();
        other << "INSERT INTO change (at, fingerprint, what, addresses) VALUES (0, '', '', '')";
        state.ResumeTiming();
        i = (i + 7919) %
            state.range(0); // a prime step, so that neighbours in the index are not neighbours in time
        const auto found = keyring.find(*mail::Address::parse(fmt::format("user{}@example.org", i)));
        if (found.size() != 1) {
            state.SkipWithError("not found");
        }
    }
}

/// The same recipient again and again: what a connection remembers.
void look_up_known(benchmark::State& state) {
    auto keyring = keyring::Keyring::open(keyring_of(state.range(0)), keyring::Access::read);
    const auto address = *mail::Address::parse("user1@example.org");
    for (auto _ : state) {
        benchmark::DoNotOptimize(keyring.find(address));
    }
}

} // namespace

BENCHMARK(look_up_known)->Arg(100'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(look_up)->Arg(10)->Arg(10'000)->Arg(100'000)->Unit(benchmark::kMicrosecond);
