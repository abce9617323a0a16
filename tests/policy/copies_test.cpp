#include "policy/judge.hpp"
#include "tests/policy/judging.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace lockbox;
using namespace lockbox::policy;
using namespace lockbox::policy::test;
using namespace std::chrono_literals;

TEST_CASE("recipients named in To, Cc, Resent-To and Resent-Cc share a copy", "[policy]") {
    World world({"<carol@example.org>", "<bob@example.org>", "<dan@example.org>", "<fay@example.org>"});
    world.field("To", " =?utf-8?q?B=C3=B6b?= <bob@EXAMPLE.org>")
        .field("cc", " Team: \"Carol, C.\" <carol@example.org> (the boss);")
        .field("Resent-To", " dan@example.org")
        .field("Resent-Cc", "\r\n fay@example.org");
    world.has(entry('B', {"bob@example.org"}))
        .has(entry('C', {"carol@example.org"}))
        .has(entry('D', {"dan@example.org"}))
        .has(entry('F', {"fay@example.org"}));
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::deliver);
    CHECK(plan.reason == "sealed to 4 of 4 recipients");
    REQUIRE(plan.copies.size() == 1);
    CHECK(plan.copies[0] == Copy(sealed_copy({0, 1, 2, 3}, {certificate('B'), certificate('C'),
                                                            certificate('D'), certificate('F')})));
}

TEST_CASE("nobody who is hidden shows in another's copy", "[policy]") {
    World world({"<bob@example.org>", "<hidden@example.org>", "<carol@example.org>", "<eve@example.com>",
                 "<secret@example.org>", "<root@localhost>"});
    world.field("To", " bob@example.org").field("Cc", " carol@example.org");
    world.has(entry('B', {"bob@example.org"}))
        .has(entry('C', {"carol@example.org"}))
        .has(entry('D', {"hidden@example.org"}))
        .has(entry('A', {"secret@example.org"}));
    const auto plan = world.plan();
    REQUIRE(plan.copies.size() == 4);
    CHECK(plan.copies[0] == Copy(sealed_copy({0, 2}, {certificate('B'), certificate('C')})));
    CHECK(plan.copies[1] == Copy(sealed_copy({1}, {certificate('D')}, true)));
    CHECK(plan.copies[2] == Copy(sealed_copy({4}, {certificate('A')}, true)));
    CHECK(plan.copies[3] == Copy(ClearCopy{{3, 5}}));
}

TEST_CASE("a recipient is hidden who is named only where readers do not look, or only nearly", "[policy]") {
    struct Case {
        const char* name;
        const char* body;
    };
    const auto [name, body] = GENERATE(values<Case>({
        {"Bcc", " bob@example.org"},
        {"Resent-Bcc", " bob@example.org"},
        {"From", " bob@example.org"},
        {"Reply-To", " bob@example.org"},
        {"Subject", " bob@example.org"},
        {"X-To", " bob@example.org"},
        {"To", " \"bob@example.org\" <eve@example.org>"},
        {"To", " eve@example.org (bob@example.org)"},
        {"To", " bob@sub.example.org"},
        {"To", " bob+x@example.org"},
        {"To", " Bob@example.org"}, // a copy too many harms nobody
        {"To", " undisclosed-recipients:;"},
    }));
    CAPTURE(name, body);
    World world({"<bob@example.org>", "<carol@example.org>"});
    world.field("Cc", " carol@example.org").field(name, body);
    world.has(entry('B', {"bob@example.org"})).has(entry('C', {"carol@example.org"}));
    const auto plan = world.plan();
    REQUIRE(plan.copies.size() == 2);
    CHECK(decisions_of(plan.copies[0]) == Indexes{1});
    CHECK(decisions_of(plan.copies[1]) == Indexes{0});
    CHECK_FALSE(std::get<SealedCopy>(plan.copies[0]).hidden);
    CHECK(std::get<SealedCopy>(plan.copies[1]).hidden);
}

TEST_CASE("a single recipient needs a single copy, named or not", "[policy]") {
    World world({"<bob@example.org>"});
    world.has(entry('B', {"bob@example.org"}));
    CHECK(world.plan().copies.size() == 1);
    world.field("To", " bob@example.org");
    CHECK(world.plan().copies.size() == 1);
}

TEST_CASE("the same recipient twice is in one copy", "[policy]") {
    World world({"<bob@example.org>", "<\"bob\"@EXAMPLE.org>"});
    world.has(entry('B', {"bob@example.org"}));
    auto both = sealed_copy({0, 1}, {certificate('B')}, true);
    CHECK(world.plan().copies == std::vector<Copy>{Copy(both)});
    both.hidden = false;
    world.field("To", " bob@example.org");
    CHECK(world.plan().copies == std::vector<Copy>{Copy(both)});
}

TEST_CASE("a certificate that two recipients share is in their copy once, and does not join hidden ones",
          "[policy]") {
    World world({"<bob@example.org>", "<robert@example.org>"});
    world.has(entry('B', {"bob@example.org", "robert@example.org"}));
    CHECK(world.plan().copies.size() == 2);
    world.field("To", " bob@example.org, robert@example.org");
    CHECK(world.plan().copies == std::vector<Copy>{Copy(sealed_copy({0, 1}, {certificate('B')}))});
}

TEST_CASE("copies are grouped by protocol: OpenPGP, S/MIME, the hidden in their order, the clear",
          "[policy]") {
    const auto smime = crypto::Protocol::smime;
    World world({"<eve@example.com>", "<hidden@example.org>", "<carol@example.org>", "<bob@example.org>",
                 "<other@example.org>"});
    world.field("To", " carol@example.org, bob@example.org, eve@example.com");
    world.has(entry('B', {"bob@example.org"}))
        .has(entry('C', {"carol@example.org"}, smime))
        .has(entry('D', {"hidden@example.org"}, smime))
        .has(entry('A', {"other@example.org"}));
    const auto plan = world.plan();
    REQUIRE(plan.copies.size() == 5);
    CHECK(plan.copies[0] == Copy(sealed_copy({3}, {certificate('B')})));
    CHECK(plan.copies[1] == Copy(smime_copy({2}, {'C'}, /*hidden=*/false)));
    CHECK(plan.copies[2] == Copy(smime_copy({1}, {'D'}, /*hidden=*/true)));
    CHECK(plan.copies[3] == Copy(sealed_copy({4}, {certificate('A')}, true)));
    CHECK(plan.copies[4] == Copy(ClearCopy{{0}}));
}

TEST_CASE("S/MIME readers of different strength, and those whose Subject is hidden, do not share a copy",
          "[policy]") {
    const auto smime = crypto::Protocol::smime;
    World world({"<a@x.example>", "<b@y.example>", "<c@z.example>", "<d@x.example>"},
                {"to=@y.example prefer gcm", "to=@z.example require hide-subject"});
    world.field("To", " a@x.example, b@y.example, c@z.example, d@x.example");
    auto strong = entry('D', {"d@x.example"}, smime);
    strong.certificate.content_encryption = crypto::ContentEncryption::aes256_gcm;
    world.has(entry('A', {"a@x.example"}, smime))
        .has(entry('B', {"b@y.example"}, smime))
        .has(entry('C', {"c@z.example"}, smime))
        .has(strong);
    const auto plan = world.plan();
    REQUIRE(plan.copies.size() == 3);
    auto obscured = smime_copy({2}, {'C'}, /*hidden=*/false);
    obscured.outer_subject = mail::OuterSubject::obscured;
    CHECK(plan.copies[0] == Copy(obscured));
    CHECK(plan.copies[1] == Copy(smime_copy({0}, {'A'}, /*hidden=*/false)));
    auto certificates = std::vector{certificate('B', smime), certificate('D', smime)};
    for (auto& certificate : certificates) {
        certificate.content_encryption = crypto::ContentEncryption::aes256_gcm;
    }
    auto gcm = sealed_copy({1, 3}, certificates);
    gcm.outer_subject = mail::OuterSubject::kept;
    CHECK(plan.copies[2] == Copy(gcm));
}

TEST_CASE("gcm and hide-subject change nothing for OpenPGP", "[policy]") {
    World world({"<a@x.example>"}, {"prefer gcm hide-subject"});
    world.has(entry('A', {"a@x.example"}));
    const auto plan = world.plan();
    REQUIRE(plan.copies.size() == 1);
    CHECK(plan.copies[0] == Copy(sealed_copy({0}, {certificate('A')}, true)));
}

TEST_CASE("of certificates of both protocols the preferred one is taken, and it is said why", "[policy]") {
    World world({"<a@x.example>"});
    world.has(entry('A', {"a@x.example"})).has(entry('B', {"a@x.example"}, crypto::Protocol::smime));
    CHECK(world.plan().decisions[0].certificate == certificate('A'));
    CHECK(world.plan().decisions[0].reason == "of 2 usable certificates, openpgp is the preferred protocol");
    world.policy.preferred_protocol = crypto::Protocol::smime;
    CHECK(world.plan().decisions[0].certificate == certificate('B', crypto::Protocol::smime));
    CHECK(world.plan().decisions[0].reason == "of 2 usable certificates, smime is the preferred protocol");
    world.keyring[1].revoked = true; // usable comes before preferred
    CHECK(world.plan().decisions[0].certificate == certificate('A'));
    CHECK(world.plan().decisions[0].reason == "the only usable certificate");
}

TEST_CASE("every recipient is in exactly one copy, and nobody in clear who is sealed to", "[policy]") {
    World world({"<a@x.example>", "<b@x.example>", "<a@x.example>", "<c@x.example>", "<d@x.example>",
                 "<e@x.example>"});
    world.field("To", " a@x.example, d@x.example, e@x.example");
    world.has(entry('A', {"a@x.example", "c@x.example"})).has(entry('B', {"b@x.example", "e@x.example"}));
    const auto plan = world.plan();
    std::vector<int> seen(world.transaction.recipients.size());
    for (const auto& copy : plan.copies) {
        for (const auto index : decisions_of(copy)) {
            ++seen[plan.decisions[index].recipient];
            CHECK(std::holds_alternative<SealedCopy>(copy) ==
                  (plan.decisions[index].handling == Handling::sealed));
        }
    }
    CHECK(seen == std::vector<int>(seen.size(), 1));
}

TEST_CASE("the plan does not depend on the order in which the keyring answers", "[policy]") {
    World world({"<bob@example.org>"});
    world.has(entry('A', {"bob@example.org"}))
        .has(entry('B', {"bob@example.org"}))
        .has(entry('C', {"bob@example.org"}));
    const auto plan = world.plan();
    std::reverse(world.keyring.begin(), world.keyring.end());
    CHECK(world.plan() == plan);
}

TEST_CASE("a plan of more copies than copies-max is deferred, with the number and the key", "[policy]") {
    World world({"<bob@example.org>", "<carol@example.org>", "<dan@example.org>"});
    world.has(entry('B', {"bob@example.org"})).has(entry('C', {"carol@example.org"}));
    world.policy.copies_max = 3;
    CHECK(world.plan().outcome == Outcome::deliver);
    world.policy.copies_max = 2;
    const auto plan = world.plan();
    CHECK(plan.outcome == Outcome::defer);
    CHECK(plan.reason == "it needs 3 different copies for its recipients, and copies-max permits 2");
    CHECK(plan.copies.empty());
    CHECK(handlings(plan) == Words{"sealed", "sealed", "clear"});
    world.field("To", " bob@example.org, carol@example.org");
    CHECK(world.plan().copies.size() == 2);
    CHECK(Policy().copies_max == 100);
}
