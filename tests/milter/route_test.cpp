// What a session shows to the MTA's routing; milter/verdict.hpp.
#include "base/file.hpp"
#include "keyring/import.hpp"
#include "milter/session.hpp"
#include "policy/way_out.hpp"
#include "tests/support/data.hpp"

using namespace lockbox;
using namespace lockbox::milter;

namespace {

const Tick still_there = [] { return true; };

constexpr std::size_t small = 100'000;
const std::string word = "0123456789abcdef";

Settings settings_with(std::optional<policy::RouteSecret> secret) {
    Settings settings;
    settings.route_secret = std::move(secret);
    settings.message_octets_max = small;
    settings.time_budget = std::chrono::seconds(60);
    return settings;
}

/// A filter over a keyring that has alice, and one connection to it.
struct World {
    explicit World(std::optional<policy::RouteSecret> secret = policy::RouteSecret::parse(word))
        : filter(settings_with(std::move(secret)), location, 4, [] { return test::test_now; }) {
        auto keyring = keyring::Keyring::open(location, keyring::Access::create);
        crypto::Sealer sealer;
        const auto results =
            keyring::import_certificates(test::openpgp("alice"), "alice", keyring, sealer, test::test_now);
        REQUIRE(results.at(0).outcome == keyring::Outcome::added);
    }

    Verdict send(const std::string& recipient, const std::vector<mail::HeaderField>& fields = {},
                 const std::string& body = "text\r\n", const std::string& daemon_name = {}) {
        CHECK_FALSE(session.begin("<carol@example.org>", {}, {"", "", daemon_name, ""}).has_value());
        session.recipient(recipient, {});
        for (const auto& field : fields) {
            session.header_field(field.name, field.body);
        }
        session.body(body);
        return session.end("4ABC", still_there).verdict;
    }

    TemporaryDirectory directory;
    keyring::Location location{(directory.path() / "k.db").string()};
    Filter filter;
    ExpectedCopies expected;
    Session session{filter, &expected};
};

} // namespace

TEST_CASE("With a route secret, what goes on is shown as what it is", "[milter]") {
    World world;
    const auto sealed = world.send("<alice@example.org>");
    REQUIRE(std::holds_alternative<Edit>(sealed));
    CHECK(std::get<Edit>(sealed).route == Route{0, " " + word + " sealed"});
    CHECK(world.send("<eve@example.net>") == Verdict(Pass{Form::clear, Route{0, " " + word + " clear"}}));
}

TEST_CASE("What came sealed is shown as sealed, and what only claims to be is not", "[milter]") {
    World world;
    const mail::HeaderField type{"Content-Type",
                                 " multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=x"};
    const auto body_with = [](const std::string& second) {
        return "--x\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--x\r\n"
               "Content-Type: application/octet-stream\r\n\r\n" +
               second + "\r\n--x--\r\n";
    };
    const auto message =
        read_file(std::filesystem::path(LOCKBOX_TEST_DATA) / "mail/two-recipients.asc", small);
    CHECK(world.send("<eve@example.net>", {type}, body_with(message)) ==
          Verdict(Pass{Form::sealed, Route{0, " " + word + " sealed"}}));
    CHECK(world.send("<eve@example.net>", {type}, body_with("in clear")) ==
          Verdict(Pass{Form::clear, Route{0, " " + word + " clear"}}));
}

TEST_CASE("A stranger's field is counted, to be removed, and is not sealed with the message", "[milter]") {
    World world;
    const std::vector<mail::HeaderField> forged{{"Lockbox-Route", " " + word + " sealed"},
                                                {"LOCKBOX-ROUTE", " forged"}};
    CHECK(world.send("<eve@example.net>", forged) ==
          Verdict(Pass{Form::clear, Route{2, " " + word + " clear"}}));
    const auto sealed = world.send("<alice@example.org>", forged);
    REQUIRE(std::holds_alternative<Edit>(sealed));
    CHECK(std::get<Edit>(sealed).route == Route{2, " " + word + " sealed"});
    CHECK(std::get<Edit>(sealed).header.changes ==
          std::get<Edit>(world.send("<alice@example.org>")).header.changes);
    // The next message on the connection starts at zero.
    CHECK(world.send("<eve@example.net>") == Verdict(Pass{Form::clear, Route{0, " " + word + " clear"}}));
    // It counts in a message that is too large to be sealed as well.
    CHECK(world.send("<eve@example.net>", forged, std::string(2 * small, 'x')) ==
          Verdict(Pass{Form::clear, Route{2, " " + word + " clear"}}));
}

TEST_CASE("More fields of strangers than can be removed: refused, sealed or clear", "[milter]") {
    World world;
    const std::vector<mail::HeaderField> forged(policy::field_edits_most + 1, {"Lockbox-Route", " x"});
    for (const auto* recipient : {"<eve@example.net>", "<alice@example.org>"}) {
        const auto verdict = world.send(recipient, forged);
        REQUIRE(std::holds_alternative<Refuse>(verdict));
        CHECK(std::get<Refuse>(verdict).reply.enhanced_code == "5.6.0");
        const auto oversized = world.send(recipient, forged, std::string(2 * small, 'x'));
        CHECK(std::holds_alternative<Refuse>(oversized));
    }
    const std::vector<mail::HeaderField> fewer(policy::field_edits_most, {"Lockbox-Route", " x"});
    CHECK(world.send("<eve@example.net>", fewer) ==
          Verdict(Pass{Form::clear, Route{fewer.size(), " " + word + " clear"}}));
}

TEST_CASE("One of our own copies that comes back is shown as what it was made", "[milter]") {
    World world;
    const auto form = GENERATE(Form::sealed, Form::clear);
    const auto expectation = world.expected.expect(
        [] {}, HandedOver::from("<carol@example.org>", {"alice@example.org"}, {}, "text\r\n"), form);
    world.session.hello(expectation.name());
    CHECK(world.send("<alice@example.org>", {{"Lockbox-Route", " forged"}}, "text\r\n",
                     std::string(policy::reinjection_daemon_name)) ==
          Verdict(Pass{form, route_for(form, policy::RouteSecret::parse(word), 1)}));
}

TEST_CASE("Without a route secret nothing is shown, and a field of that name is one like all others",
          "[milter]") {
    World world(std::nullopt);
    const std::vector<mail::HeaderField> field{{"Lockbox-Route", " somebody's own"}};
    CHECK(world.send("<eve@example.net>", field) == Verdict(Pass{}));
    const auto sealed = world.send("<alice@example.org>", field);
    REQUIRE(std::holds_alternative<Edit>(sealed));
    CHECK_FALSE(std::get<Edit>(sealed).route.has_value());
}
