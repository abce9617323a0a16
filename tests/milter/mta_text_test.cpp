#include "base/error.hpp"
#include "milter/mta_text.hpp"
#include "tests/support/catch.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <optional>
#include <string>
#include <vector>

using namespace lockbox;
using namespace lockbox::milter;

TEST_CASE("A client's address has its usual form", "[milter]") {
    sockaddr_in ipv4{};
    ipv4.sin_family = AF_INET;
    REQUIRE(::inet_pton(AF_INET, "192.0.2.1", &ipv4.sin_addr) == 1);
    CHECK(address_from_mta(reinterpret_cast<const sockaddr*>(&ipv4)) == "192.0.2.1"); // NOLINT: POSIX
    sockaddr_in6 ipv6{};
    ipv6.sin6_family = AF_INET6;
    REQUIRE(::inet_pton(AF_INET6, "2001:db8:0:0:0:0:0:1", &ipv6.sin6_addr) == 1);
    CHECK(address_from_mta(reinterpret_cast<const sockaddr*>(&ipv6)) == "2001:db8::1"); // NOLINT: POSIX
    sockaddr local{};
    local.sa_family = AF_UNIX;
    CHECK(address_from_mta(&local).empty());
    CHECK(address_from_mta(nullptr).empty());
}

TEST_CASE("White space before the colon hides no field, and what is no name is an error", "[milter]") {
    CHECK(field_name_from_mta("Subject") == "Subject");
    CHECK(field_name_from_mta("Subject \t") == "Subject");
    CHECK_THROWS_AS(field_name_from_mta(""), Error);
    CHECK_THROWS_AS(field_name_from_mta("Sub ject"), Error);
    CHECK_THROWS_AS(field_name_from_mta("Subj\xe9 ct"), Error);
}

TEST_CASE("Folds are LF for MTAs and CRLF here, with or without the leading space", "[milter]") {
    CHECK(field_body_from_mta(" a\n\tb", true) == " a\r\n\tb");
    CHECK(field_body_from_mta("a\n b", false) == " a\r\n b");
    CHECK(field_body_from_mta("", false).empty());
    const Edit edit{{{{"Subject", 1, " [...]"}, {"Content-Type", 2, std::nullopt}}, {{"X", " a\r\n b"}}},
                    "body"};
    const auto with = edits_for_mta(edit, true);
    CHECK(with.header ==
          std::vector<FieldEdit>{{"Subject", " [...]", 1}, {"Content-Type", "", 2}, {"X", " a\n b", 0}});
    CHECK(with.route.empty());
    const auto without = edits_for_mta(edit, false);
    CHECK(without.header ==
          std::vector<FieldEdit>{{"Subject", "[...]", 1}, {"Content-Type", "", 2}, {"X", "a\n b", 0}});
}

TEST_CASE("A route is added, and then every field of its name goes, the last first", "[milter]") {
    const Pass pass{Form::clear, Route{2, " WORD clear"}};
    const auto edits = edits_for_mta(pass, true);
    CHECK(edits.header.empty());
    CHECK(edits.route == std::vector<FieldEdit>{{"Lockbox-Route", " WORD clear", 0},
                                                {"Lockbox-Route", "", 3},
                                                {"Lockbox-Route", "", 2},
                                                {"Lockbox-Route", "", 1}});
    CHECK(edits_for_mta(Pass{}, true).route.empty());
    CHECK(edits_for_mta(Discard{}, true).route.empty());
    CHECK(edits_for_mta(defer_for_a_fault(), true).header.empty());
}

TEST_CASE("A field that is longer than the MTA takes does not fit", "[milter]") {
    // MILTER_CHUNK_SIZE of Sendmail's mfdef.h, 65,535: the index in 4 octets, and a NUL behind name and
    // value.
    const std::string name = "X";
    const auto edit_of = [&](std::size_t octets) {
        return edits_for_mta(Edit{{{{name, 1, std::string(octets, 'x')}}, {}}, ""}, true);
    };
    CHECK(edit_of(65'535 - 4 - 1 - 1 - name.size()).fit());
    CHECK_FALSE(edit_of(65'535 - 4 - 1 - 1 - name.size() + 1).fit());
}

TEST_CASE("A per cent sign in a reply is doubled", "[milter]") {
    CHECK(reply_line_for_mta("<a%b@example.org>: 100 %") == "<a%%b@example.org>: 100 %%");
}
