#include "policy/listener.hpp"
#include "tests/support/catch.hpp"

using namespace lockbox::policy;

TEST_CASE("Listener::parse takes a host and a port, in SMTP's notation and in libmilter's", "[policy]") {
    struct Case {
        const char* text;
        Listener listener;
        const char* printed;
    };
    const auto [text, listener, printed] = GENERATE(values<Case>({
        {"127.0.0.1:10026", {"127.0.0.1", 10026}, "127.0.0.1:10026"},
        {"localhost:1", {"localhost", 1}, "localhost:1"},
        {"mail.example.org:65535", {"mail.example.org", 65535}, "mail.example.org:65535"},
        {"[::1]:10026", {"::1", 10026}, "[::1]:10026"},
        {"[2001:db8::25]:25", {"2001:db8::25", 25}, "[2001:db8::25]:25"},
        {"[127.0.0.1]:10026", {"127.0.0.1", 10026}, "127.0.0.1:10026"},
        {"inet:10026@127.0.0.1", {"127.0.0.1", 10026}, "127.0.0.1:10026"},
        {"inet:10026@localhost", {"localhost", 10026}, "localhost:10026"},
        {"inet6:10026@::1", {"::1", 10026}, "[::1]:10026"},
        {"inet6:10026@[::1]", {"::1", 10026}, "[::1]:10026"},
    }));
    CAPTURE(text);
    CHECK(Listener::parse(text) == listener);
    CHECK(listener.to_string() == printed);
    CHECK(Listener::parse(printed) == listener);
}

TEST_CASE("Listener::parse refuses what does not say where, or says more than that", "[policy]") {
    const auto text = GENERATE(
        as<std::string>{}, "", ":", "10026", ":10026", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0",
        "127.0.0.1:65536", "127.0.0.1:99999999999999999999", "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1:smtp",
        "127.0.0.1:10026x", "127.0.0.1 :10026", "127.0.0.1: 10026", "127.0.0.1:10026 ", "::1:10026",
        "2001:db8::25", "[::1]", "[::1]10026", "[::1:10026", "::1]:10026", "[]:10026", "[localhost]:10026",
        "a b:10026", "a_b..c:10026", "user@localhost:10026", "inet:", "inet:10026", "inet:10026@",
        "inet:@127.0.0.1", "inet:127.0.0.1:10026", "inet6:10026@", "INET:10026@127.0.0.1", "unix:/run/lmtp",
        "/run/lmtp", "smtp:127.0.0.1:10026", "127.0.0.1:10026\r\nDATA");
    CAPTURE(text);
    CHECK_FALSE(Listener::parse(text).has_value());
}

TEST_CASE("Only loopback is this machine", "[policy]") {
    for (const auto* text : {"127.0.0.1:25", "127.8.9.10:25", "[::1]:25", "localhost:25", "LOCALHOST:25"}) {
        CAPTURE(text);
        CHECK(Listener::parse(text).value().is_local());
    }
    for (const auto* text : {"192.0.2.1:25", "10.0.0.1:25", "[2001:db8::1]:25", "mail.example.org:25",
                             "localhost.example.org:25"}) {
        CAPTURE(text);
        CHECK_FALSE(Listener::parse(text).value().is_local());
    }
}
