#include "base/file.hpp"
#include "keyring/import.hpp"
#include "milter/session.hpp"
#include "tests/support/data.hpp"

#include <thread>

using namespace lockbox;
using namespace lockbox::milter;

namespace {

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
        return session.end("4ABC", [] {});
    }

    TemporaryDirectory directory;
    keyring::Location location{(directory.path() / "k.db").string()};
    Filter filter;
    InFlight in_flight;
    Session session{filter, in_flight};
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
    const auto handled = hidden.session.end("4ABC", [] {});
    const auto defer = verdict<Defer>(handled);
    CHECK(defer.reply.code == "451");
    CHECK(defer.reply.text.find("2 copies of its own") != std::string::npos);
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

TEST_CASE("A second message on one connection starts empty", "[milter]") {
    World world;
    const auto first = world.send({"<alice@example.org>"}, std::string(5000, 'x'));
    CHECK(std::holds_alternative<Edit>(first.verdict));
    CHECK_FALSE(world.session.begin("<>", {}, {}).has_value());
    world.session.recipient("<eve@example.net>", {});
    CHECK(std::holds_alternative<Pass>(
        world.session.end("4ABD", [] {}).verdict)); // alice is not among its recipients
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
    CHECK(verdict<Defer>(world.session.end("", [] {})).reply.code == "451");
    CHECK_FALSE(world.session.begin("<carol@example.org>", {}, {}).has_value());
    world.session.recipient("<alice@example.org>", {});
    world.session.mark_failed();
    CHECK(verdict<Defer>(world.session.end("", [] {})) == defer_for_a_fault());
    CHECK(std::holds_alternative<Edit>(
        world.send({"<alice@example.org>"}).verdict)); // the next one is well again
}

TEST_CASE("A message over the limit is refused with the limit named, one at the limit is not", "[milter]") {
    World world;
    const auto refuse = verdict<Refuse>(world.send({"<alice@example.org>"}, std::string(small, 'x')));
    CHECK(refuse.reply.code == "552");
    CHECK(refuse.reply.enhanced_code == "5.3.4");
    CHECK(refuse.reply.text.find(std::to_string(small)) != std::string::npos);
    CHECK(std::holds_alternative<Edit>(
        world.send({"<alice@example.org>"}, std::string(small - 200, 'x')).verdict));
    CHECK(std::holds_alternative<Pass>(
        world.send({"<eve@example.net>"}, std::string(small, 'x')).verdict)); // not ours to limit
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
    CHECK(attribute(world.session.end("4ABC", [] {}), "tls") == "TLSv1.3");
}

TEST_CASE("A message keeps the settings it began with", "[milter]") {
    World world(settings_with({"to=* require"}));
    CHECK_FALSE(world.session.begin("<carol@example.org>", {}, {}).has_value());
    world.session.recipient("<eve@example.net>", {});
    world.filter.replace_settings(settings_with({"to=* never"}));
    CHECK(std::holds_alternative<Refuse>(world.session.end("4ABC", [] {}).verdict));
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
            REQUIRE(keyring.remove(test::certificate(name).fingerprint, test::test_now));
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
        REQUIRE(keyring.remove(test::certificate(name).fingerprint, test::test_now));
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
    InFlight in_flight;
    Session session(later, in_flight);
    CHECK_FALSE(session.begin("<carol@example.org>", {}, {}).has_value());
    session.recipient("<later@example.org>", {});
    CHECK(verdict<Refuse>(session.end("4ABC", [] {
          })).reply.text.find("<later@example.org>: certificate expired on 2090-01-01") != std::string::npos);
}

TEST_CASE("When all slots are taken for longer than the budget, the message is deferred", "[milter]") {
    Slots slots(1);
    const auto first = slots.wait_until(std::chrono::steady_clock::now());
    CHECK(static_cast<bool>(first));
    CHECK_FALSE(static_cast<bool>(slots.wait_until(std::chrono::steady_clock::now())));
    auto settings = settings_with();
    settings.time_budget = std::chrono::seconds(0);
    World world(settings); // no time at all: the slot is free, but the message cannot be sealed in time
    CHECK(verdict<Defer>(world.send({"<alice@example.org>"})).reply.enhanced_code == "4.3.2");
}

TEST_CASE("Messages in flight are counted from MAIL to their end", "[milter]") {
    World world;
    const auto at_once = [] { return std::chrono::steady_clock::now(); };
    CHECK(world.in_flight.wait_for_none(at_once()));
    CHECK_FALSE(world.session.begin("<carol@example.org>", {}, {}).has_value());
    CHECK_FALSE(world.in_flight.wait_for_none(at_once()));
    CHECK_FALSE(
        world.session.begin("<carol@example.org>", {}, {}).has_value()); // the same connection: still one
    world.session.recipient("<alice@example.org>", {});
    CHECK(std::holds_alternative<Edit>(world.session.end("4ABC", [] {}).verdict));
    CHECK_FALSE(world.in_flight.wait_for_none(at_once())); // the verdict has still to be carried out
    world.session.reset();
    CHECK(world.in_flight.wait_for_none(at_once()));
}

TEST_CASE("Many connections seal at the same time", "[milter]") {
    World world;
    std::vector<std::thread> threads;
    std::atomic<unsigned> sealed = 0;
    for (unsigned i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            Session session(world.filter, world.in_flight);
            for (unsigned message = 0; message < 10; ++message) {
                (void)session.begin("<carol@example.org>", {}, {});
                session.recipient("<alice@example.org>", {});
                session.body("text");
                sealed += std::holds_alternative<Edit>(session.end("4ABC", [] {}).verdict) ? 1U : 0U;
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(sealed == 80);
}
