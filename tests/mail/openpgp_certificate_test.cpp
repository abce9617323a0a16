#include "mail/openpgp_certificate.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox::mail;

TEST_CASE("The mailbox of a User ID keeps its case, and what is no mailbox is none", "[mail]") {
    struct Case {
        std::string user_id;
        std::string address;
    };
    // As `gpg --with-colons` and GPGME find it, but for the case.
    const auto c = GENERATE(
        Case{"Bob <Upper@Example.ORG>", "Upper@example.org"}, Case{"bob@example.org", "bob@example.org"},
        Case{"\"alice@example.org\" <evil@example.net>", "evil@example.net"},
        Case{"Bob (work) <bob@example.org>", "bob@example.org"},
        Case{"<bob@example.org> <eve@example.org>", "bob@example.org"}, Case{"Just A Name", ""}, Case{"", ""},
        Case{"Bob <bob@example.org", ""}, Case{"Bob <>", ""}, Case{"Bob < bob@example.org>", ""},
        Case{"a@b@example.org", ""}, Case{"bob@example.org ", ""});
    CAPTURE(c.user_id);
    const auto address = address_in_user_id(c.user_id);
    CHECK((address ? address->to_string() : "") == c.address);
}

TEST_CASE("Post-quantum algorithms have their names", "[mail]") {
    // draft-ietf-openpgp-pqc, "Algorithm Specifications"; LibrePGP §9.1 for 8.
    CHECK(key_algorithm_name(35) == "ML-KEM-768+X25519");
    CHECK(key_algorithm_name(36) == "ML-KEM-1024+X448");
    CHECK(key_algorithm_name(30) == "ML-DSA-65+Ed25519");
    CHECK(key_algorithm_name(8) == "Kyber");
    CHECK(key_algorithm_name(25) == "X25519");
    CHECK(key_algorithm_name(99) == "algorithm 99");
}
