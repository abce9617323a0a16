#include "reader/domain_text.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace lockbox;
using namespace lockbox::reader;

TEST_CASE("a domain is shown in Unicode where that misleads nobody, else as its A-labels", "[reader]") {
    struct Case {
        std::string domain, shown;
    };
    // The A-labels are those that `idn2` and Python's encodings.punycode make.
    const auto c = GENERATE(values<Case>({
        {"example.com", "example.com"},
        {"Example.COM", "Example.COM"},
        {"[192.0.2.1]", "[192.0.2.1]"},
        {"[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"},
        {"", ""},
        // One script.
        {"xn--mnchen-3ya.de", "m\u00fcnchen.de"},
        {"XN--MNCHEN-3YA.de", "m\u00fcnchen.de"},
        {"xn--strae-oqa.example", "stra\u00dfe.example"},
        {"xn--e1afmkfd.xn--p1ai", "\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444"},
        {"xn--hxajbheg2az3al.gr", "\u03c0\u03b1\u03c1\u03ac\u03b4\u03b5\u03b9\u03b3\u03bc\u03b1.gr"},
        {"xn--fsqu00a.xn--0zwm56d", "\u4f8b\u5b50.\u6d4b\u8bd5"},
        // Those of Japanese together, and beside Latin.
        {"xn--r8jz45g.xn--zckzah", "\u4f8b\u3048.\u30c6\u30b9\u30c8"},
        // Two scripts in one label: Latin with one Cyrillic letter.
        {"xn--exmple-4nf.com", "xn--exmple-4nf.com"},
        {"xn--pypal-4ve.com", "xn--pypal-4ve.com"},
        // One script, and all of it looks like ASCII: Cyrillic for apple, epic and paypal.
        {"xn--80ak6aa92e.com", "xn--80ak6aa92e.com"},
        {"xn--e1awd7f.com", "xn--e1awd7f.com"},
        // No A-labels at all, or not those of what they decode to.
        {"xn--.com", "xn--.com"},
        {"xn--a.com", "xn--a.com"},
        {"xn--example-.com", "xn--example-.com"},
        // In raw UTF-8 (RFC 6532).
        {"m\u00fcnchen.de", "m\u00fcnchen.de"},
        {"ex\u0430mple.com", "xn--exmple-4nf.com"},
        {"\u0430\u0440\u0440\u04cf\u0435.com", "xn--80ak6aa92e.com"},
        {"\u202ea.com", "\ufffda.com"},
        {"a\u2044b.com", "xn--ab-c6t.com"}, // a slash that is none
        {"\xff.com", "\ufffd.com"},
    }));
    CAPTURE(c.domain);
    CHECK(shown_domain(c.domain) == c.shown);
    CHECK(shown_domain(c.shown) == c.shown); // whoever reads it again sees the same
}

TEST_CASE("an address is shown with its domain as a person reads it", "[reader]") {
    CHECK(shown_address(mail::Address::parse("j@xn--mnchen-3ya.de").value()) == "j@m\u00fcnchen.de");
    CHECK(shown_address(mail::Address::parse("j@ex\u0430mple.com").value()) == "j@xn--exmple-4nf.com");
    CHECK(shown_address(mail::Address::parse("\"a b\"@example.com").value()) == "\"a b\"@example.com");
    CHECK(shown_address(mail::Address::parse("a@[192.0.2.1]").value()) == "a@[192.0.2.1]");
}
