#include "base/encoding.hpp"
#include "crypto/aes_key.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <span>
#include <string>

using namespace lockbox;
using namespace lockbox::crypto;

TEST_CASE("A key leaves nothing behind in its memory", "[crypto]") {
    // The memory is ours before, during and after the key's life, so that it may be looked at.
    alignas(Aes256Key) std::array<unsigned char, sizeof(Aes256Key)> memory{};
    auto* const key = new (memory.data()) Aes256Key; // NOLINT(cppcoreguidelines-owning-memory): in `memory`
    key->make_random();
    const std::array<unsigned char, aes256_key_octets> copy = key->octets;
    const auto is_there = [&] {
        return std::search(memory.begin(), memory.end(), copy.begin(), copy.end()) != memory.end();
    };
    REQUIRE(is_there());
    std::destroy_at(key);
    CHECK_FALSE(is_there());
    CHECK(std::all_of(memory.begin(), memory.end(), [](unsigned char octet) { return octet == 0; }));
}

TEST_CASE("Two keys are different", "[crypto]") {
    Aes256Key first;
    Aes256Key second;
    first.make_random();
    second.make_random();
    CHECK(first.octets != second.octets);
}

TEST_CASE("A key is wrapped as RFC 3394 §4 has it", "[crypto]") {
    struct Case {
        const char* key;
        const char* data;
        const char* wrapped;
    };
    const auto [key, data, wrapped] = GENERATE(values<Case>({
        {"000102030405060708090A0B0C0D0E0F", "00112233445566778899AABBCCDDEEFF",
         "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"},
        {"000102030405060708090A0B0C0D0E0F1011121314151617", "00112233445566778899AABBCCDDEEFF",
         "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D"},
        {"000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
         "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
         "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"},
    }));
    const auto octets = [](const std::string& text) {
        return std::span(reinterpret_cast<const unsigned char*>(text.data()), text.size());
    };
    const auto key_octets = hex_decode(key).value();
    const auto data_octets = hex_decode(data).value();
    CHECK(hex_encode(aes_key_wrap(octets(data_octets), octets(key_octets), "wrapping")) == wrapped);
}
