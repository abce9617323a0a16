#include "reader/calendar_text.hpp"
#include "reader/card_text.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace lockbox::reader;
using lockbox::test::contains_text;

namespace {

std::string calendar(const std::string& properties, const std::string& method = "REQUEST") {
    return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nMETHOD:" + method +
           "\r\nBEGIN:VEVENT\r\nUID:1@x\r\nDTSTAMP:20261130T100000Z\r\n" + properties +
           "END:VEVENT\r\nEND:VCALENDAR\r\n";
}

} // namespace

TEST_CASE("an invitation says who, when, where and what", "[reader]") {
    const auto text = calendar_text(calendar(
        "SUMMARY:Planning\\, part 2\r\n"
        "DTSTART;TZID=Europe/Prague:20261203T100000\r\nDTEND;TZID=Europe/Prague:20261203T113000\r\n"
        "RRULE:FREQ=WEEKLY;COUNT=5;BYDAY=TH\r\nLOCATION:Room 3\r\n"
        "ORGANIZER;CN=Alice:mailto:alice@example.org\r\n"
        "ATTENDEE;CN=\"Bob; the builder\";PARTSTAT=ACCEPTED:mailto:bob@example.net\r\n"
        "ATTENDEE;PARTSTAT=NEEDS-ACTION:MAILTO:carol@exam\r\n ple.com\r\nDESCRIPTION:One\\nTwo\r\n"));
    REQUIRE(text);
    CHECK(text->kind == "an invitation");
    CHECK(text->text == "What:       Planning, part 2\n"
                        "When:       2026-12-03 10:00 (Europe/Prague) to 2026-12-03 11:30 (Europe/Prague)\n"
                        "Repeats:    weekly, 5 times, on TH\n"
                        "Where:      Room 3\n"
                        "Organizer:  \"Alice\" <alice@example.org>\n"
                        "Attendee:   \"Bob; the builder\" <bob@example.net>, accepted\n"
                        "Attendee:   carol@example.com\n"
                        "\nOne\nTwo\n");
}

TEST_CASE("times of an event are said as they are written", "[reader]") {
    struct Case {
        std::string properties, when;
    };
    const auto c = GENERATE(values<Case>({
        {"DTSTART:20261203T100000Z\r\nDURATION:PT1H30M\r\n", "2026-12-03 10:00 UTC, for 1 hour 30 minutes\n"},
        {"DTSTART:20261203T100000\r\n", "2026-12-03 10:00 (no time zone is named)\n"},
        {"DTSTART;VALUE=DATE:20261203\r\nDTEND;VALUE=DATE:20261204\r\n", "2026-12-03 to before 2026-12-04\n"},
    }));
    CAPTURE(c.properties);
    const auto text = calendar_text(calendar(c.properties));
    REQUIRE(text);
    CHECK_THAT(text->text, contains_text("When:       " + c.when));
}

TEST_CASE("what an invitation is for is told by its method", "[reader]") {
    CHECK(calendar_text(calendar("", "CANCEL"))->kind == "a cancellation");
    CHECK(calendar_text(calendar("", "REPLY"))->kind == "an answer to an invitation");
    CHECK(calendar_text(calendar("", "PUBLISH"))->kind == "an event");
    CHECK(calendar_text(calendar("STATUS:CANCELLED\r\n"))->text == "State:      cancelled\n");
}

TEST_CASE("what is no calendar, or one made to exhaust its reader, is none", "[reader]") {
    CHECK_FALSE(calendar_text(""));
    CHECK_FALSE(calendar_text("Hello"));
    CHECK_FALSE(calendar_text("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"));
    std::string deep;
    for (int i = 0; i < 100'000; ++i) {
        deep += "BEGIN:VEVENT\r\n";
    }
    CHECK_FALSE(calendar_text(deep));
    CHECK_FALSE(calendar_text(calendar("SUMMARY:" + std::string(calendar_octets_max, 'x') + "\r\n")));
    std::string attendees;
    for (std::size_t i = 0; i < calendar_attendees_max + 7; ++i) {
        attendees += "ATTENDEE:mailto:a" + std::to_string(i) + "@example.org\r\n";
    }
    CHECK_THAT(calendar_text(calendar(attendees))->text, contains_text("Attendees:  7 more\n"));
}

TEST_CASE("a business card says who it is and how to reach him", "[reader]") {
    struct Case {
        std::string card, text;
    };
    const auto c = GENERATE(values<Case>({
        // RFC 6350 §7.2 and §8, shortened.
        {"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Simon Perreault\r\nN:Perreault;Simon;;;ing. jr,M.Sc.\r\n"
         "ORG;TYPE=work:Viagenie\r\nADR;TYPE=work:;Suite D2-630;2875 Laurier;Quebec;QC;G1V 2M2;Canada\r\n"
         "TEL;VALUE=uri;TYPE=\"work,voice\";PREF=1:tel:+1-418-656-9254;ext=102\r\n"
         "item1.EMAIL;TYPE=work:simon.perreault@viagenie.ca\r\nKEY;VALUE=uri:http://x\r\nEND:VCARD\r\n",
         "Name:         Simon Perreault\nOrganization: Viagenie\n"
         "Address:      Suite D2-630, 2875 Laurier, Quebec, QC, G1V 2M2, Canada\n"
         "Telephone:    tel:+1-418-656-9254, ext=102\nMail:         simon.perreault@viagenie.ca\n"},
        {"BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:M=FCller;J=\n=F6rg\n"
         "PHOTO;ENCODING=BASE64:AAAA\nEND:VCARD\n",
         "Name:         M\303\274ller, J\303\266rg\n"},
        {"BEGIN:VCARD\nFN:a\\, b\n  c\nNOTE:x\\ny\nEND:VCARD", "Name:         a, b c\nNote:         x y\n"},
        {"begin:vcard\nfn:a\nend:vcard\nBEGIN:VCARD\nFN:b\nEND:VCARD\n",
         "Name:         a\n\nName:         b\n"},
    }));
    CAPTURE(c.card);
    CHECK(card_text(c.card) == c.text);
    CHECK_FALSE(card_text("FN:a\n"));
    CHECK_FALSE(card_text(""));
}
