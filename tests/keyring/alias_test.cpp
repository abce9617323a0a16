#include "base/error.hpp"
#include "base/file.hpp"
#include "keyring/keyring.hpp"
#include "tests/support/bindings.hpp"
#include "tests/support/catch.hpp"

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <map>

using namespace lockbox;
using namespace lockbox::keyring;

namespace {

using Texts = std::vector<std::string>;

constexpr Time noon{std::chrono::seconds(1'780'315'200)};

mail::Address address(const std::string& text) {
    return *mail::Address::parse(text);
}

std::vector<mail::Address> addresses(const Texts& texts) {
    std::vector<mail::Address> parsed;
    for (const auto& text : texts) {
        parsed.push_back(address(text));
    }
    return parsed;
}

AliasName name(const std::string& text) {
    return *AliasName::parse(text);
}

/// Aliases without a database.
class Aliases {
public:
    Aliases& add(const std::string& text, const Texts& members) {
        aliases_.emplace(text, Alias{name(text), addresses(members), std::nullopt});
        return *this;
    }
    [[nodiscard]] Expansion expand(const std::string& text) const {
        return keyring::expand(address(text), [this](const mail::Address& one) -> const Alias* {
            const auto found = aliases_.find(one.folded());
            return found != aliases_.end() ? &found->second : nullptr;
        });
    }
    [[nodiscard]] Texts members(const std::string& text) const {
        Texts texts;
        for (const auto& member : expand(text).members) {
            texts.push_back(member.address.to_string());
        }
        return texts;
    }

private:
    std::map<std::string, Alias> aliases_;
};

Entry entry(const std::string& fingerprint, const Texts& of) {
    Entry made;
    made.certificate = {crypto::Protocol::openpgp, fingerprint, "bytes of " + fingerprint, {}};
    made.algorithm = "ed25519";
    made.created = noon;
    made.bindings = test::bindings(of);
    made.imported = noon;
    made.updated = noon;
    return made;
}

/// A keyring with the certificates AAAA of a@example.org and BBBB of b@example.org.
struct Place {
    TemporaryDirectory directory;
    Location location{(directory.path() / "k.db").string()};
    Keyring keyring = Keyring::open(location, Access::create);

    Place() {
        REQUIRE(keyring.store(entry("AAAA", {"a@example.org"}), {}, noon));
        REQUIRE(keyring.store(entry("BBBB", {"b@example.org"}), {}, noon));
    }
    [[nodiscard]] Keyring another() const { return Keyring::open(location, Access::read); }
    AliasChange add(const std::string& alias, const Texts& members) {
        return keyring.add_members(name(alias), addresses(members), noon);
    }
    [[nodiscard]] std::optional<Alias> alias(const std::string& text) { return keyring.alias(name(text)); }
};

template <typename Work>
Error error_of(Work&& work) {
    try {
        work();
    } catch (const Error& error) {
        return error;
    }
    FAIL("no error");
    return {ErrorKind::io, ""};
}

bool mentions(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

} // namespace

// --- Names ---

TEST_CASE("a name is an address or a domain, in one form for all its spellings", "[keyring]") {
    CHECK(name("Team@Example.ORG.").text() == "Team@example.org");
    CHECK(name("Team@Example.ORG.").folded() == "team@example.org");
    CHECK_FALSE(name("team@example.org").is_domain());
    CHECK(name("@Partner.Example").text() == "@partner.example");
    CHECK(name("@partner.example").is_domain());
    CHECK(name("@b\xC3\xBC"
               "cher.example") == name("@xn--bcher-kva.example"));
    CHECK(AliasName::of_domain(address("Bob@partner.example")) == name("@partner.example"));
    CHECK(name("\"@a\"@example.org").text() == "\"@a\"@example.org"); // no domain, whatever it begins with
    for (const auto* wrong : {"", "@", "team", "partner.example", "@.partner.example", "@a@b", "*"}) {
        CAPTURE(wrong);
        CHECK_FALSE(AliasName::parse(wrong).has_value());
    }
}

// --- Expansion ---

TEST_CASE("an address that is no alias for others comes down to itself", "[keyring]") {
    const Aliases none;
    CHECK(none.expand("bob@example.org") == Expansion{{{address("bob@example.org"), {}}}, {}});
}

TEST_CASE("an alias comes down to its members and theirs, each once, by the first way", "[keyring]") {
    Aliases aliases;
    aliases.add("all@x.example", {"one@x.example", "two@x.example", "carol@x.example"})
        .add("one@x.example", {"bob@x.example", "carol@x.example"})
        .add("two@x.example", {"one@x.example", "dan@x.example"});
    const auto expansion = aliases.expand("All@x.example");
    CHECK(expansion.problem.empty());
    CHECK(expansion.members ==
          std::vector<Member>{{address("bob@x.example"), addresses({"All@x.example", "one@x.example"})},
                              {address("carol@x.example"), addresses({"All@x.example", "one@x.example"})},
                              {address("dan@x.example"), addresses({"All@x.example", "two@x.example"})}});
}

TEST_CASE("a loop, a depth and a number without end are problems, not crashes", "[keyring]") {
    Aliases aliases;
    SECTION("itself") {
        aliases.add("a@x.example", {"a@x.example"});
        CHECK(aliases.expand("a@x.example").problem ==
              "the alias leads back to itself: a@x.example > a@x.example");
    }
    SECTION("through another, in another spelling") {
        aliases.add("a@x.example", {"bob@x.example", "b@x.example"}).add("b@x.example", {"A@x.example"});
        CHECK(aliases.expand("b@x.example").problem ==
              "the alias leads back to itself: b@x.example > A@x.example > b@x.example");
    }
    SECTION("as deep as may be, and deeper") {
        for (std::size_t i = 0; i < alias_depth_max; ++i) {
            aliases.add(std::to_string(i) + "@x.example", {std::to_string(i + 1) + "@x.example"});
        }
        CHECK(aliases.members("0@x.example") == Texts{std::to_string(alias_depth_max) + "@x.example"});
        aliases.add("top@x.example", {"0@x.example"});
        CHECK(mentions(aliases.expand("top@x.example").problem, "nested more than 10 deep"));
    }
    SECTION("as many as may be, and one more") {
        Texts members;
        for (std::size_t i = 1; i < alias_expansion_max; ++i) {
            members.push_back(std::to_string(i) + "@x.example");
        }
        aliases.add("a@x.example", members).add("b@x.example", {"a@x.example"});
        CHECK(aliases.members("a@x.example").size() == members.size());
        CHECK(mentions(aliases.expand("b@x.example").problem, "more than 1000 addresses"));
        CHECK(aliases.expand("b@x.example").members.empty());
    }
}

// --- In the keyring ---

TEST_CASE("an alias for addresses comes back as it was made, and grows", "[keyring]") {
    Place place;
    const auto made = place.add("Team@Example.org", {"a@example.org", "c@example.org", "a@EXAMPLE.org"});
    CHECK(made.stored == Stored::added);
    CHECK_FALSE(made.before.has_value());
    const Alias expected{name("Team@example.org"), addresses({"a@example.org", "c@example.org"}), {}};
    CHECK(made.after == expected);
    CHECK(place.another().alias(name("tEAM@example.org")) == expected);

    CHECK(place.add("team@example.org", {"c@example.org"}).stored == Stored::unchanged);
    const auto grown = place.add("team@example.org", {"b@example.org"});
    CHECK(grown.stored == Stored::updated);
    CHECK(grown.before == expected);
    CHECK(grown.after.name == expected.name); // as it was written first
    CHECK(grown.after.members == addresses({"a@example.org", "c@example.org", "b@example.org"}));

    const auto members = addresses({"c@example.org", "a@example.org"});
    CHECK(place.keyring.remove_members(name("team@example.org"), members, noon).after.members ==
          addresses({"b@example.org"}));
    CHECK(place.keyring.remove_alias(name("TEAM@example.org"), noon).has_value());
    CHECK_FALSE(place.keyring.remove_alias(name("team@example.org"), noon).has_value());
    CHECK_FALSE(place.alias("team@example.org").has_value());
}

TEST_CASE("members are removed all or none, and the last one with the alias only", "[keyring]") {
    Place place;
    place.add("team@example.org", {"a@example.org", "b@example.org"});
    const auto before = place.alias("team@example.org");
    const auto remove = [&](const std::string& alias, const Texts& members) {
        return error_of([&] { place.keyring.remove_members(name(alias), addresses(members), noon); });
    };
    CHECK(remove("team@example.org", {"a@example.org", "x@example.org"}).kind() == ErrorKind::no_certificate);
    CHECK(remove("team@example.org", {"a@example.org", "b@example.org"}).kind() == ErrorKind::usage);
    CHECK(remove("nobody@example.org", {"a@example.org"}).kind() == ErrorKind::no_certificate);
    CHECK(place.alias("team@example.org") == before);
}

TEST_CASE("an alias for a certificate takes another one in one step", "[keyring]") {
    Place place;
    CHECK(place.keyring.set_certificate(name("role@example.org"), "AAAA", noon).stored == Stored::added);
    CHECK(place.keyring.set_certificate(name("role@example.org"), "AAAA", noon).stored == Stored::unchanged);
    const auto changed = place.keyring.set_certificate(name("Role@example.org"), "BBBB", noon);
    CHECK(changed.stored == Stored::updated);
    REQUIRE((changed.before && changed.before->certificate));
    CHECK(changed.before->certificate->certificate.fingerprint == "AAAA");
    CHECK(changed.after.name.text() == "role@example.org");
    CHECK(place.alias("role@example.org")->certificate == place.keyring.by_fingerprint("BBBB"));
    CHECK(error_of([&] { place.keyring.set_certificate(name("role@example.org"), "CCCC", noon); }).kind() ==
          ErrorKind::no_certificate);
}

TEST_CASE("an alias does not become another kind of alias unasked", "[keyring]") {
    Place place;
    place.add("team@example.org", {"a@example.org"});
    place.keyring.set_certificate(name("role@example.org"), "AAAA", noon);
    for (const auto& error :
         {error_of([&] { place.keyring.set_certificate(name("team@example.org"), "AAAA", noon); }),
          error_of([&] { place.add("role@example.org", {"b@example.org"}); }),
          error_of([&] { place.add("@example.org", {"b@example.org"}); })}) {
        CHECK(error.kind() == ErrorKind::usage);
        CHECK(mentions(error.hint(), "lockbox alias"));
    }
}

TEST_CASE("look_up finds an address's alias, its domain's and its certificates", "[keyring]") {
    Place place;
    place.keyring.set_certificate(name("@example.org"), "BBBB", noon);
    place.keyring.set_certificate(name("A@example.org"), "BBBB", noon);
    place.add("team@example.com", {"a@example.org"});
    const auto known = place.keyring.look_up(address("a@example.org"));
    CHECK(known.bound.size() == 1);
    CHECK(known.alias == place.alias("a@example.org"));
    CHECK(known.domain_alias == place.alias("@example.org"));
    CHECK(place.keyring.look_up(address("x@example.com")) == Known());
    CHECK(place.keyring.look_up(address("x@sub.example.org")) == Known());
    CHECK(place.keyring.look_up(address("Team@example.com")).alias->members == addresses({"a@example.org"}));

    Texts names;
    place.keyring.for_each_alias([&](const Alias& alias) { names.push_back(alias.name.text()); });
    CHECK(names == Texts{"@example.org", "A@example.org", "team@example.com"});
}

TEST_CASE("what a connection remembers of aliases is never old", "[keyring]") {
    Place place;
    auto reader = place.another();
    const auto team = address("team@example.org");
    CHECK_FALSE(reader.look_up(team).alias.has_value());
    place.add("team@example.org", {"a@example.org"});
    CHECK(reader.look_up(team).alias.has_value());
    place.add("team@example.org", {"b@example.org"});
    CHECK(reader.look_up(team).alias->members.size() == 2);
    CHECK(place.keyring.look_up(team).alias->members.size() == 2);
    reader.remove_alias(name("team@example.org"), noon);
    CHECK(reader.look_up(team) == Known());
    CHECK(place.keyring.look_up(team) == Known());

    // The certificate that an alias stands for is renewed.
    place.keyring.set_certificate(name("@example.com"), "AAAA", noon);
    const auto somebody = address("x@example.com");
    CHECK_FALSE(reader.look_up(somebody).domain_alias->certificate->revoked);
    auto revoked = entry("AAAA", {"a@example.org"});
    revoked.revoked = true;
    REQUIRE(place.keyring.store(revoked, place.keyring.by_fingerprint("AAAA"), noon) == Stored::updated);
    CHECK(reader.look_up(somebody).domain_alias->certificate->revoked);
}

TEST_CASE("a certificate that an alias stands for is not removed, and the alias is named", "[keyring]") {
    Place place;
    place.keyring.set_certificate(name("role@example.org"), "AAAA", noon);
    const auto error = error_of([&] { place.keyring.remove("AAAA", noon); });
    CHECK(error.kind() == ErrorKind::usage);
    CHECK(mentions(error.what(), "role@example.org"));
    CHECK(mentions(error.hint(), "lockbox alias remove role@example.org"));
    CHECK(place.keyring.by_fingerprint("AAAA").has_value());
    place.keyring.set_certificate(name("role@example.org"), "BBBB", noon);
    CHECK(place.keyring.remove("AAAA", noon));
}

TEST_CASE("an alias that would spoil an expansion is not made", "[keyring]") {
    Place place;
    place.add("a@example.org", {"b@example.org"});
    SECTION("a loop") {
        const auto error = error_of([&] { place.add("B@example.org", {"c@example.org", "A@example.org"}); });
        CHECK(error.kind() == ErrorKind::usage);
        CHECK(mentions(error.what(), "leads back to itself"));
        CHECK_FALSE(place.alias("b@example.org").has_value());
    }
    SECTION("a loop of one") {
        CHECK(error_of([&] { place.add("c@example.org", {"C@example.org"}); }).kind() == ErrorKind::usage);
    }
    SECTION("a depth that only an alias above it reaches") {
        for (std::size_t i = 1; i < alias_depth_max - 1; ++i) {
            place.add(std::to_string(i) + "@example.org", {std::to_string(i + 1) + "@example.org"});
        }
        place.add("b@example.org", {"1@example.org"});
        const auto error = error_of(
            [&] { place.add(std::to_string(alias_depth_max - 1) + "@example.org", {"end@example.org"}); });
        CHECK(mentions(error.what(), "a@example.org: aliases are nested more than 10 deep"));
    }
    SECTION("too many members") {
        Texts members;
        for (std::size_t i = 0; i <= alias_members_max; ++i) {
            members.push_back(std::to_string(i) + "@example.org");
        }
        CHECK(error_of([&] { place.add("many@example.org", members); }).kind() == ErrorKind::usage);
        CHECK_FALSE(place.alias("many@example.org").has_value());
    }
}

TEST_CASE("changes of aliases are recorded", "[keyring]") {
    Place place;
    place.add("team@example.org", {"a@example.org"});
    place.add("team@example.org", {"b@example.org"});
    place.keyring.set_certificate(name("@example.com"), "AAAA", noon);
    place.keyring.remove_alias(name("@example.com"), noon);
    soci::session sql(soci::sqlite3, "db=" + place.location.path);
    Texts changes;
    const soci::rowset<soci::row> rows =
        (sql.prepare
         << "SELECT what, fingerprint, addresses FROM change WHERE what LIKE 'alias%' ORDER BY rowid");
    for (const auto& row : rows) {
        changes.push_back(row.get<std::string>(0) + "|" + row.get<std::string>(1) + "|" +
                          row.get<std::string>(2));
    }
    CHECK(changes == Texts{"alias new||team@example.org a@example.org",
                           "alias updated||team@example.org a@example.org b@example.org",
                           "alias new|AAAA|@example.com", "alias removed|AAAA|@example.com"});
}

TEST_CASE("a damaged alias is an error, not an alias for nobody", "[keyring]") {
    Place place;
    place.add("team@example.org", {"a@example.org"});
    place.keyring.set_certificate(name("role@example.org"), "AAAA", noon);
    soci::session sql(soci::sqlite3, "db=" + place.location.path);
    const auto damage = GENERATE(
        as<std::string>{}, "DELETE FROM alias_member", "UPDATE alias_member SET address = 'nonsense'",
        "UPDATE alias SET name = 'nonsense'", "UPDATE alias SET name = 'other@example.org'",
        "UPDATE alias SET certificate = 'AAAA' WHERE certificate IS NULL",
        "UPDATE alias SET certificate = NULL", "DELETE FROM certificate");
    CAPTURE(damage);
    sql << damage;
    const auto error = error_of([&] {
        (void)place.keyring.look_up(address("team@example.org"));
        (void)place.keyring.look_up(address("role@example.org"));
    });
    CHECK(error.kind() == ErrorKind::malformed);
    CHECK(mentions(error.what(), place.location.path));
}
