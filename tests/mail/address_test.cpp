#include "mail/address.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace lockbox::mail;

TEST_CASE("Address::parse reads mailboxes and keeps them in one spelling", "[mail]") {
    const auto [text, printed] = GENERATE(table<std::string, std::string>({
        {"alice@example.org", "alice@example.org"},
        {"Alice.B+ext@EXAMPLE.org", "Alice.B+ext@example.org"},
        {"!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~@example.org"},
        {"a@localhost", "a@localhost"},
        {"a@example.org.", "a@example.org"},
        {"a@my_host.example.org", "a@my_host.example.org"},
        {"\"alice\"@example.org", "alice@example.org"},
        {"\"al\\ice\"@example.org", "alice@example.org"},
        {"\"a b\"@example.org", "\"a b\"@example.org"},
        {"\"a@b\"@example.org", "\"a@b\"@example.org"},
        {"\"a\\\"\\\\b\"@example.org", "\"a\\\"\\\\b\"@example.org"},
        {"\"a..b\"@example.org", "\"a..b\"@example.org"},
        {"\"\"@example.org", "\"\"@example.org"},
        {"a@[192.0.2.1]", "a@[192.0.2.1]"},
        {"a@[IPv6:2001:DB8:0:0::1]", "a@[IPv6:2001:db8::1]"},
        {"a@[ipv6:::1]", "a@[IPv6:::1]"},
        {"gr\xc3\xbc\xc3\x9f"
         "e@example.org",
         "gr\xc3\xbc\xc3\x9f"
         "e@example.org"},
        // RFC 3492 §7.1 and the IDNA2008 treatment of ß (RFC 5894 §7.2): kept, not made "ss".
        {"a@b\xc3\xbc"
         "cher.example",
         "a@xn--bcher-kva.example"},
        {"a@B\xc3\x9c"
         "CHER.example",
         "a@xn--bcher-kva.example"},
        {"a@XN--BCHER-KVA.example", "a@xn--bcher-kva.example"},
        {"a@fa\xc3\x9f.example", "a@xn--fa-hia.example"},
        {"a@b\xc3\xbc"
         "cher\xe3\x80\x82"
         "example",
         "a@xn--bcher-kva.example"}, // U+3002
    }));
    CAPTURE(text);
    const auto address = Address::parse(text);
    REQUIRE(address);
    CHECK(address->to_string() == printed);
    CHECK(Address::parse(address->to_string()) == address);
}

TEST_CASE("Address::parse refuses what RFC 5321 does not call a mailbox", "[mail]") {
    const auto text = GENERATE(
        as<std::string>{}, "", "no-at-sign", "@example.org", "alice@", "alice", "al ice@example.org",
        " alice@example.org", "alice@example.org ", "<alice@example.org>", "alice@example..org",
        "alice@.example.org", ".alice@example.org", "alice.@example.org", "al..ice@example.org",
        "alice@example.org..", "alice@.", "alice@example.org@example.net", "alice@-example.org",
        "alice@example-.org", "alice@exa mple.org", "alice@example.org\r\nRCPT TO:<eve@example.org>",
        "alice\r\n@example.org", "ali(ce)@example.org", "alice@exam(p)le.org", "alice,bob@example.org",
        "ali:ce@example.org", "ali\\ce@example.org", "\"alice@example.org", "\"ali\"ce@example.org",
        "\"alice\"example.org", "ali\"ce\"@example.org", "\"ali\nce\"@example.org", "\"alice\\\"@example.org",
        "alice@[192.0.2]", "alice@[192.0.2.256]", "alice@[192.0.2.1", "alice@192.0.2.1]",
        "alice@[192.0.2.01]", "alice@[]", "alice@[IPv6:]", "alice@[IPv6:192.0.2.1]", "alice@[2001:db8::1]",
        "alice@[x-tag:data]", "\xff@example.org", "\xc3@example.org", "alice@\xff.org",
        "alice@exam\xc0\xafple.org",
        "alice@\xf0\x9f\x98\x80.example", // not in IDNA2008
        "alice@example\xef\xbc\xa0"
        "example.net",                   // U+FF20, which compatibility mapping makes an @
        "alice@exam\xef\xbc\x8fple.org", // U+FF0F, likewise a slash
        "alice@xn--\xc3\xbc.example", "alice@\xe2\x80\x8b.example");
    CAPTURE(text);
    CHECK_FALSE(Address::parse(text).has_value());
}

TEST_CASE("Address::parse refuses NUL wherever it stands", "[mail]") {
    const std::string nul(1, '\0');
    CHECK_FALSE(Address::parse("al" + nul + "ice@example.org"));
    CHECK_FALSE(Address::parse("\"al" + nul + "ice\"@example.org"));
    CHECK_FALSE(Address::parse("alice@example.org" + nul));
    CHECK_FALSE(Address::parse("alice@example.org" + nul + ".example.net"));
    CHECK_FALSE(Address::parse("alice@b\xc3\xbc"
                               "cher.org" +
                               nul + ".example.net"));
    CHECK_FALSE(Address::parse("alice@[192.0.2.1" + nul + "]"));
}

TEST_CASE("Address::parse keeps its limits, the domain that of RFC 5321 section 4.5.3.1", "[mail]") {
    const std::string label(63, 'a');
    const auto domain = label + '.' + label + '.' + label + '.' + std::string(61, 'a') + ".b";
    REQUIRE(domain.size() == domain_octets_max);
    CHECK(Address::parse(std::string(255, 'x') + "@example.org")); // where the RFC asks for no limit
    CHECK_FALSE(Address::parse(std::string(256, 'x') + "@example.org"));
    CHECK(Address::parse('"' + std::string(255, ' ') + "\"@example.org"));
    CHECK_FALSE(Address::parse('"' + std::string(256, ' ') + "\"@example.org"));
    CHECK(Address::parse("a@" + domain));
    CHECK_FALSE(Address::parse("a@" + domain + "b"));
    CHECK_FALSE(Address::parse("a@" + label + "a.org"));
    CHECK_FALSE(Address::parse("a@" + std::string(10'000'000, 'a')));
}

// Unicode: U+00E9 is U+0065 U+0301 (UnicodeData.txt); U+212B is U+00C5, and U+1E9E folds to U+00DF
// (CaseFolding.txt, status S), U+03C2 to U+03C3 and U+0130 to nothing but the decomposed i (status C).
TEST_CASE("a local part has one form of Unicode", "[mail]") {
    const auto parse = [](const std::string& local_part) {
        return Address::parse(local_part + "@example.org");
    };
    const auto composed = parse("ren\u00e9");
    REQUIRE(composed);
    CHECK(parse("rene\u0301") == composed);
    CHECK(parse("\"rene\u0301\"") == composed);
    CHECK(parse("\u212b")->local_part() == "\u00c5");
    CHECK(parse("ren\u00e9")->to_string() == "ren\u00e9@example.org");
    CHECK(parse("REN\u00c9") != composed);
    CHECK(parse("REN\u00c9")->folded() == composed->folded());
    CHECK(parse("RENE\u0301")->folded() == composed->folded());
    CHECK(parse("rene")->folded() != composed->folded());
}

TEST_CASE("the case of a local part is folded whatever its script, one character to one", "[mail]") {
    const auto [one, other, alike] = GENERATE(table<std::string, std::string, bool>({
        {"\u0416\u0423\u041a", "\u0436\u0443\u043a", true},                         // Cyrillic
        {"\u03a3\u039f\u03a6\u039f\u03a3", "\u03c3\u03bf\u03c6\u03bf\u03c2", true}, // final sigma
        {"STRA\u1e9eE", "stra\u00dfe", true},
        {"strasse", "stra\u00dfe", false}, // only the full folding
        {"\u0131", "i", false},            // Turkish
        {"\u0131", "I", false},
        {"\u1f88", "\u1f80", true},     // status S, with a combining iota inside
        {"\u0430lice", "alice", false}, // a Cyrillic look-alike
        {"\ufb01n", "fin", false},      // compatibility forms are others
    }));
    CAPTURE(one, other);
    const auto left = Address::parse(one + "@example.org");
    const auto right = Address::parse(other + "@example.org");
    REQUIRE((left && right));
    CHECK((left->folded() == right->folded()) == alike);
    CHECK(Address::parse(left->folded())->folded() == left->folded());
}

TEST_CASE("an extension begins at the first separator that something stands before", "[mail]") {
    const auto [text, base] = GENERATE(table<std::string, std::string>({
        {"bob+tag@example.org", "bob@example.org"},
        {"Bob+a+b@example.org", "Bob@example.org"},
        {"bob+@example.org", "bob@example.org"},
        {"\"bob smith+x\"@example.org", "\"bob smith\"@example.org"},
        {"bob.+x@example.org", "\"bob.\"@example.org"},
        {"bob@example.org", ""},
        {"bob-tag@example.org", ""},
        {"+tag@example.org", ""},
        {"bob@plus.example", ""},
    }));
    CAPTURE(text);
    const auto without = Address::parse(text)->without_extension('+');
    CHECK((without ? without->to_string() : "") == base);
}

TEST_CASE("two spellings of one domain are one address, two of a local part are two", "[mail]") {
    CHECK(Address::parse("a@EXAMPLE.org.") == Address::parse("a@example.ORG"));
    CHECK(Address::parse("a@b\xc3\xbc"
                         "cher.example") == Address::parse("a@xn--bcher-kva.example"));
    CHECK(Address::parse("a@bu\xcc\x88"
                         "cher.example") == Address::parse("a@xn--bcher-kva.example")); // NFD
    CHECK(Address::parse("\"a\"@example.org") == Address::parse("a@example.org"));
    CHECK(Address::parse("A@example.org") != Address::parse("a@example.org"));
    CHECK(Address::parse("A@example.org")->folded() == Address::parse("a@example.org")->folded());
    CHECK(Address::parse("\"A B\"@example.org")->folded() == "\"a b\"@example.org");
    CHECK(Address::parse("a@example.org") != Address::parse("a@example.net"));
    // Look-alikes are others: Latin a and Cyrillic а.
    CHECK(Address::parse("a@ex\xd0\xb0mple.org") != Address::parse("a@example.org"));
}

TEST_CASE("a path is a mailbox where every MTA delivers to that very mailbox", "[mail]") {
    const auto [text, printed] = GENERATE(table<std::string, std::string>({
        {"<alice@example.org>", "alice@example.org"},
        {"alice@example.org", "alice@example.org"},
        {" <alice@example.org> ", "alice@example.org"},
        {"<Alice@EXAMPLE.org>", "Alice@example.org"},
        {"<alice@example.org.>", "alice@example.org"},
        {"<alice+tag@example.org>", "alice+tag@example.org"},
        {"<bounce=alice=example.org@list.example>", "bounce=alice=example.org@list.example"},
        {"<alice@[192.0.2.1]>", "alice@[192.0.2.1]"},
        {"<alice@[IPv6:::1]>", "alice@[IPv6:::1]"},
        {"<root@localhost>", "root@localhost"},
        {"<root@LOCALHOST.>", "root@localhost"},
        {"<\"alice\"@example.org>", "alice@example.org"},
        {"<\"a>b\"@example.org>", "\"a>b\"@example.org"},
        {"<\"alice smith\"@example.org>", "\"alice smith\"@example.org"},
        {"<\"alice\\\"\\\\\"@example.org>", "\"alice\\\"\\\\\"@example.org"},
        {"<\".alice\"@example.org>", "\".alice\"@example.org"},
        {"<alice@b\xc3\xbc"
         "cher.example>",
         "alice@xn--bcher-kva.example"},
        {"<ren\xc3\xa9@example.org>", "ren\xc3\xa9@example.org"},
    }));
    CAPTURE(text);
    const auto address = Address::parse_path(text);
    REQUIRE(address);
    CHECK(address->to_string() == printed);
}

// Each was given to Postfix 3.7 and Sendmail 8.17: one of them, at least, delivers it to somebody else, often
// to bob@remote.test. tests/mta/test_address_forms.py asks them again.
TEST_CASE("a path that an MTA cleans, rewrites or completes is no mailbox", "[mail]") {
    const std::string nul(1, '\0');
    const auto text = GENERATE_COPY(
        as<std::string>{}, "", "<>", "< >", "<", ">", "<bob@remote.test", "bob@remote.test>",
        "<<bob@remote.test>>", "<Bob <bob@remote.test>>", "<bob@remote.test> SIZE=10", "<bob@remote.test>x",
        "<bob@remote.test><eve@example.org>", "< bob@remote.test>", "<bob@remote.test >",
        "<bob @remote.test>", "<bob@ remote.test>", "<bob@\tremote.test>", "<bob@remote .test>",
        " bob@remote.test", "bob@remote.test ", "<bob(x)@remote.test>", "<(x)bob@remote.test>",
        "<bob@remote.test(x)>", "<\\bob@remote.test>", "<b\\ob@remote.test>", "<bob@remote.test,>",
        "<bob@remote.test;>", "<team:bob@remote.test;>", "<bob,carol@remote.test>", "<bob:x@remote.test>",
        "<bob@remote.test..>", "<bob%remote.test@localhost>", "<bob%remote.test@[127.0.0.1]>",
        "<bob%remote.test@other.test>", "<remote.test!bob@localhost>", "<\"bob@remote.test\"@localhost>",
        "<\"bob%remote.test\"@localhost>", "<\"remote.test!bob\"@localhost>", "<bob@remote.test@localhost>",
        "<@bob@remote.test>", "<@localhost:bob@remote.test>", "@a.example:bob@remote.test",
        "<@a.example,@b.example:bob@remote.test>", "<@a.example>", "<@a.example:>", "<bob@remote>",
        "<bob@remote.>", "<bob@remote\xe3\x80\x82test>", "<bob@remote\xef\xbc\x8etest>",
        "<root@\xef\xbd\x8cocalhost>", "<bob@remote.uucp>", "<bob@remote.test.UUCP>", "<\"\"@remote.test>",
        "\"bob\"@remote.test", "\"bob smith\"@remote.test", "<.bob@remote.test>", "<bob.@remote.test>",
        "<bo..b@remote.test>", "<\"bob\".x@remote.test>", "<ren\xe9@remote.test>",
        "<bo\x01"
        "b@remote.test>",
        "<\"bob\tx\"@remote.test>", "<bo" + nul + "b@remote.test>", "<bob@remote.test" + nul + ">",
        "<Postmaster>", "root", "<root@>", "<@>", '<' + std::string(256, 'b') + "@remote.test>");
    CAPTURE(text);
    CHECK_FALSE(Address::parse_path(text).has_value());
}

TEST_CASE("what an MTA completes with a domain of its own is an incomplete path", "[mail]") {
    const auto [text, local_part, domain] = GENERATE(table<std::string, std::string, std::string>({
        {"root", "root", ""},
        {"<root>", "root", ""},
        {"<Postmaster>", "Postmaster", ""},
        {"<bob.remote.test>", "bob.remote.test", ""},
        {"<bob@Remote>", "bob", "remote"},
        {"root@localhost", "root", "localhost"},
        {"<ren\xc3\xa9>", "ren\xc3\xa9", ""},
    }));
    CAPTURE(text);
    const auto path = incomplete_path(text);
    REQUIRE(path);
    CHECK(path->local_part == local_part);
    CHECK(path->domain == domain);
}

TEST_CASE("what nobody can complete safely is no incomplete path", "[mail]") {
    const auto text =
        GENERATE(as<std::string>{}, "", "<>", "<bob%remote.test>", "<remote.test!bob>",
                 "<\"bob@remote.test\">", "<\"root\">", "<ro ot>", " root", "root ", "<root@>", "<@>",
                 "<.root>", "<root.>", "<bob@remote.test>", "<bob@remote.>", "<bob@[127.0.0.1]>",
                 "<bob%x@remote>", "<|root(x)>", "<\\root>", "<\xff>", "<bob@\xc3\xbc>");
    CAPTURE(text);
    CHECK_FALSE(incomplete_path(text).has_value());
}

TEST_CASE("normalised_domain is what Address keeps", "[mail]") {
    CHECK(normalised_domain("Example.ORG.") == "example.org");
    CHECK(normalised_domain("b\xc3\xbc"
                            "cher.example") == "xn--bcher-kva.example");
    CHECK_FALSE(normalised_domain(""));
    CHECK_FALSE(normalised_domain("."));
    CHECK_FALSE(normalised_domain("*.example.org"));
    CHECK_FALSE(normalised_domain("@example.org"));
}
