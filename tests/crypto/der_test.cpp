#include "crypto/der.hpp"
#include "mail/ber.hpp"
#include "tests/support/catch.hpp"

#include <openssl/objects.h>

using namespace lockbox::crypto;

TEST_CASE("Lengths take as few octets as they need", "[crypto]") {
    using namespace std::string_literals;
    CHECK(der::header(0x30, 0) == "\x30\x00"s);
    // X.690 §8.1.3.4: L = 38; §8.1.3.5: L = 201.
    CHECK(der::header(0x04, 38) == "\x04\x26"s);
    CHECK(der::header(0x04, 201) == "\x04\x81\xc9"s);
    // §10.1: the fewest.
    CHECK(der::header(0x04, 127) == "\x04\x7f"s);
    CHECK(der::header(0x04, 128) == "\x04\x81\x80"s);
    CHECK(der::header(0x04, 256) == "\x04\x82\x01\x00"s);
    CHECK(der::header(0x04, 65536) == "\x04\x83\x01\x00\x00"s);
    CHECK(der::header(0x04, std::size_t{1} << 32U) == "\x04\x85\x01\x00\x00\x00\x00"s);
}

TEST_CASE("A set is in the order of its octets", "[crypto]") {
    // X.690 §11.6; an octet above 0x7f is more than one below.
    CHECK(der::set_of({"\x04\x01\xff", "\x02\x01\x05", "\x04\x01\x7f"}) ==
          "\x31\x09\x02\x01\x05\x04\x01\x7f\x04\x01\xff");
}

TEST_CASE("Object identifiers are those of the standards", "[crypto]") {
    // RFC 3565 §4.1: id-aes256-CBC is 2.16.840.1.101.3.4.1.42; RFC 5753 §7.1.4: 1.3.132.1.11.1.
    CHECK(der::object_identifier(NID_aes_256_cbc) == "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x01\x2a");
    const auto agreement = der::object_identifier(NID_dhSinglePass_stdDH_sha256kdf_scheme);
    CHECK(agreement.substr(0, 2) == "\x06\x06");
    CHECK(lockbox::mail::ber::dotted_decimal(agreement.substr(2)) == "1.3.132.1.11.1");
}
