#include "base/encoding.hpp"
#include "tests/support/catch.hpp"

#include <set>
#include <string>

using namespace lockbox;

TEST_CASE("base64 is that of RFC 4648 section 10", "[base]") {
    const auto [bytes, text] = GENERATE(table<std::string, std::string>({
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/"},
    }));
    CAPTURE(bytes);
    CHECK(base64_encode(bytes) == text);
    CHECK(base64_decode(text) == bytes);
}

TEST_CASE("base64 passes over white space wherever a mail line may be folded", "[base]") {
    CHECK(base64_decode(" Zm\r\n9v\tYg =\r\n= ") == "foob");
}

TEST_CASE("base64 refuses other characters and wrong padding", "[base]") {
    const auto text = GENERATE(as<std::string>{}, "Z", "Zg", "Zg=", "Zg===", "Zm9", "Zm9v=", "====", "=",
                               "Zg==Zg==", "Zm-v", "Zm_v", "Zm9v!", "Z=g=", "Zm9vY\x80==");
    CAPTURE(text);
    CHECK_FALSE(base64_decode(text).has_value());
}

TEST_CASE("base64 of more than one piece is the base64 of the whole", "[base]") {
    const std::string bytes(3 * (1U << 20U) + 100, '\xa5');
    const auto text = base64_encode(bytes);
    CHECK(text.size() == (bytes.size() + 2) / 3 * 4);
    CHECK(text.find('=') == text.size() - 2);
    CHECK(base64_decode(text) == bytes);
}

TEST_CASE("hexadecimal is written in capitals and read in either case", "[base]") {
    CHECK(hex_encode(std::string("\x00\x0f\xa0\xff", 4)) == "000FA0FF");
    CHECK(hex_decode("000fA0fF") == std::string("\x00\x0f\xa0\xff", 4));
    const auto text = GENERATE(as<std::string>{}, "0", "0g", "g0", " 00", "0x00", "00 ");
    CAPTURE(text);
    CHECK_FALSE(hex_decode(text).has_value());
}

TEST_CASE("SHA-256 is that of FIPS 180-4", "[base]") {
    CHECK(hex_encode(sha256("")) == "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855");
    CHECK(hex_encode(sha256("abc")) == "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD");
}

TEST_CASE("random bytes do not repeat", "[base]") {
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) {
        CHECK(seen.insert(random_bytes(16)).second);
    }
    CHECK(random_bytes(0).empty());
}
