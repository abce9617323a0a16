#include "base/file.hpp"
#include "keyring/import.hpp"
#include "milter/session.hpp"
#include "policy/way_out.hpp"
#include "tests/support/data.hpp"
#include "tests/support/fake_mta.hpp"

#include <fmt/format.h>

#include <array>
#include <future>
#include <thread>

using namespace lockbox;
using namespace lockbox::milter;

namespace {

const Tick still_there = [] { return true; };

constexpr std::size_t small = 100'000;

Settings settings_with(std::vector<std::string> rules = {}) {
    Settings settings;
    for (const auto& rule : rules) {
        settings.policy.rules.push_back(policy::Rule::parse(rule));
    }
    settings.message_octets_max = small;
    settings.time_budget = std::chrono::seconds(60);
    return settings;
}

/// A filter over a keyring that has alice and bob, and one connection to it.
struct World {
    explicit World(Settings settings = settings_with())
        : filter(std::move(settings), location, 4, [] { return test::test_now; }) {
        auto keyring = keyring::Keyring::open(location, keyring::Access::create);
        crypto::Sealer sealer;
        for (const auto* name : {"alice", "bob"}) {
            const auto results =
                keyring::import_certificates(test::openpgp(name), name, keyring, sealer, test::test_now);
            REQUIRE(results.at(0).outcome == keyring::Outcome::added);
        }
    }

    /// One message from this machine.
    Handled send(const std::vector<std::string>& recipients, const std::string& body = "the body\r\n") {
        CHECK_FALSE(session.begin("<carol@example.org>", {}, {}).has_value());
        for (const auto& recipient : recipients) {
            session.recipient(recipient, {});
        }
        session.header_field("To", " alice@example.org, bob@example.org");
        session.header_field("Subject", " the subject");
        session.body(body.substr(0, body.size() / 2));
        session.body(body.substr(body.size() / 2));
        return session.end("4ABC", still_there);
    }

    TemporaryDirectory directory;
    keyring::Location location{(directory.path() / "k.db").string()};
    Filter filter;
    Session session{filter};
};

std::string attribute(const Handled& handled, std::string_view name) {
    for (const auto& [key, value] : handled.attributes) {
        if (key == name) {
            return value;
        }
    }
    return "(absent)";
}

template <typename T>
T verdict(const Handled& handled) {
    REQUIRE(std::holds_alternative<T>(handled.verdict));
    return std::get<T>(handled.verdict);
}

} // namespace

TEST_CASE("A message to somebody with a certificate is edited, and the log says to what", "[milter]") {
    World world;
    const auto handled = world.send({"<alice@example.org>"});
    const auto edit = verdict<Edit>(handled);
    CHECK(edit.body.find("-----BEGIN PGP MESSAGE-----") != std::string::npos);
    CHECK(edit.body.find("the body") == std::string::npos);
    CHECK(handled.event == "sealed");
    CHECK(attribute(handled, "copies") == "1");
    CHECK(attribute(handled, "protocol") == "openpgp");
    CHECK(attribute(handled, "fingerprints") == test::certificate("alice").fingerprint);
    CHECK(attribute(handled, "tls") == "none");
    CHECK(attribute(handled, "ms") != "(absent)");
    for (const auto& [key, value] : handled.attributes) {
        CHECK(value.find("subject") == std::string::npos);
    }
}

TEST_CASE("Named recipients share one copy, hidden ones would need another: deferred, with the reason",
          "[milter]") {
    World world;
    CHECK(attribute(world.send({"<alice@example.org>", "<bob@example.org>"}), "copies") == "1");
    World hidden;
    CHECK_FALSE(hidden.session.begin("<carol@example.org>", {}, {}).has_value());
    hidden.session.recipient("<alice@example.org>", {});
    hidden.session.recipient("<bob@example.org>", {});
    hidden.session.header_field("To", " alice@example.org");
    hidden.session.body("text");
    const auto handled = hidden.session.end("4ABC", still_there);
    const auto defer = verdict<Defer>(handled);
    CHECK(defer.reply.code == "451");
    CHECK(defer.reply.text.find("2 different copies") != std::string::npos);
}

TEST_CASE("Refusals name every recipient with the reason, to the sender and in the log", "[milter]") {
    World world(settings_with({"to=* require"}));
    const auto handled = world.send({"<alice@example.org>", "<eve@example.net>", "<mallory@example.net>"});
    const auto refuse = verdict<Refuse>(handled);
    CHECK(refuse.reply.code == "550");
    for (const auto* name : {"<eve@example.net>: no certificate", "<mallory@example.net>: no certificate"}) {
        CHECK(refuse.reply.text.find(name) != std::string::npos);
        CHECK(attribute(handled, "reason").find(name) != std::string::npos);
    }
    CHECK(refuse.reply.text.find("alice") == std::string::npos);
}

TEST_CASE("Without a rule, somebody without a certificate gets the message as it is", "[milter]") {
    World world;
    CHECK(verdict<Pass>(world.send({"<eve@example.net>"})) == Pass{});
}

TEST_CASE("A message for more recipients than are recorded is refused for good, with the number",
          "[milter]") {
    World world(settings_with({"never"}));
    CHECK_FALSE(world.session.begin("<carol@example.org>", {}, {}).has_value());
    SECTION("by their number") {
        for (std::size_t i = 0; i <= policy::recipients_max; ++i) {
            world.session.recipient(fmt::format("<r{}@example.net>", i), {});
        }
    }
    SECTION("by their octets") {
        const auto parameter = "ORCPT=rfc822;" + std::string(100'000, 'x');
        for (std::size_t i = 0; i <= policy::recipients_octets_max / parameter.size(); ++i) {
            world.session.recipient(fmt::format("<r{}@example.net>", i), {parameter});
        }
    }
    const auto refuse = verdict<Refuse>(world.session.end("4ABC", still_there));
    CHECK(refuse.reply.code == "554");
    CHECK(refuse.reply.enhanced_code == "5.5.3"); // RFC 3463 §3.6: too many recipients
    CHECK(refuse.reply.text.find("more than 10000 recipients") != std::string::npos);
    // The next message on the connection starts at zero.
    CHECK(verdict<Pass>(world.send({"<eve@example.net>"})) == Pass{});
}

TEST_CASE("So many fields to remove that the MTA would not end: refused for good, and nothing is asked for",
          "[milter]") {
    World world;
    for (const auto more : {std::size_t{0}, std::size_t{1}}) {
        CHECK_FALSE(world.session.begin("<carol@example.org>", {}, {}).has_value());
        world.session.recipient("<alice@example.org>", {});
        for (std::size_t i = 0; i < policy::field_edits_most + more; ++i) {
            world.session.header_field("X-Own", " x");
        }
        world.session.body("text\r\n");
        const auto handled = world.session.end("4ABC", still_there);
        if (more == 0) {
            CHECK(verdict<Edit>(handled).header.changes.size() == policy::field_edits_most);
            continue;
        }
        const auto refuse = verdict<Refuse>(handled);
        CHECK(refuse.reply.code == "554");
        CHECK(refuse.reply.enhanced_code == "5.6.0"); // RFC 3463 §3.7: its content
        CHECK(refuse.reply.text.find("more than 1000 header fields") != std::string::npos);
    }
}

TEST_CASE("A second message on one connection starts empty", "[milter]") {
    World world;
    const auto first = world.send({"<alice@example.org>"}, std::string(5000, 'x'));
    CHECK(std::holds_alternative<Edit>(first.verdict));
    CHECK_FALSE(world.session.begin("<>", {}, {}).has_value());
    world.session.recipient("<eve@example.net>", {});
    CHECK(std::holds_alternative<Pass>(
        world.session.end("4ABD", still_there).verdict)); // alice is not among its recipients
}

TEST_CASE("An aborted message leaves nothing to the next one", "[milter]") {
    World world;
    CHECK_FALSE(world.session.begin("<carol@example.org>", {}, {}).has_value());
    world.session.recipient("<bob@example.org>", {});
    world.session.body(std::string(small, 'x'));
    world.session.reset();
    CHECK(attribute(world.send({"<alice@example.org>"}), "fingerprints") ==
          test::certificate("alice").fingerprint);
}

TEST_CASE("An end without a beginning, or after a failure, is deferred", "[milter]") {
    World world;
    CHECK(verdict<Defer>(world.session.end("", still_there)).reply.code == "451");
    CHECK_FALSE(world.session.begin("<carol@example.org>", {}, {}).has_value());
    world.session.recipient("<alice@example.org>", {});
    world.session.mark_failed();
    CHECK(verdict<Defer>(world.session.end("", still_there)) == defer_for_a_fault());
    CHECK(std::holds_alternative<Edit>(
        world.send({"<alice@example.org>"}).verdict)); // the next one is well again
}

TEST_CASE("A message over the limit is refused with the limit named, one at the limit is not", "[milter]") {
    World world;
    const auto refuse = verdict<Refuse>(world.send({"<alice@example.org>"}, std::string(small, 'x')));
    CHECK(refuse.reply.code == "552");
    CHECK(refuse.reply.enhanced_code == "5.3.4");
    CHECK(refuse.reply.text.find(std::to_string(small)) != std::string::npos);
    // Each field with its colon and its line end.
    const std::string_view fields = "To: alice@example.org, bob@example.org\r\nSubject: the subject\r\n";
    CHECK(std::holds_alternative<Edit>(
        world.send({"<alice@example.org>"}, std::string(small - fields.size(), 'x')).verdict));
    CHECK(std::holds_alternative<Refuse>(
        world.send({"<alice@example.org>"}, std::string(small - fields.size() + 1, 'x')).verdict));
    CHECK(std::holds_alternative<Pass>(
        world.send({"<eve@example.net>"}, std::string(small, 'x')).verdict)); // not ours to limit
}

TEST_CASE("A message that asks to do without TLS is refused where TLS is wanted and there is no way back",
          "[milter]") {
    const auto send = [](World& world, const std::string& recipient, const std::string& before) {
        CHECK_FALSE(world.session.begin("<carol@example.org>", {}, {}).has_value());
        world.session.recipient(recipient, {});
        world.session.header_field("X-Filler", before);
        world.session.header_field("tls-required", " No");
        world.session.body("the body\r\n");
        return world.session.end("4ABC", still_there);
    };
    const auto check_refusal = [](const Handled& handled) {
        const auto refuse = verdict<Refuse>(handled);
        CHECK(refuse.reply.code == "550");
        CHECK(refuse.reply.enhanced_code == "5.7.10");
        CHECK_THAT(refuse.reply.text, Catch::Contains("TLS-Required"));
    };
    SECTION("a rule says require") {
        World world{settings_with({"to=@example.org require"})};
        check_refusal(send(world, "<alice@example.org>", " short"));
        CHECK(std::holds_alternative<Pass>(send(world, "<eve@example.net>", " short").verdict));
        CHECK(std::holds_alternative<Edit>(world.send({"<alice@example.org>"}).verdict)); // without the field
    }
    SECTION("inbound-tls = require, and a message that would pass, of any size") {
        auto settings = settings_with();
        settings.policy.inbound_tls = policy::InboundTls::require;
        World world{std::move(settings)};
        check_refusal(send(world, "<eve@example.net>", " short"));
        // The field stands where nothing is recorded any more.
        check_refusal(send(world, "<eve@example.net>", std::string(small + 1, 'x')));
        CHECK(std::holds_alternative<Pass>(world.send({"<eve@example.net>"}).verdict));
    }
}

TEST_CASE("In a message that is too large no field is compared with all that came before", "[milter]") {
    World world; // it would not come to an end
    CHECK_FALSE(world.session.begin("<carol@example.org>", {}, {}).has_value());
    world.session.recipient("<eve@example.net>", {});
    for (std::size_t i = 0; i < small / 5; ++i) {
        world.session.header_field("a", "");
    }
    world.session.header_field("a", std::string(small, 'x'));
    for (std::size_t i = 0; i < 1'000'000; ++i) {
        world.session.header_field("TLS-Required", " no");
    }
    CHECK(std::holds_alternative<Pass>(world.session.end("4ABC", still_there).verdict));
}

TEST_CASE("Where TLS is required, a remote client without it is refused at MAIL", "[milter]") {
    auto settings = settings_with();
    settings.policy.inbound_tls = policy::InboundTls::require;
    World world(settings);
    world.session.connect("client.example.net", "192.0.2.1");
    const auto refuse = world.session.begin("<carol@example.org>", {}, {"carol", "", "", ""});
    REQUIRE(refuse.has_value());
    CHECK(refuse->reply.code == "530");
    CHECK_FALSE(world.session.begin("<carol@example.org>", {}, {"carol", "TLSv1.3", "", ""}).has_value());
    world.session.recipient("<alice@example.org>", {});
    CHECK(attribute(world.session.end("4ABC", still_there), "tls") == "TLSv1.3");
}

TEST_CASE("A message keeps the settings it began with", "[milter]") {
    World world(settings_with({"to=* require"}));
    CHECK_FALSE(world.session.begin("<carol@example.org>", {}, {}).has_value());
    world.session.recipient("<eve@example.net>", {});
    world.filter.replace_settings(settings_with({"to=* never"}));
    CHECK(std::holds_alternative<Refuse>(world.session.end("4ABC", still_there).verdict));
    CHECK(std::holds_alternative<Pass>(world.send({"<eve@example.net>"}).verdict));
}

TEST_CASE("A keyring that is gone, empty or garbage defers, and says the cause in the log only", "[milter]") {
    World world;
    REQUIRE(std::holds_alternative<Edit>(
        world.send({"<alice@example.org>"}).verdict)); // a connection is at rest now
    const auto path = world.location.path;
    SECTION("gone") {
        std::filesystem::remove(path);
    }
    SECTION("replaced by garbage") {
        std::filesystem::remove(path);
        write_atomically(path, std::string(5000, 'x'));
    }
    SECTION("emptied") {
        auto keyring = keyring::Keyring::open(world.location, keyring::Access::read);
        for (const auto* name : {"alice", "bob"}) {
            REQUIRE(keyring.forget(test::certificate(name).fingerprint, test::test_now));
        }
    }
    const auto handled = world.send({"<alice@example.org>"});
    CHECK(verdict<Defer>(handled) == defer_for_a_fault());
    CHECK(attribute(handled, "error") != "(absent)");
}

TEST_CASE("An empty keyring is no reason to stop who is sent to in clear by rule", "[milter]") {
    World world(settings_with({"to=alice@example.org never"}));
    auto keyring = keyring::Keyring::open(world.location, keyring::Access::read);
    for (const auto* name : {"alice", "bob"}) {
        REQUIRE(keyring.forget(test::certificate(name).fingerprint, test::test_now));
    }
    CHECK(std::holds_alternative<Pass>(world.send({"<alice@example.org>"}).verdict));
    CHECK(verdict<Defer>(world.send({"<bob@example.org>"})) == defer_for_a_fault());
}

TEST_CASE("A message to an alias is not edited in place: its address gets nothing", "[milter]") {
    World world;
    auto keyring = keyring::Keyring::open(world.location, keyring::Access::read);
    const auto alice = *mail::Address::parse("alice@example.org");
    keyring.add_members(*keyring::AliasName::parse("team@example.org"), {alice}, test::test_now);
    for (const auto& recipients : {std::vector<std::string>{"<team@example.org>"},
                                   std::vector<std::string>{"<team@example.org>", "<alice@example.org>"}}) {
        const auto handled = world.send(recipients);
        CHECK_FALSE(std::holds_alternative<Pass>(handled.verdict));
        CHECK_FALSE(std::holds_alternative<Edit>(handled.verdict));
    }
}

TEST_CASE("An expired certificate stops the message although it was good at import", "[milter]") {
    World world;
    Filter later(settings_with(), world.location, 4,
                 [] { return Time(std::chrono::sys_days(std::chrono::year(2095) / 1 / 1)); });
    auto keyring = keyring::Keyring::open(world.location, keyring::Access::read);
    crypto::Sealer sealer;
    REQUIRE(keyring::import_certificates(test::openpgp("expiring"), "test", keyring, sealer, test::test_now)
                .at(0)
                .outcome == keyring::Outcome::added);
    Session session(later);
    CHECK_FALSE(session.begin("<carol@example.org>", {}, {}).has_value());
    session.recipient("<later@example.org>", {});
    CHECK(verdict<Refuse>(session.end("4ABC", still_there))
              .reply.text.find("<later@example.org>: certificate expired on 2090-01-01") !=
          std::string::npos);
}

TEST_CASE("When all slots are taken for longer than the budget, the message is deferred", "[milter]") {
    Slots slots(1);
    const auto first = slots.take_now(1);
    CHECK(static_cast<bool>(first));
    CHECK_FALSE(static_cast<bool>(slots.take_now(1)));
    auto settings = settings_with();
    settings.time_budget = std::chrono::seconds(0);
    World world(settings); // no time at all: the slot is free, but the message cannot be sealed in time
    CHECK(verdict<Defer>(world.send({"<alice@example.org>"})).reply.enhanced_code == "4.3.2");
}

TEST_CASE("Many connections seal at the same time", "[milter]") {
    World world;
    std::vector<std::thread> threads;
    std::atomic<unsigned> sealed = 0;
    for (unsigned i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            Session session(world.filter);
            for (unsigned message = 0; message < 10; ++message) {
                (void)session.begin("<carol@example.org>", {}, {});
                session.recipient("<alice@example.org>", {});
                session.body("text");
                sealed += std::holds_alternative<Edit>(session.end("4ABC", still_there).verdict) ? 1U : 0U;
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(sealed == 80);
}

// ── what comes back from the listener ───────────────────────────────────────────────────────────────────

namespace {

const std::string stranger = "0123456789abcdef0123456789abcdef.lockbox.invalid";

/// What send_copy() sends.
HandedOver small_copy() {
    return HandedOver::from("<carol@example.org>", {"alice@example.org"},
                            mail::HeaderSection({{"To", " alice@example.org"}, {"Subject", " x"}}), "text");
}

/// One connection to a milter that expects copies.
struct ReturnWorld : World {
    /// MAIL, as the reinjection listener shows it.
    std::optional<Refuse> begin_on(Session& connection, const std::string& daemon_name) const {
        return connection.begin("<carol@example.org>", {}, {"", "", daemon_name, ""});
    }
    /// The rest of the transaction behind MAIL.
    Handled send_copy(Session& connection, const std::string& body = "text") const {
        connection.recipient("<alice@example.org>", {});
        connection.header_field("To", " alice@example.org");
        connection.header_field("Subject", " x");
        connection.body(body.substr(0, 2));
        connection.body(body.substr(2));
        return connection.end("4ABC", still_there);
    }

    ExpectedCopies expected;
    Session returning{filter, &expected};
    const std::string listener{policy::reinjection_daemon_name};
};

} // namespace

TEST_CASE("A copy of ours that comes back is compared, written down, and let through as it is", "[milter]") {
    ReturnWorld world;
    unsigned written = 0;
    const std::string body(2 * small, 'x'); // its size is no matter
    const auto expectation = world.expected.expect(
        [&] { ++written; },
        HandedOver::from("<carol@example.org>", {"alice@example.org"},
                         mail::HeaderSection({{"Subject", " x"}, {"To", " alice@example.org"}}), body));
    world.returning.connect("localhost", "127.0.0.1");
    CHECK_FALSE(world.returning.brings_back(world.listener));
    world.returning.hello(expectation.name());
    CHECK(world.returning.brings_back(world.listener));
    CHECK_FALSE(world.returning.brings_back("smtpd"));
    CHECK_FALSE(expectation.was_met());
    CHECK_FALSE(world.begin_on(world.returning, world.listener).has_value());
    CHECK(expectation.was_met());
    CHECK(written == 0);
    const auto handled = world.send_copy(world.returning, body);
    CHECK(verdict<Pass>(handled) == Pass{});
    CHECK(written == 1);
    CHECK(handled.event == "let through");
    CHECK(handled.level == log::Level::debug);
}

TEST_CASE("What comes under the name of a copy and is not the copy is not let through", "[milter]") {
    ReturnWorld world;
    unsigned written = 0;
    auto expectation = world.expected.expect([&] { ++written; }, small_copy());
    world.returning.hello(expectation.name());
    SECTION("another body") {
        REQUIRE_FALSE(world.begin_on(world.returning, world.listener).has_value());
        const auto handled = world.send_copy(world.returning, "somebody else's text");
        CHECK(verdict<Defer>(handled) == defer_for_a_fault());
        CHECK(handled.level == log::Level::warning);
        CHECK(attribute(handled, "reason") == "a copy came back changed: the body");
    }
    SECTION("another field") {
        REQUIRE_FALSE(world.begin_on(world.returning, world.listener).has_value());
        world.returning.header_field("Content-Type", " text/html");
        const auto handled = world.send_copy(world.returning);
        CHECK(attribute(handled, "reason") == "a copy came back changed: the header field Content-Type");
    }
    SECTION("one recipient more") {
        REQUIRE_FALSE(world.begin_on(world.returning, world.listener).has_value());
        world.returning.recipient("<mallory@example.org>", {});
        CHECK(attribute(world.send_copy(world.returning), "reason") ==
              "a copy came back changed: the recipients");
    }
    SECTION("another sender") {
        REQUIRE_FALSE(
            world.returning.begin("<mallory@example.org>", {}, {"", "", world.listener, ""}).has_value());
        CHECK(attribute(world.send_copy(world.returning), "reason") ==
              "a copy came back changed: the sender");
    }
    CHECK(written == 0);
    CHECK_FALSE(expectation.withdraw());
}

TEST_CASE("Whoever else comes to the listener is refused at MAIL", "[milter]") {
    ReturnWorld world;
    const auto expectation = world.expected.expect([] {}, small_copy());
    const auto name = GENERATE(as<std::string>{}, "", "mail.example.org", stranger);
    CAPTURE(name);
    if (!name.empty()) {
        world.returning.hello(name);
    }
    const auto refuse = world.begin_on(world.returning, world.listener);
    REQUIRE(refuse.has_value());
    CHECK(refuse->reply.code == "550");
    CHECK(refuse->reply.enhanced_code == "5.7.1");
    CHECK_FALSE(expectation.was_met());
    CHECK(verdict<Defer>(world.returning.end("4ABC", still_there)) ==
          defer_for_a_fault()); // should an MTA go on
}

TEST_CASE("A name that was used once opens nothing any more", "[milter]") {
    ReturnWorld world;
    unsigned written = 0;
    const auto expectation = world.expected.expect([&] { ++written; }, small_copy());
    world.returning.hello(expectation.name());
    REQUIRE_FALSE(world.begin_on(world.returning, world.listener).has_value());
    Session other(world.filter, &world.expected);
    other.hello(expectation.name());
    SECTION("on another connection, while the copy is on its way") {
        CHECK(world.begin_on(other, world.listener).has_value());
    }
    SECTION("on another connection of the ordinary entrance: judged like any other message") {
        CHECK_FALSE(world.begin_on(other, "smtpd").has_value());
        CHECK(world.send_copy(other).event == "sealed");
    }
    SECTION("on the same connection, again before the end") {
        CHECK(world.begin_on(world.returning, world.listener).has_value());
        CHECK(verdict<Defer>(world.returning.end("4ABC", still_there)) == defer_for_a_fault());
        return;
    }
    SECTION("on the same connection, after the copy") {
        CHECK(verdict<Pass>(world.send_copy(world.returning)) == Pass{});
        world.returning.reset();
        CHECK(world.begin_on(world.returning, world.listener).has_value());
        CHECK_FALSE(world.begin_on(world.returning, "smtpd").has_value());
        CHECK(world.send_copy(world.returning).event == "sealed");
        CHECK(written == 1);
        return;
    }
    CHECK(written == 0);
    CHECK(verdict<Pass>(world.send_copy(world.returning)) == Pass{}); // the copy itself is not disturbed
    CHECK(written == 1);
}

TEST_CASE("The name of a copy opens nothing where the entrance is not the listener", "[milter]") {
    ReturnWorld world;
    const std::string entrance = GENERATE("", "smtpd", "MTA", "ORIGINATING", "Lockbox-reinject");
    CAPTURE(entrance);
    const auto expectation = world.expected.expect([] {}, small_copy());
    world.returning.hello(expectation.name());
    CHECK_FALSE(world.returning.brings_back(entrance));
    CHECK_FALSE(world.begin_on(world.returning, entrance).has_value());
    CHECK(world.send_copy(world.returning).event == "sealed");
    CHECK_FALSE(expectation.was_met());
    // The copy itself may still come.
    Session listener(world.filter, &world.expected);
    listener.hello(expectation.name());
    CHECK_FALSE(world.begin_on(listener, world.listener).has_value());
    CHECK(verdict<Pass>(world.send_copy(listener)) == Pass{});
}

TEST_CASE("A client of the ordinary entrance gets nothing by a name that it has guessed", "[milter]") {
    ReturnWorld world;
    world.returning.hello(stranger);
    CHECK_FALSE(world.returning.brings_back(world.listener));
    CHECK_FALSE(world.begin_on(world.returning, "smtpd").has_value());
    CHECK(world.send_copy(world.returning).event == "sealed");
    // Without a way back, every name is a name.
    const auto expectation = world.expected.expect([] {}, small_copy());
    world.session.hello(expectation.name());
    CHECK_FALSE(world.session.brings_back(world.listener));
    CHECK_FALSE(world.begin_on(world.session, "smtpd").has_value());
    CHECK(world.send_copy(world.session).event == "sealed");
    CHECK_FALSE(expectation.was_met());
}

TEST_CASE("A copy that is not expected any more, or was not seen whole, is not let through", "[milter]") {
    ReturnWorld world;
    unsigned written = 0;
    std::optional<ExpectedCopies::Expectation> expectation(
        world.expected.expect([&] { ++written; }, small_copy()));
    world.returning.hello(expectation->name());
    REQUIRE_FALSE(world.begin_on(world.returning, world.listener).has_value());
    SECTION("withdrawn") {
        CHECK_FALSE(expectation->withdraw());
    }
    SECTION("forgotten") {
        expectation.reset();
    }
    SECTION("a callback failed") {
        world.returning.mark_failed();
    }
    const auto handled = world.send_copy(world.returning);
    CHECK(verdict<Defer>(handled) == defer_for_a_fault());
    CHECK(handled.level == log::Level::warning);
    CHECK(written == 0);
}

TEST_CASE("A copy that cannot be written down leaves as an exception, and not as a message", "[milter]") {
    ReturnWorld world;
    auto expectation = world.expected.expect([] { throw std::runtime_error("disk full"); }, small_copy());
    world.returning.hello(expectation.name());
    REQUIRE_FALSE(world.begin_on(world.returning, world.listener).has_value());
    CHECK_THROWS_WITH(world.send_copy(world.returning), "disk full"); // the adapter answers 451
    CHECK_FALSE(expectation.withdraw());
}

// ── when the client has its answer ──────────────────────────────────────────────────────────────────────

namespace {

/// A filter that hands copies back to an MTA: alice and bob are hidden from each other.
struct HandoverWorld {
    HandoverWorld()
        : filter(
              settings(), keys.location, 4, [] { return test::test_now; }, &delivery) {}

    [[nodiscard]] Settings settings() const {
        auto made = settings_with();
        made.reinject = WayBack{mta.listener()};
        return made;
    }
    /// The same message every time.
    Handled send(Session& connection) const {
        CHECK_FALSE(connection.begin("<carol@example.org>", {}, {}).has_value());
        connection.recipient("<alice@example.org>", {});
        connection.recipient("<bob@example.org>", {});
        connection.header_field("To", " alice@example.org");
        connection.header_field("Message-ID", " <1@example.org>");
        connection.body("the text\r\n");
        auto handled = connection.end("4ABC", still_there);
        CAPTURE(attribute(handled, "reason"), attribute(handled, "error"));
        CHECK(std::holds_alternative<Discard>(handled.verdict));
        REQUIRE(handled.attempt != nullptr);
        return handled;
    }
    [[nodiscard]] std::size_t copies_for_bob() { return mta.counts()["bob@example.org"]; }

    World keys;
    TemporaryDirectory directory;
    Delivery delivery{(directory.path() / "journal.db").string()};
    test::FakeMta mta{&delivery.expected()};
    Filter filter;
    std::optional<Session> session{std::in_place, filter, &delivery.expected()};
};

} // namespace

TEST_CASE("Copies are handed over sealed, each recipient theirs, and the original is thrown away",
          "[milter]") {
    HandoverWorld world;
    const auto handled = world.send(*world.session);
    CHECK(handled.event == "sealed");
    CHECK(attribute(handled, "copies") == "2");
    CHECK(attribute(handled, "reinjected-as") == "4ABC0 4ABC1");
    for (const auto& [recipient, contents] : world.mta.delivered()) {
        CAPTURE(recipient);
        REQUIRE(contents.size() == 1);
        CHECK(contents[0].starts_with("Received: from unknown"));
        CHECK(contents[0].find("-----BEGIN PGP MESSAGE-----") != std::string::npos);
        CHECK(contents[0].find("the text") == std::string::npos);
    }
    CHECK(world.mta.counts() ==
          std::map<std::string, std::size_t>{{"alice@example.org", 1}, {"bob@example.org", 1}});
}

TEST_CASE(
    "The client may never have got its answer: the next try is told the same, and nobody gets another copy",
    "[milter]") {
    HandoverWorld world;
    {
        const auto handled = world.send(*world.session);
        const bool answered = GENERATE(true, false); // or the MTA had left
        if (answered) {
            handled.attempt->answered();
        }
    }
    const bool same_connection = GENERATE(true, false);
    Session next(world.filter, &world.delivery.expected());
    const auto handled = world.send(same_connection ? *world.session : next);
    CHECK(attribute(handled, "served-before") == "2");
    CHECK(attribute(handled, "copies") == "0");
    CHECK(world.copies_for_bob() == 1);
}

TEST_CASE("A message without Date and Message-ID gets them, sealed in place, handed back sealed and in clear",
          "[milter]") { // Sendmail adds them behind the milter
    const auto has_both = [](std::string_view content) {
        return content.find("\r\nDate: ") != std::string::npos &&
               content.find("\r\nMessage-ID: <") != std::string::npos;
    };
    HandoverWorld world;
    const auto send_to = [&](const std::vector<std::string>& recipients) {
        CHECK_FALSE(world.session->begin("<carol@example.org>", {}, {"", "", "", "mx.example.org"}));
        for (const auto& recipient : recipients) {
            world.session->recipient(recipient, {});
        }
        world.session->header_field("To", " alice@example.org");
        world.session->body("the text\r\n");
        return world.session->end("4ABC", still_there);
    };
    const auto in_place = verdict<Edit>(send_to({"<alice@example.org>"}));
    std::string appended = "\r\n";
    for (const auto& field : in_place.header.appended) {
        appended += field.name + ":" + field.body + "\r\n";
    }
    CAPTURE(appended);
    CHECK(has_both(appended));
    CHECK(verdict<Discard>(send_to({"<alice@example.org>", "<eve@example.net>"})) == Discard{});
    const auto delivered = world.mta.delivered();
    for (const auto* recipient : {"alice@example.org", "eve@example.net"}) {
        CAPTURE(recipient);
        REQUIRE(delivered.count(recipient) == 1);
        CHECK(has_both(delivered.at(recipient).at(0)));
    }
    CHECK(delivered.at("eve@example.net").at(0).find("the text") != std::string::npos);
}

TEST_CASE("What was half handed over is completed over the same way, even where one copy is left",
          "[milter]") {
    HandoverWorld world;
    world.mta.set_fault([](std::size_t copy, const std::string& moment) {
        return copy == 1 && moment == "dot" ? std::string("451 4.3.0 not now") : std::string();
    });
    const auto send_to = [&](const std::vector<std::string>& recipients) {
        CHECK_FALSE(world.session->begin("<carol@example.org>", {}, {}).has_value());
        for (const auto& recipient : recipients) {
            world.session->recipient(recipient, {});
        }
        world.session->header_field("To", " alice@example.org");
        world.session->header_field("Message-ID", " <1@example.org>");
        world.session->body("the text\r\n");
        return world.session->end("4ABC", still_there);
    };
    const auto first = send_to({"<alice@example.org>", "<bob@example.org>"});
    CHECK(verdict<Defer>(first).reply.code == "451");
    CHECK(first.event == "deferred");
    CHECK(first.attempt == nullptr);
    world.mta.set_fault({});
    // The client splits its next try: nobody who has theirs gets it edited in place.
    {
        const auto handled = send_to({"<alice@example.org>"});
        CHECK(verdict<Discard>(handled) == Discard{});
        CHECK(attribute(handled, "copies") == "0");
    }
    {
        const auto handled = send_to({"<bob@example.org>"}); // an alias might have served him
        CHECK(verdict<Discard>(handled) == Discard{});
        CHECK(attribute(handled, "copies") == "1");
    }
    CHECK(world.mta.counts() ==
          std::map<std::string, std::size_t>{{"alice@example.org", 1}, {"bob@example.org", 1}});
}

// ── a listener that hangs ───────────────────────────────────────────────────────────────────────────────

TEST_CASE("Messages that wait for the listener hold no slot: one slot is enough for all others", "[milter]") {
    const World keys;
    const TemporaryDirectory directory;
    std::promise<void> hang_up;
    const auto until_then = hang_up.get_future().share();
    constexpr std::size_t messages = 3;
    std::array<std::promise<void>, messages> connected;
    // It takes the connection, and says nothing.
    test::ScriptedServer listener([&](test::Conversation&, std::size_t number) {
        connected.at(number).set_value();
        until_then.wait();
    });
    Delivery delivery((directory.path() / "journal.db").string());
    auto settings = settings_with();
    settings.reinject = WayBack{listener.listener()};
    Filter filter(
        std::move(settings), keys.location, 1, [] { return test::test_now; }, &delivery);
    const auto send = [&](const std::string& id, const std::vector<std::string>& recipients) {
        Session session(filter, &delivery.expected());
        (void)session.begin("<carol@example.org>", {}, {});
        for (const auto& recipient : recipients) {
            session.recipient(recipient, {});
        }
        session.header_field("To", " alice@example.org");
        session.header_field("Message-ID", " <" + id + "@example.org>");
        session.body("the text\r\n");
        return session.end("4ABC", still_there);
    };
    std::vector<std::future<Handled>> waiting;
    for (std::size_t i = 0; i < messages; ++i) {
        waiting.push_back(std::async(std::launch::async, [&, i] {
            return send(std::to_string(i), {"<alice@example.org>", "<bob@example.org>"});
        }));
    }
    bool all_wait = true;
    for (auto& one : connected) {
        all_wait = all_wait && one.get_future().wait_for(std::chrono::seconds(test::patience.tv_sec)) ==
                                   std::future_status::ready;
    }
    CHECK(all_wait);
    if (all_wait) {
        CHECK(send("clear", {"<eve@example.net>"}).event == "passed");
        CHECK(send("sealed", {"<alice@example.org>"}).event == "sealed");
        for (const auto& one : waiting) {
            CHECK(one.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
        }
    }
    hang_up.set_value();
    for (auto& one : waiting) {
        CHECK(verdict<Defer>(one.get()) == defer_for_a_fault());
    }
}
