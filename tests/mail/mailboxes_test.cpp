#include "mail/mailboxes.hpp"
#include "tests/support/catch.hpp"

#include <chrono>
#include <string>
#include <vector>

using namespace lockbox::mail;

namespace {

std::vector<std::string> found_in(std::string_view field_body) {
    std::vector<std::string> result;
    for (const auto& address : addresses_in(field_body)) {
        result.push_back(address.to_string());
    }
    return result;
}

} // namespace

TEST_CASE("addresses_in finds every addr-spec of a field", "[mail]") {
    using Expected = std::vector<std::string>;
    const auto [body, expected] = GENERATE(table<std::string, Expected>({
        // RFC 5322 appendix A.1.2, A.1.3, A.5 and A.6.1
        {"\"Joe Q. Public\" <john.q.public@example.com>", Expected{"john.q.public@example.com"}},
        {"Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
         Expected{"mary@x.test", "jdoe@example.org", "one@y.test"}},
        {"<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
         Expected{"boss@nil.test", "sysservices@example.net"}},
        {"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
         Expected{"c@a.test", "joe@where.test", "jdoe@one.test"}},
        {"Undisclosed recipients:;", Expected{}},
        {"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", Expected{"pete@silly.test"}},
        {"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
         "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
         Expected{"c@public.example", "joe@example.org", "jdoe@one.test"}},
        {"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", Expected{}},
        {"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
         Expected{"mary@example.net", "jdoe@test.example"}},
        {"Joe Q. Public <john.q.public@example.com>", Expected{"john.q.public@example.com"}},
        // What names may look like, and attackers write.
        {"\"bob@example.org\" <evil@example.net>", Expected{"evil@example.net"}},
        {"bob@example.org <evil@example.net>", Expected{"evil@example.net"}},
        {"\"<bob@example.org>\" <evil@example.net>", Expected{"evil@example.net"}},
        {"(<bob@example.org>) evil@example.net", Expected{"evil@example.net"}},
        {"=?utf-8?q?bob=40example=2Eorg=2C?= <evil@example.net>", Expected{"evil@example.net"}},
        {"bob@example.org: evil@example.net;", Expected{"evil@example.net"}},
        {"\"a, b\" <c@example.org>, d@example.org", Expected{"c@example.org", "d@example.org"}},
        // Common outside the grammar.
        {"a@example.org; b@example.org", Expected{"a@example.org", "b@example.org"}},
        {"a@example.org,,b@example.org,", Expected{"a@example.org", "b@example.org"}},
        {"Gr\xc3\xbc\xc3\x9f"
         "e <gr\xc3\xbc\xc3\x9f"
         "e@b\xc3\xbc"
         "cher.example>",
         Expected{"gr\xc3\xbc\xc3\x9f"
                  "e@xn--bcher-kva.example"}},
        {"J\xf6rg <j@example.org>", Expected{"j@example.org"}},
        {"<@a.test,@b.test:a@example.org>, b@example.org", Expected{"a@example.org", "b@example.org"}},
        {"\"john doe\"@example.org", Expected{"\"john doe\"@example.org"}},
        {"\"john\" . doe @ example . org", Expected{"john.doe@example.org"}},
        {"a@[192.0.2.1], b@[IPv6:::1]", Expected{"a@[192.0.2.1]", "b@[IPv6:::1]"}},
        {"<a@example.org", Expected{"a@example.org"}},
        {"<a@example.org, b@example.org", Expected{"a@example.org", "b@example.org"}},
        {"a@example.org (comment", Expected{"a@example.org"}},
        {"a@example.org, broken@, @example.org, b@example.org", Expected{"a@example.org", "b@example.org"}},
    }));
    CAPTURE(body);
    CHECK(found_in(body) == expected);
}

TEST_CASE("addresses_in finds nothing where there is no address", "[mail]") {
    const auto body =
        GENERATE(as<std::string>{}, "", " ", ",;,", "Alice", "<>", "<alice>", "alice@", "@example.org",
                 "al ice@example.org", "alice@exam ple.org", "alice@example.org.", "alice@@example.org",
                 "alice@b@example.org", "<<alice@example.org>>", "\"alice@example.org", "[alice@example.org]",
                 "(alice@example.org)", "alice\"x\"@example.org", "\"alice\" \"bob\"@example.org",
                 "alice..bob@example.org");
    CAPTURE(body);
    CHECK(found_in(body).empty());
}

TEST_CASE("a field body made to be slow is read in linear time", "[mail]") {
    const std::string unit =
        GENERATE(as<std::string>{}, "(", "\"", "<", "@", "[", "a", "a@b,", "\\", ":", "<@a,", "a.", ";");
    std::string body;
    while (body.size() < 500'000) {
        body += unit;
    }
    const auto start = std::chrono::steady_clock::now();
    static_cast<void>(addresses_in(body));
    CAPTURE(unit);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20)); // quadratic takes hours
}

TEST_CASE("a list is understood where all of it is in the grammar", "[mail]") {
    struct Case {
        std::string body, name, address;
    };
    const auto c = GENERATE(values<Case>({
        {"Alice <alice@example.org>", "Alice", "alice@example.org"},
        {"alice@example.org", "", "alice@example.org"},
        {"<alice@example.org>", "", "alice@example.org"},
        {"alice@example.org (Alice (from \\(Sales\\)))", "Alice (from (Sales))", "alice@example.org"},
        {"Alice (Sales) <alice@example.org>", "Alice", "alice@example.org"},
        {"\"Alice: Sales\" <alice@example.org>", "Alice: Sales", "alice@example.org"},
        {"\"a;b\\r, \\\"c\\\"\" <alice@example.org>", "a;br, \"c\"", "alice@example.org"},
        {"J.R.R. Tolkien <j@example.org>", "J.R.R. Tolkien", "j@example.org"}, // RFC 5322 §4.1
        {"\"Joe\" Q. Public\r\n\t<john.q.public@example.com>", "Joe Q. Public", "john.q.public@example.com"},
        {"=?utf-8?q?Doe,_John?= <j@example.org>", "=?utf-8?q?Doe,_John?=", "j@example.org"},
        {"=?utf-8?q?a?= =?utf-8?b?Yg==?= <j@example.org>", "=?utf-8?q?a?= =?utf-8?b?Yg==?=", "j@example.org"},
        {"J\xf6rg <j@example.org>", "J\xf6rg", "j@example.org"},
        {",, a@example.org ,", "", "a@example.org"},
        {"a@example.org\r\n ", "", "a@example.org"},
    }));
    CAPTURE(c.body);
    const auto only = mailboxes_in(c.body).only();
    REQUIRE(only);
    CHECK(only->name == c.name);
    CHECK(only->address.to_string() == c.address);
}

TEST_CASE("a list that another program may read otherwise names nobody", "[mail]") {
    const auto body = GENERATE(
        as<std::string>{},
        "bo\xe2\x80\x8b"
        "b@evil.test",
        "bo\xef\x9c\x9b"
        "b@evil.test",
        "<@a.test,@b.test:eve@evil.test>", "bob@victim.example@x <eve@evil.test>",
        "bob@victim.example <eve@evil.test>", "<bob@victim.example> <eve@evil.test>",
        "<bob@victim.example> eve@evil.test", "<eve@evil.test> bob@victim.example",
        "bob@victim.example eve@evil.test", "eve@evil.test <", "eve@evil.test, bob", "bob, eve@evil.test",
        "Doe, John <eve@evil.test>", "<<eve@evil.test>>, a@b.test", "<eve@evil.test",
        "\"bob\" <eve@evil.test> \"", "eve@evil.test (bob", "eve@evil.test)", "eve@evil.test; ",
        "eve@evil.test;bob@victim.example", "Bob: eve@evil.test", "bob@victim.example: eve@evil.test;",
        "g: eve@evil.test; x", "g: h: eve@evil.test;;", "[bob@victim.example] <eve@evil.test>",
        "bob\r<eve@evil.test>", "bob\n<eve@evil.test>", "bob\r\r\n <eve@evil.test>",
        std::string("bob\0 <eve@evil.test>", 20), "b\x01 <eve@evil.test>", "\"b\x1b[A\" <eve@evil.test>",
        "(b\x7f) eve@evil.test", "b\\ob <eve@evil.test>", ". <eve@evil.test>",
        "=?utf-8?q?bob@victim.example <eve@evil.test>", "=?utf-8?x?bob@victim.example?= <eve@evil.test>");
    CAPTURE(body);
    CHECK_FALSE(mailboxes_in(body).understood);
    CHECK_FALSE(mailboxes_in(body).only());
}

TEST_CASE("groups keep their names and their mailboxes apart", "[mail]") {
    const auto list = mailboxes_in("a@x.test, Team One: B <b@x.test>, c@x.test;, hidden:;, d@x.test");
    REQUIRE(list.understood);
    REQUIRE(list.groups.size() == 4);
    CHECK_FALSE(list.groups[0].name);
    CHECK(list.groups[1].name == "Team One");
    CHECK(list.groups[1].mailboxes.size() == 2);
    CHECK(list.groups[2].name == "hidden");
    CHECK(list.groups[2].mailboxes.empty());
    CHECK(list.groups[3].mailboxes.front().address.to_string() == "d@x.test");
    CHECK_FALSE(mailboxes_in("Team: b@x.test;").only()); // RFC 6854 allows it in From; nobody wrote it
}
