#include "base/encoding.hpp"
#include "crypto/public_key.hpp"
#include "crypto/public_key_check.hpp"
#include "tests/support/data.hpp"

#include <openssl/core_names.h>

using namespace lockbox;
using namespace lockbox::crypto;

namespace {

/// Alice's modulus, of 2048 bit.
std::string modulus() {
    const auto alice = x509_from_der(test::x509("alice"));
    BIGNUM* number = nullptr;
    REQUIRE(EVP_PKEY_get_bn_param(X509_get0_pubkey(alice.get()), OSSL_PKEY_PARAM_RSA_N, &number) == 1);
    const Handle<BIGNUM, BN_free> owned(number);
    std::string octets(static_cast<std::size_t>(BN_num_bytes(number)), '\0');
    BN_bn2bin(number, octets_of(octets));
    return octets;
}

std::optional<std::string> why_rsa_is_bad(const std::string& modulus, const std::string& exponent) {
    const auto key = rsa_public_key(modulus, exponent, "test");
    REQUIRE(key);
    return why_key_is_bad(key.get());
}

/// RFC 3526 §3: the 2048-bit MODP group's prime.
constexpr std::string_view prime =
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
    "15728E5A8AACAA68FFFFFFFFFFFFFFFF";

} // namespace

TEST_CASE("Keys with nothing against them are not refused", "[crypto]") {
    for (const auto* name : {"alice", "rsa4096", "p256", "p384", "p521", "x25519"}) {
        CAPTURE(name);
        const auto certificate = x509_from_der(test::x509(name));
        CHECK(why_key_is_bad(X509_get0_pubkey(certificate.get())) == std::nullopt);
    }
    CHECK(why_rsa_is_bad(modulus(), std::string("\x01\x00\x01", 3)) == std::nullopt);
    CHECK(why_rsa_is_bad(modulus(), std::string("\x01\x00\x03", 3)) == std::nullopt);
}

TEST_CASE("An RSA exponent is odd and at least 65537 (FIPS 186-5 section 5.1)", "[crypto]") {
    CHECK(why_rsa_is_bad(modulus(), "\x01") == "weak: its RSA exponent is 1, smaller than 65537");
    CHECK(why_rsa_is_bad(modulus(), "\x03") == "weak: its RSA exponent is 3, smaller than 65537");
    CHECK(why_rsa_is_bad(modulus(), "\xff\xff") == "weak: its RSA exponent is 65535, smaller than 65537");
    CHECK(why_rsa_is_bad(modulus(), std::string("\x01\x00\x00", 3)) ==
          "damaged key: its RSA exponent is even");
}

TEST_CASE("An RSA modulus is odd, long enough, and no prime number", "[crypto]") {
    const std::string exponent("\x01\x00\x01", 3);
    auto even = modulus();
    even.back() = static_cast<char>(even.back() - 1);
    CHECK(why_rsa_is_bad(even, exponent) == "damaged key: its RSA modulus is even");
    auto shorter = modulus();
    shorter.front() = 0x7f;
    CHECK(why_rsa_is_bad(shorter, exponent) == "weak: its RSA key has 2047 bit, fewer than 2048");
    const auto longer = modulus() + std::string(2048 - 256, '\0') + "\x01";
    CHECK(why_rsa_is_bad(longer, exponent) == "unsupported key: RSA of 16392 bit, more than 16384");
    const auto why = why_rsa_is_bad(*hex_decode(prime), exponent);
    REQUIRE(why.has_value());
    CHECK(why->starts_with("damaged key: OpenSSL says of its public key: "));
}
