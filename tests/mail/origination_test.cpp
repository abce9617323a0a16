#include "mail/header.hpp"
#include "mail/origination.hpp"
#include "tests/mail/fields.hpp"
#include "tests/support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

using namespace std::string_literals;
using namespace lockbox;
using namespace lockbox::mail;
using lockbox::tests::section;

namespace {

/// RFC 5322 appendix A.1.1: Fri, 21 Nov 1997 09:55:06 -0600.
const Time rfc_5322_example{std::chrono::seconds(880127706)};
const auto random_octets = [] { return "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\xfa\xfb\xfc\xfd\xfe\xff"s; };
const HeaderField date{"Date", " Fri, 21 Nov 1997 15:55:06 +0000"};
const HeaderField message_id{"Message-ID", " <00010203040506070809FAFBFCFDFEFF@mx.example.org>"};

std::vector<HeaderField> missing(const HeaderSection& header, std::string_view host = "mx.example.org") {
    return missing_origination_fields(header, rfc_5322_example, random_octets, host);
}

} // namespace

TEST_CASE("a message gets the Date and Message-ID that it lacks, and no second one", "[mail]") {
    CHECK(missing(HeaderSection()) == std::vector{date, message_id});
    CHECK(missing(section({{"From", " a@example.org"}, {"date", " some day"}})) == std::vector{message_id});
    CHECK(missing(section({{"Message-Id", ""}})) == std::vector{date});
    CHECK(missing(section({{"MESSAGE-ID", " <1@example.org>"}, {"DATE", ""}})).empty());
}

TEST_CASE("the fields of somebody who resends are not those of the message", "[mail]") {
    CHECK(missing(section({{"Resent-Date", " x"}, {"Resent-Message-ID", " <1@example.org>"}})).size() == 2);
}

TEST_CASE("Dates are those of RFC 5322 in UTC", "[mail]") {
    const auto [seconds, text] = GENERATE(table<std::int64_t, std::string>({
        // date -u -R -d @SECONDS
        {0, " Thu, 01 Jan 1970 00:00:00 +0000"},
        {951782399, " Mon, 28 Feb 2000 23:59:59 +0000"},
        {951782400, " Tue, 29 Feb 2000 00:00:00 +0000"},
        {1795514461, " Tue, 24 Nov 2026 10:01:01 +0000"},
        {4102444800, " Fri, 01 Jan 2100 00:00:00 +0000"},
    }));
    const auto fields =
        missing_origination_fields(HeaderSection(), Time(std::chrono::seconds(seconds)), random_octets, "h");
    CHECK(fields.front().body == text);
}

TEST_CASE("a host name that cannot stand in a Message-ID does not get there", "[mail]") {
    const auto host =
        GENERATE(as<std::string>{}, "", ".", "a..b", ".a", "a.", "a b", "a>b", "a@b", "a\r\nBcc: c",
                 "b\xc3\xbc"
                 "cher.example",
                 "[192.0.2.1]", "a\0b"s, std::string(256, 'a'));
    CAPTURE(host);
    CHECK(missing(HeaderSection(), host)[1].body == " <00010203040506070809FAFBFCFDFEFF@localhost>");
}

TEST_CASE("a host name is any dot-atom", "[mail]") {
    const auto host = GENERATE(as<std::string>{}, "h", "mx_1.example.org", "MX-1.Example.ORG",
                               "xn--bcher-kva.example", std::string(255, 'a'));
    CHECK(missing(HeaderSection(), host)[1].body == " <00010203040506070809FAFBFCFDFEFF@" + host + ">");
}
