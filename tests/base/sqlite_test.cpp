#include "base/sqlite.hpp"
#include "tests/support/catch.hpp"

#include <soci/sqlite3/soci-sqlite3.h>

#include <stdexcept>

using namespace lockbox;

TEST_CASE("A kept query answers each question anew, and leaves nothing open where its user throws",
          "[base]") {
    soci::session sql(soci::sqlite3, "db=:memory:");
    std::string asked;
    std::string found;
    soci::indicator is_null = soci::i_null;
    KeptQuery query(sql, "SELECT b FROM t WHERE a = :a ORDER BY b", [&](soci::statement& statement) {
        statement.exchange(soci::use(asked));
        statement.exchange(soci::into(found, is_null));
    });
    sql << "CREATE TABLE t (a TEXT, b TEXT)"; // it was not there when the query was made
    sql << "INSERT INTO t VALUES ('x', '1'), ('x', '2'), ('y', '3'), ('z', NULL)";
    const auto ask = [&](const std::string& what) {
        asked = what;
        std::string all;
        query.for_each_row([&] { all += is_null == soci::i_ok ? found : "null"; });
        return all;
    };
    CHECK(ask("x") == "12");
    CHECK(ask("y") == "3");
    CHECK(ask("none").empty());
    CHECK(ask("z") == "null");
    CHECK(ask("x") == "12");
    asked = "x";
    CHECK_THROWS_AS(query.for_each_row([] { throw std::runtime_error("enough"); }), std::runtime_error);
    sql << "DROP TABLE t"; // SQLite refuses this while a statement reads the table
    CHECK_THROWS_AS(ask("x"), soci::soci_error);
    sql << "CREATE TABLE t (a TEXT, b TEXT)";
    sql << "INSERT INTO t VALUES ('x', '4')";
    CHECK(ask("x") == "4");
}

TEST_CASE("A kept snapshot is over after the work, whether it throws or not", "[base]") {
    soci::session sql(soci::sqlite3, "db=:memory:");
    KeptSnapshot snapshot(sql);
    for (unsigned i = 0; i < 3; ++i) {
        CHECK(snapshot.read([] { return 7; }) == 7);
        CHECK_THROWS_AS(snapshot.read([]() -> int { throw std::runtime_error("enough"); }),
                        std::runtime_error);
    }
    CHECK_NOTHROW(sql << "BEGIN"); // SQLite refuses a transaction inside another
}
