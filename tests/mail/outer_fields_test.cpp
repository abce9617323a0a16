#include "base/error.hpp"
#include "mail/outer_fields.hpp"
#include "tests/support/catch.hpp"

#include <string>
#include <vector>

using namespace lockbox;
using namespace lockbox::mail;

TEST_CASE("names are added to the table in any case, each once", "[mail]") {
    OuterFields fields;
    CHECK_FALSE(fields.contains("X-Spam-Flag"));
    fields.add("X-Spam-Flag");
    fields.add("x-spam-FLAG");
    fields.add("received"); // is in it anyway
    CHECK(fields.contains("x-spam-flag"));
    CHECK(fields.added() == std::vector<std::string>{"X-Spam-Flag"});
    CHECK_FALSE(fields.contains("X-Spam-Status"));
    CHECK_FALSE(OuterFields().contains("X-Spam-Flag"));
}

TEST_CASE("a name that must not stay outside is refused with the reason", "[mail]") {
    struct Case {
        std::string name, reason;
    };
    const auto c = GENERATE(values<Case>({
        {"Subject", "hide-subject"},
        {"subject", "hide-subject"},
        {"Bcc", "blind recipients"},
        {"Resent-Bcc", "blind recipients"},
        {"MIME-Version", "sealed form"},
        {"content-type", "sealed form"},
        {"Content-Anything", "sealed form"},
        {"DKIM-Signature", "broken by sealing"},
        {"X-Google-DKIM-Signature", "broken by sealing"},
        {"ARC-Seal", "broken by sealing"},
        {"HP-Outer", "inside"},
        {"", "not the name of a header field"},
        {"X Spam", "not the name of a header field"},
        {"X-Spam-Flag:", "not the name of a header field"},
        {"X-Spam-Flag ", "not the name of a header field"},
        {"X-*\xc3\xa4", "not the name of a header field"},
    }));
    CAPTURE(c.name);
    OuterFields fields;
    try {
        fields.add(c.name);
        FAIL("it was taken");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::usage);
        CHECK(std::string(error.what()).find(c.reason) != std::string::npos);
    }
    CHECK(fields.added().empty());
}
