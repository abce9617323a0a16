#include "crypto/key_publication.hpp"
#include "crypto/own_key.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace lockbox;
using namespace lockbox::crypto;

namespace {

mail::Address address(std::string_view text) {
    const auto parsed = mail::Address::parse(text);
    REQUIRE(parsed);
    return *parsed;
}

} // namespace

TEST_CASE("Names in a Web Key Directory are those of the draft", "[crypto]") {
    // draft-koch-openpgp-webkey-service §3.1
    CHECK(wkd_hash(address("Joe.Doe@Example.ORG")) == "iy9q119eutrkn8s1mk4r39qejnbu3n5q");
    CHECK(wkd_paths(address("Joe.Doe@Example.ORG"), WkdMethod::advanced).certificate ==
          ".well-known/openpgpkey/example.org/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q");
    CHECK(wkd_paths(address("Joe.Doe@Example.ORG"), WkdMethod::direct).certificate ==
          ".well-known/openpgpkey/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q");
    CHECK(wkd_paths(address("a@b\xc3\xbc"
                            "cher.example"),
                    WkdMethod::advanced)
              .policy == ".well-known/openpgpkey/xn--bcher-kva.example/policy");
}

TEST_CASE("An Autocrypt field is folded, and can be unfolded", "[crypto]") {
    const auto field = autocrypt_field(address("a@example.org"), std::string(100, 'x'), false);
    CHECK(field.starts_with("Autocrypt: addr=a@example.org; keydata=\n eHh4"));
    CHECK(field.ends_with("eA==\n"));
    CHECK(autocrypt_field(address("a@example.org"), "x", true) ==
          "Autocrypt: addr=a@example.org; prefer-encrypt=mutual; keydata=\n eA==\n");
}

TEST_CASE("What GnuPG reads as the time when a key expires", "[crypto]") {
    CHECK(is_expiry("3y"));
    CHECK(is_expiry("18m"));
    CHECK(is_expiry("2029-01-31"));
    CHECK(is_expiry("0"));
    for (const auto* const text :
         {"", "never", "3", "y", "3 y", "2029-1-31", "2029-01-3x", "123456y", "-1y", "1y\n"}) {
        CAPTURE(text);
        CHECK_FALSE(is_expiry(text));
    }
}
