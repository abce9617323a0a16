#include "tests/policy/judging.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace lockbox;
using namespace lockbox::policy;
using namespace lockbox::policy::test;

namespace {

/// Bob has a certificate, Dave none; the message asks MTAs to do without TLS if need be.
World asking(const std::vector<std::string>& recipients, const std::vector<std::string>& rules) {
    World world(recipients, rules);
    world.has(entry('b', {"bob@example.org"})).field("To", " bob@example.org").field("TLS-Required", " no");
    return world;
}

} // namespace

TEST_CASE("where a rule says require, a message that asks to do without TLS is handed back", "[policy]") {
    const auto plan = asking({"<bob@example.org>"}, {"to=@example.org require"}).plan();
    CHECK(plan.outcome == Outcome::deliver);
    CHECK(plan.removes_tls_required);
    REQUIRE(plan.copies.size() == 1);
    CHECK_FALSE(is_edited_in_place(plan));
}

TEST_CASE("one recipient whose rule says require is enough", "[policy]") {
    const auto plan = asking({"<dave@example.com>", "<bob@example.org>"}, {"to=@example.org require"}).plan();
    CHECK(plan.outcome == Outcome::deliver);
    CHECK(plan.removes_tls_required);
    CHECK(plan.copies.size() == 2);
}

TEST_CASE("somebody whom an alias stands for is enough", "[policy]") {
    auto world = asking({"<team@example.com>"}, {"to=@example.org require"});
    world.group("team@example.com", {"bob@example.org"});
    CHECK(world.plan().removes_tls_required);
}

TEST_CASE("with inbound-tls = require a message in clear for everybody is handed back, too", "[policy]") {
    auto world = asking({"<dave@example.com>"}, {"prefer"});
    world.policy.inbound_tls = InboundTls::require;
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::deliver);
    CHECK(plan.removes_tls_required);
    CHECK(plan.copies == std::vector<Copy>{ClearCopy{{0}}});
    CHECK_FALSE(is_edited_in_place(plan));
}

TEST_CASE("what is sealed already is handed back, as it came", "[policy]") {
    auto world = asking({"<bob@example.org>", "<dave@example.com>"}, {"to=@example.org require"});
    world.field("Content-Type",
                R"( multipart/encrypted; protocol="application/pgp-encrypted"; boundary="b")");
    world.transaction.body =
        std::string("--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b\r\n"
                    "Content-Type: application/octet-stream\r\n\r\n") +
        armored + "\r\n--b--\r\n";
    REQUIRE(world.inquiry().untouched);
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::deliver);
    CHECK(plan.removes_tls_required);
    CHECK(plan.copies == std::vector<Copy>{ClearCopy{{0, 1}}});
}

TEST_CASE("where nothing wants the outer box, the field is the sender's own wish", "[policy]") {
    const auto sealed = asking({"<bob@example.org>"}, {"prefer"}).plan();
    CHECK(sealed.outcome == Outcome::deliver);
    CHECK_FALSE(sealed.removes_tls_required);
    CHECK(is_edited_in_place(sealed));
    CHECK(asking({"<dave@example.com>"}, {"to=@example.org require"}).plan().outcome == Outcome::pass);
}

TEST_CASE("a message that is out of scope keeps the field, whatever the rules say", "[policy]") {
    auto world = asking({"<bob@example.org>"}, {"require"});
    world.policy.inbound_tls = InboundTls::require;
    world.transaction.origin.client_address = "192.0.2.1";
    world.transaction.origin.tls_version = "TLSv1.3";
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::pass);
    CHECK_FALSE(plan.removes_tls_required);
}

TEST_CASE("with scope incoming a rule counts for the recipients in the domains alone", "[policy]") {
    auto world = asking({"<dave@example.com>"}, {"require"});
    world.policy.scope = Scope::incoming;
    world.policy.incoming_domains = {"example.org"};
    CHECK_FALSE(world.plan().removes_tls_required);
    world.transaction.recipients.push_back(Path::from("<bob@example.org>"));
    CHECK(world.plan().removes_tls_required);
}

TEST_CASE("what a stranger has sent is not refused or handed back for the field: it has arrived",
          "[policy]") {
    auto world = asking({"<bob@example.org>"}, {"require"});
    world.policy.inbound_tls = InboundTls::require;
    world.transaction.origin.client_address = "192.0.2.1";
    world.transaction.origin.tls_version = "TLSv1.3";
    for (const auto scope : {Scope::incoming, Scope::all}) {
        world.policy.scope = scope;
        world.policy.incoming_domains = {"example.org"};
        const auto plan = world.plan();
        CHECK(plan.outcome == Outcome::deliver);
        CHECK_FALSE(plan.removes_tls_required);
    }
    world.transaction.origin.login = "alice"; // one of ours
    CHECK(world.plan().removes_tls_required);
}

TEST_CASE("any value and any spelling of the name count, and no field counts for none", "[policy]") {
    for (const auto* name : {"TLS-Required", "tls-required", "TLS-REQUIRED"}) {
        for (const auto* body : {" no", " NO", "\r\n No", " yes", ""}) {
            World world({"<bob@example.org>"}, {"require"});
            world.has(entry('b', {"bob@example.org"})).field(name, body);
            CHECK(world.plan().removes_tls_required);
        }
    }
    World world({"<bob@example.org>"}, {"require"});
    world.has(entry('b', {"bob@example.org"})).field("X-TLS-Required", " no");
    CHECK_FALSE(world.plan().removes_tls_required);
    CHECK(is_edited_in_place(world.plan()));
}
