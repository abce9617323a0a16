#include "base/error.hpp"
#include "policy/rule.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox;
using policy::Demand;
using policy::Path;
using policy::Pattern;
using policy::Rule;

namespace {

bool matches(const std::string& pattern, const std::string& path) {
    const auto parsed = Pattern::parse(pattern);
    REQUIRE(parsed.has_value());
    return parsed->matches(Path::from(path));
}

std::string error_of(const std::string& text) {
    try {
        (void)Rule::parse(text);
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::configuration);
        return error.what();
    }
    return {};
}

bool mentions(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("Pattern::parse refuses what is not a pattern", "[policy]") {
    const auto text =
        GENERATE(as<std::string>{}, "", " ", "@", "@.", "@..", "@..example.org", "@.example..org", "**",
                 "*.example.org", "@*", "@*.example.org", "*@example.org", "bob*@example.org",
                 "\"*\"@example.org", "example.org", ".example.org", "bob", "bob@", "bob@*",
                 "<bob@example.org>", "bob@example.org,eve@example.org", "@example.org,@example.net",
                 "/@example\\.org$/", "@example.org@example.net", "bob @example.org", "@ example.org", "< >",
                 "<", "mailto:bob@", "@[192.0.2.1", "@.[192.0.2.1]", "@-example.org");
    CAPTURE(text);
    CHECK_FALSE(Pattern::parse(text).has_value());
}

TEST_CASE("a pattern's text is normalised and reads back", "[policy]") {
    struct Case {
        const char* written;
        const char* text;
    };
    const auto [written, text] = GENERATE(values<Case>({{"*", "*"},
                                                        {"<>", "<>"},
                                                        {"@Example.ORG.", "@example.org"},
                                                        {"@.Example.ORG", "@.example.org"},
                                                        {"@b\xC3\xBC"
                                                         "cher.example",
                                                         "@xn--bcher-kva.example"},
                                                        {"@[192.0.2.1]", "@[192.0.2.1]"},
                                                        {"Bob@Example.org", "bob@example.org"},
                                                        {"\"bob\"@example.org", "bob@example.org"},
                                                        {"\"b ob\"@example.org", "\"b ob\"@example.org"}}));
    CAPTURE(written);
    const auto pattern = Pattern::parse(written);
    REQUIRE(pattern.has_value());
    CHECK(pattern->text() == text);
    CHECK(Pattern::parse(pattern->text()) == pattern);
}

TEST_CASE("a pattern matches its addresses however they are written, and no neighbours", "[policy]") {
    struct Case {
        const char* pattern;
        const char* path;
        bool match;
    };
    const auto [pattern, path, match] = GENERATE(values<Case>({
        {"@example.org", "<bob@example.org>", true},
        {"@example.org", "bob@example.org", true},
        {"@example.org", "<bob@EXAMPLE.Org>", true},
        {"@example.org", "<bob@example.org.>", true},
        {"@example.org", "<@relay.example.net:bob@example.org>", false},
        {"@example.org", "<\"b@example.net\"@example.org>", false},
        {"@example.org", "<bob@evil-example.org>", false},
        {"@example.org", "<bob@sub.example.org>", false},
        {"@example.org", "<bob@example.org.evil.example>", false},
        {"@example.org", "<bob@example.com>", false},
        {"@example.org", "<\"bob@example.org\"@evil.example>", false},
        {"@example.org", "<@example.org:bob@evil.example>", false},
        {"@example.org", "<bob%example.org@evil.example>", false},
        {"@example.org", "<bob>", false},
        {"@example.org", "<>", false},
        {"@.example.org", "<bob@example.org>", true},
        {"@.example.org", "<bob@a.b.example.org>", true},
        {"@.example.org", "<bob@SUB.Example.ORG.>", true},
        {"@.example.org", "<bob@notexample.org>", false},
        {"@.example.org", "<bob@evil-example.org>", false},
        {"@.example.org", "<bob@org>", false},
        {"@.example.org", "<bob@sub.example.org.evil.example>", false},
        {"@b\xC3\xBC"
         "cher.example",
         "<bob@xn--bcher-kva.example>", true},
        {"@xn--bcher-kva.example",
         "<bob@B\xC3\x9C"
         "CHER.example>",
         true},
        {"@bucher.example",
         "<bob@b\xC3\xBC"
         "cher.example>",
         false},
        {"bob@example.org", "<bob@example.org>", true},
        {"bob@example.org", "<BOB@example.org>", true},
        {"Bob@example.org", "<bob@example.org>", true},
        {"bob@example.org", "<\"bob\"@example.org>", true},
        {"bob@example.org", "<\"\\b\\o\\b\"@example.org.>", true},
        {"bob@example.org", "<bob+x@example.org>", false},
        {"bob@example.org", "<evil-bob@example.org>", false},
        {"bob@example.org", "<bob@sub.example.org>", false},
        {"bob@example.org", "<\"bob \"@example.org>", false},
        {"bob@example.org", "<bob>", false},
        {"*", "<bob@example.org>", true},
        {"*", "<bob>", true},
        {"*", "<>", true},
        {"<>", "<>", true},
        {"<>", "", true},
        {"<>", "<root>", false},
        {"<>", "<MAILER-DAEMON@example.org>", false},
    }));
    CAPTURE(pattern, path);
    CHECK(matches(pattern, path) == match);
}

TEST_CASE("Rule::parse refuses what it does not know, and says what it could be", "[policy]") {
    struct Case {
        const char* text;
        const char* said;
    };
    const auto [text, said] = GENERATE(values<Case>({
        {"", "does not say require, prefer or never"},
        {"   ", "does not say require, prefer or never"},
        {"to=@example.org", "does not say require, prefer or never"},
        {"encrypt",
         "'encrypt' is not a word of a rule; it could be one of: to=PATTERN, from=PATTERN, require, prefer"},
        {"Require", "'Require'"},
        {"require,", "'require,'"},
        {"require pgp", "'pgp'"},
        {"require tls", "'tls'"},
        {"recipient=@example.org require", "'recipient=@example.org'"},
        {"To=@example.org require", "'To=@example.org'"},
        {"=@example.org require", "'=@example.org'"},
        {"to =@example.org require", "'to'"},
        {"to= @example.org require", "'' after to= is not a pattern"},
        {"@example.org require", "'@example.org'"},
        {"to=example.org require", "'example.org' after to= is not a pattern"},
        {"to=example.org require", "write @example.org for every address"},
        {"to=*@example.org require", "write @example.org for every address"},
        {"from=*@example.org require", "after from= is not a pattern"},
        {"to=<> never", "a recipient is never the null reverse-path"},
        {"to=\"bob@example.org require", "a quotation mark has no partner"},
        {"require require", "'require' is one too many: only one of require, prefer and never"},
        {"require never", "'never' is one too many"},
        {"require openpgp smime", "'smime' is one too many: only one of openpgp, smime and any"},
        {"require any openpgp", "'openpgp' is one too many"},
        {"to=@a.example to=@b.example require", "'to=' is given twice"},
        {"from=* from=* require", "'from=' is given twice"},
        {"require defer defer", "'defer' is given twice"},
        {"prefer clear-if-unusable clear-if-unusable", "'clear-if-unusable' is given twice"},
        {"require clear-if-unusable", "contradicts 'require'"},
        {"never clear-if-unusable", "'never' sends in clear"},
        {"never openpgp", "'never' sends in clear"},
        {"never defer", "'never' sends in clear"},
        {"prefer defer clear-if-unusable", "defer has no effect"},
        {"prefer gcm gcm", "'gcm' is given twice"},
        {"prefer hide-subject hide-subject", "'hide-subject' is given twice"},
        {"never gcm", "'never' sends in clear"},
        {"never hide-subject", "'never' sends in clear"},
        {"prefer openpgp gcm", "have no effect beside 'openpgp'"},
        {"require hide-subject openpgp", "have no effect beside 'openpgp'"},
        {"require \x1b[31m", "'?[31m'"},
    }));
    CAPTURE(text);
    const auto error = error_of(text);
    CAPTURE(error);
    CHECK(mentions(error, said));
}

TEST_CASE("Rule::parse reads the grammar, and to_string() writes it", "[policy]") {
    struct Case {
        const char* text;
        const char* printed;
    };
    const auto [text, printed] = GENERATE(values<Case>({
        {"require", "require"},
        {"never", "never"},
        {"never any", "never"},
        {"prefer any", "prefer"},
        {"to=* prefer", "to=* prefer"},
        {"  to=@Example.org \t require   openpgp ", "to=@example.org require openpgp"},
        {"from=<> never", "from=<> never"},
        {"from=@.example.org to=bob@example.net require smime defer",
         "to=bob@example.net from=@.example.org require smime defer"},
        {"defer openpgp prefer to=@example.org", "to=@example.org prefer openpgp defer"},
        {"prefer clear-if-unusable", "prefer clear-if-unusable"},
        {"hide-subject defer gcm smime require", "require smime gcm hide-subject defer"},
        {"to=\"john smith\"@example.org never", "to=\"john smith\"@example.org never"},
        {"to=\"a\\\" require\"@example.org never", "to=\"a\\\" require\"@example.org never"},
        {"to=a=b@example.org require", "to=a=b@example.org require"},
        {"to=#a#b@example.org require", "to=#a#b@example.org require"},
    }));
    CAPTURE(text);
    const auto rule = Rule::parse(text);
    CHECK(rule.to_string() == printed);
    CHECK(Rule::parse(rule.to_string()) == rule);
}

TEST_CASE("a rule matches where both of its patterns do", "[policy]") {
    struct Case {
        const char* rule;
        const char* to;
        const char* from;
        bool match;
    };
    const auto [text, to, from, match] = GENERATE(values<Case>({
        {"never", "<bob@example.org>", "<alice@example.net>", true},
        {"never", "<bob>", "<>", true},
        {"to=@example.org never", "<bob@example.org>", "<alice@example.net>", true},
        {"to=@example.org never", "<alice@example.net>", "<bob@example.org>", false},
        {"from=@example.org never", "<bob@example.org>", "<alice@example.net>", false},
        {"to=@example.org from=@example.net never", "<bob@example.org>", "<alice@example.net>", true},
        {"to=@example.org from=@example.net never", "<bob@example.org>", "<alice@example.com>", false},
        {"to=@example.org from=@example.net never", "<bob@example.com>", "<alice@example.net>", false},
        {"from=<> never", "<bob@example.org>", "<>", true},
        {"from=<> never", "<bob@example.org>", "<root>", false},
        {"from=* never", "<bob@example.org>", "<>", true},
        // The MTA makes addresses of these later. Their spelling must not be a way around a rule ...
        {"to=@example.org require", "<bob>", "<alice@example.net>", true},
        {"to=bob@example.org require", "<carol%example.org@localhost>", "<alice@example.net>", true},
        {"from=@example.net require", "<bob@example.org>", "<alice>", true},
        {"from=@example.net require", "<bob@example.org>", "< alice@example.net>", true},
        {"to=@example.org from=@example.net require", "<bob>", "<alice@example.com>", false},
        {"to=@example.org from=@example.net require", "<bob@example.com>", "<alice>", false},
        // ... and not a way into a laxer one.
        {"to=@example.org never", "<bob>", "<alice@example.net>", false},
        {"to=@example.org prefer", "<bob>", "<alice@example.net>", false},
        {"from=@example.net never", "<bob@example.org>", "<alice>", false},
        // The null reverse-path is known for what it is.
        {"from=@example.net require", "<bob@example.org>", "<>", false},
    }));
    CAPTURE(text, to, from);
    CHECK(Rule::parse(text).matches(Path::from(to), Path::from(from)) == match);
}

TEST_CASE("a rule matches everything only without a pattern that could fail", "[policy]") {
    for (const auto* text : {"never", "to=* never", "from=* prefer", "to=* from=* require openpgp"}) {
        CAPTURE(text);
        CHECK(Rule::parse(text).matches_everything());
    }
    for (const auto* text :
         {"to=@example.org never", "to=* from=<> never", "to=bob@example.org from=* never"}) {
        CAPTURE(text);
        CHECK_FALSE(Rule::parse(text).matches_everything());
    }
}

TEST_CASE("without a rule, everybody is preferred to be sealed to", "[policy]") {
    CHECK(policy::default_rule().to_string() == "to=* prefer");
    CHECK(policy::default_rule().matches_everything());
}
