// Messages for as many recipients as are taken, and for more. What looks at each recipient for each recipient
// does not come to an end here.
#include "base/encoding.hpp"
#include "tests/policy/judging.hpp"
#include "tests/support/catch.hpp"

#include <fmt/format.h>

using namespace lockbox;
using namespace lockbox::policy;
using namespace lockbox::policy::test;

namespace {

std::string nth(std::string_view name, std::size_t i) {
    return fmt::format("{}{}@example.org", name, i);
}

std::string in_path(const std::string& address) {
    return "<" + address + ">";
}

keyring::Known with_certificate_of(const mail::Address& address) {
    auto one = entry('c', {address.to_string()});
    one.certificate.fingerprint = hex_encode(sha256(address.to_string()));
    one.certificate.bytes = std::string(1000, 'c');
    auto binding = one.bindings.front();
    return {{{std::move(binding), std::move(one)}}, {}, {}};
}

keyring::Known with_members(const mail::Address& address, std::vector<mail::Address> members) {
    return {{}, keyring::Alias{keyring::AliasName::of(address), std::move(members), {}}, {}};
}

Plan plan_of(const Transaction& transaction, const Policy& policy, const std::vector<std::string>& served,
             const LookUp& look_up) {
    const auto inquiry = prepare(transaction, policy, served);
    auto plan = judge(inquiry, gather(inquiry, look_up), noon);
    check_copies(plan);
    return plan;
}

Transaction to_everybody_named(std::size_t count) {
    Transaction transaction;
    transaction.reverse_path = Path::from("<alice@example.net>");
    std::string to;
    for (std::size_t i = 0; i < count; ++i) {
        transaction.recipients.push_back(Path::from(in_path(nth("r", i))));
        to += (to.empty() ? " " : ",\r\n ") + nth("r", i);
    }
    transaction.header.add("To", to);
    transaction.body = "Hello\r\n";
    return transaction;
}

} // namespace

TEST_CASE("one copy for as many recipients as there may be, each with a certificate", "[policy]") {
    const auto transaction = to_everybody_named(recipients_max);
    const auto plan = plan_of(transaction, {}, {}, with_certificate_of);
    REQUIRE(plan.copies.size() == 1);
    CHECK(std::get<SealedCopy>(plan.copies.front()).certificates.all().size() == recipients_max);
}

TEST_CASE("as many recipients, all of whom an earlier try has served but one", "[policy]") {
    const auto transaction = to_everybody_named(recipients_max);
    std::vector<std::string> served;
    for (std::size_t i = 1; i < recipients_max; ++i) {
        served.push_back(nth("r", i));
    }
    const auto plan = plan_of(transaction, {}, served, with_certificate_of);
    REQUIRE(plan.copies.size() == 1);
    CHECK(decisions_of(plan.copies.front()) == Indexes{0});
    CHECK(plan.count(Handling::served) == recipients_max - 1);
}

TEST_CASE("somebody who is named thousands of times, and whom thousands of aliases stand for", "[policy]") {
    Transaction transaction;
    transaction.reverse_path = Path::from("<alice@example.net>");
    constexpr std::size_t times = recipients_max / 3; // himself, an alias, and he as its member
    for (std::size_t i = 0; i < times; ++i) {
        transaction.recipients.push_back(Path::from("<bob@example.com>"));
        transaction.recipients.push_back(Path::from(in_path(nth("alias", i))));
    }
    Policy policy;
    policy.rules.push_back(Rule::parse("to=alias3332@example.org require"));
    policy.rules.push_back(Rule::parse("to=bob@example.com prefer"));
    const auto plan = plan_of(transaction, policy, {}, [](const mail::Address& address) {
        return address.domain() == "example.org" ? with_members(address, {at("bob@example.com")})
                                                 : keyring::Known();
    });
    // What one of the aliases demands holds for each of the ways to him.
    CHECK(plan.outcome == Outcome::refuse);
    REQUIRE(plan.count(Handling::refused) == times);
    CHECK(plan.decisions.front().rule_number == 1);
}

TEST_CASE("a message whose recipients were not all recorded is refused, and says why", "[policy]") {
    auto world = World({"<dave@example.com>"}, {"never"});
    world.transaction.recipients_left_out = true;
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::refuse);
    CHECK(plan.too_many_recipients);
    CHECK(plan.decisions.empty());
    CHECK(plan.reason.find("more than 10000 recipients") == 0);
}

TEST_CASE("not so where nothing is asked about any of them", "[policy]") {
    World world({"<dave@example.com>"}, {"require"});
    world.transaction.recipients_left_out = true;
    SECTION("a stranger's message with scope outgoing") {
        world.transaction.origin.client_address = "192.0.2.1";
        CHECK(world.plan().outcome == Outcome::pass);
    }
    SECTION("one that is sealed already") {
        world.field("Content-Type",
                    R"( multipart/encrypted; protocol="application/pgp-encrypted"; boundary="b")");
        world.transaction.body =
            std::string("--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b\r\n"
                        "Content-Type: application/octet-stream\r\n\r\n") +
            armored + "\r\n--b--\r\n";
        CHECK(world.plan().outcome == Outcome::pass);
        // But copies of it would leave out whom nobody knows.
        CHECK(world.served_before({"dave@example.com"}).plan().too_many_recipients);
        CHECK(World(world).served_before({}).field("TLS-Required", " no").plan().too_many_recipients);
    }
    SECTION("but with scope incoming one of those who are left out may be in a domain") {
        world.transaction.origin.client_address = "192.0.2.1";
        world.policy.scope = Scope::incoming;
        world.policy.incoming_domains = {"example.org"};
        CHECK(world.plan().too_many_recipients);
    }
}

TEST_CASE("aliases that stand for more people than there may be recipients are refused", "[policy]") {
    constexpr std::size_t members = 999; // with the alias itself a thousand
    Transaction transaction;
    transaction.reverse_path = Path::from("<alice@example.net>");
    std::size_t asked = 0;
    const LookUp look_up = [&](const mail::Address& address) {
        ++asked;
        std::vector<mail::Address> all;
        for (std::size_t i = 0; i < members && address.domain() == "example.org"; ++i) {
            all.push_back(
                mail::Address::parse(fmt::format("{}.{}@example.com", address.local_part(), i)).value());
        }
        return all.empty() ? keyring::Known() : with_members(address, std::move(all));
    };
    for (std::size_t i = 0; i < recipients_max / (members + 1); ++i) {
        transaction.recipients.push_back(Path::from(in_path(nth("alias", i))));
    }
    CHECK(plan_of(transaction, {}, {}, look_up).count(Handling::clear) == 10 * members);
    asked = 0;
    for (std::size_t i = transaction.recipients.size(); i < recipients_max; ++i) {
        transaction.recipients.push_back(Path::from(in_path(nth("alias", i))));
    }
    CHECK(plan_of(transaction, {}, {}, look_up).too_many_recipients);
    CHECK(asked <= recipients_max + 2 * members); // not all ten million
}

TEST_CASE("aliases that cannot be expanded cost what they are, and no more", "[policy]") {
    Transaction transaction;
    transaction.reverse_path = Path::from("<alice@example.net>");
    for (std::size_t i = 0; i < recipients_max; ++i) {
        transaction.recipients.push_back(Path::from(in_path(nth("alias", i))));
    }
    std::size_t asked = 0;
    const LookUp look_up = [&](const mail::Address& address) {
        ++asked;
        std::vector<mail::Address> all;
        for (std::size_t i = 0; i <= keyring::alias_expansion_max && address.domain() == "example.org"; ++i) {
            all.push_back(
                mail::Address::parse(fmt::format("{}.{}@example.com", address.local_part(), i)).value());
        }
        return all.empty() ? keyring::Known() : with_members(address, std::move(all));
    };
    CHECK(plan_of(transaction, {}, {}, look_up).too_many_recipients);
    CHECK(asked <= recipients_max + 2 * keyring::alias_expansion_max);
}
