#include "policy/network.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox::policy;

TEST_CASE("Network::parse refuses what is no network in CIDR notation", "[policy]") {
    const auto text =
        GENERATE(as<std::string>{}, "", " ", "/", "/8", "10", "10.0.0", "10.0.0.0.0", "10.0.0.256",
                 "010.0.0.0/8", "0x0a.0.0.0/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8",
                 "10.0.0.0/08", "10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0.0/8/8", "10.0.0.0/255.0.0.0",
                 "!10.0.0.0/8", "[10.0.0.0]/8", "10.0.0.0/99999999999", "2001:db8::/129", "2001:db8::/",
                 "2001:db8:::/32", "[2001:db8::/32]", "[2001:db8::", "2001:db8::]/32", "[]/0", "fe80::1%eth0",
                 "IPv6:2001:db8::/32", "example.org", "localhost", "*", "any");
    CAPTURE(text);
    CHECK_FALSE(Network::parse(text).has_value());
}

TEST_CASE("Network::parse refuses bits behind the prefix, which mean a slip", "[policy]") {
    const auto text =
        GENERATE(as<std::string>{}, "10.0.0.1/8", "192.0.2.1/24", "192.0.2.128/24", "192.0.2.1/31",
                 "0.0.0.1/0", "2001:db8::1/32", "2001:db8:8000::/32", "::1/0", "[::1]/127");
    CAPTURE(text);
    CHECK_FALSE(Network::parse(text).has_value());
}

TEST_CASE("Network::parse refuses text with a NUL, behind which C does not look", "[policy]") {
    using namespace std::string_view_literals;
    CHECK_FALSE(Network::parse("10.0.0.0\0.evil/8"sv).has_value());
    CHECK_FALSE(Network::parse("10.0.0.0/8\0"sv).has_value());
    CHECK_FALSE(Network::parse("10.0.0.0/8")->contains("10.0.0.1\0"sv));
}

TEST_CASE("a network has one text for all ways to write it", "[policy]") {
    struct Case {
        const char* written;
        const char* text;
    };
    const auto [written, text] = GENERATE(values<Case>({{"192.0.2.0/24", "192.0.2.0/24"},
                                                        {"192.0.2.1", "192.0.2.1"},
                                                        {"192.0.2.1/32", "192.0.2.1"},
                                                        {"0.0.0.0/0", "0.0.0.0/0"},
                                                        {"2001:DB8::/32", "2001:db8::/32"},
                                                        {"[2001:db8::]/32", "2001:db8::/32"},
                                                        {"2001:db8:0:0:0:0:0:0/32", "2001:db8::/32"},
                                                        {"[::1]", "::1"},
                                                        {"::1/128", "::1"},
                                                        {"::/0", "::/0"},
                                                        {"::ffff:192.0.2.0/120", "192.0.2.0/24"}}));
    CAPTURE(written);
    const auto network = Network::parse(written);
    REQUIRE(network.has_value());
    CHECK(network->text() == text);
    CHECK(Network::parse(network->text()) == network);
}

TEST_CASE("a network contains its own addresses and no others", "[policy]") {
    struct Case {
        const char* network;
        const char* address;
        bool inside;
    };
    const auto [network, address, inside] = GENERATE(values<Case>({
        {"192.0.2.0/24", "192.0.2.0", true},
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"192.0.2.0/24", "192.0.1.255", false},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1", "192.0.2.10", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "192.0.2.1", false},
        {"::/0", "::ffff:192.0.2.1", false},
        {"192.0.2.0/24", "::ffff:192.0.2.7", true},
        {"192.0.2.0/24", "::FFFF:C000:0207", true},
        {"192.0.2.0/24", "::192.0.2.7", false}, // IPv4-compatible, not mapped
        {"2001:db8::/32", "2001:db8:ffff:ffff::", true},
        {"2001:db8::/32", "2001:DB8::1", true},
        {"2001:db8::/32", "2001:db9::", false},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"2001:db8::/32", "IPv6:2001:db8::1", true},
        {"fe80::/10", "fe80::1%eth0", true},
        {"fe80::/10", "fec0::1", false},
        {"192.0.2.0/24", "192.0.2.7%eth0", false},
        {"192.0.2.0/24", "", false},
        {"192.0.2.0/24", "unknown", false},
        {"192.0.2.0/24", "192.0.2", false},
        {"192.0.2.0/24", "192.0.2.7.example.org", false},
        {"192.0.2.0/24", "[192.0.2.7]", false},
        {"192.0.2.0/24", " 192.0.2.7", false},
    }));
    CAPTURE(network, address);
    REQUIRE(Network::parse(network).has_value());
    CHECK(Network::parse(network)->contains(address) == inside);
}

TEST_CASE("loopback is 127.0.0.0/8 and ::1", "[policy]") {
    for (const auto* address : {"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "IPv6:::1"}) {
        CAPTURE(address);
        CHECK(is_loopback(address));
    }
    for (const auto* address :
         {"", "128.0.0.1", "126.255.255.255", "::2", "::", "0.0.0.0", "localhost", "127.1"}) {
        CAPTURE(address);
        CHECK_FALSE(is_loopback(address));
    }
}
