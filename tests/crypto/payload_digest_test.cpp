#include "crypto/payload_digest.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <string>

using namespace lockbox::crypto;

namespace {

std::string digested(std::string_view payload) {
    const std::array<std::string_view, 2> pieces{payload.substr(0, payload.size() / 2),
                                                 payload.substr(payload.size() / 2)};
    return payload_digest_field(pieces) + std::string(payload);
}

} // namespace

TEST_CASE("the digest of a payload is SHA-256 in base64, in the first field", "[crypto]") {
    // FIPS 180-4's example "abc": `printf abc | openssl dgst -sha256 -binary | base64`.
    const std::array<std::string_view, 3> abc{"a", "", "bc"};
    CHECK(payload_digest_field(abc) ==
          "Lockbox-Digest: sha-256=ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=\r\n");
}

TEST_CASE("a payload is right as it was digested, and wrong with any octet changed", "[crypto]") {
    const std::string payload = GENERATE(as<std::string>{}, "", "Subject: x\r\n\r\nhello\r\n", "\xff\0\xfe");
    const auto whole = digested(payload);
    const auto found = check_payload_digest(whole);
    CHECK(found.digest == PayloadDigest::right);
    CHECK(found.payload == payload);
    for (std::size_t at = 0; at < whole.size(); ++at) {
        auto changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ 0x20);
        CAPTURE(at);
        CHECK(check_payload_digest(changed).digest != PayloadDigest::right);
    }
    CHECK(check_payload_digest(whole + "x").digest == PayloadDigest::wrong);
    CHECK(check_payload_digest(digested(whole)).payload == whole); // one field alone is taken off
}

TEST_CASE("a payload without the field, or with a part of it, is not judged by it", "[crypto]") {
    const auto payload = GENERATE(as<std::string>{}, "", "Lockbox-Digest: sha-25", "lockbox-digest: sha-256=",
                                  "Subject: x\r\nLockbox-Digest: sha-256=", "Lockbox-Digest: md5=x\r\n");
    CHECK(check_payload_digest(payload).digest == PayloadDigest::absent);
    CHECK(check_payload_digest(payload).payload == payload);
    CHECK(check_payload_digest("Lockbox-Digest: sha-256=").digest == PayloadDigest::wrong);
}
