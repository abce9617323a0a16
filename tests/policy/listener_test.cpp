#include "base/error.hpp"
#include "policy/listener.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace lockbox;
using namespace lockbox::policy;

namespace {

/// The error, which names the text.
std::string refusal_of(const std::string& text) {
    try {
        const auto listener = Listener::parse(text);
        return "taken as " + listener.to_string();
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::configuration);
        return error.what();
    }
}

} // namespace

TEST_CASE("Listener::parse takes an address and a port, in SMTP's notation and in libmilter's, or a path",
          "[policy]") {
    struct Case {
        const char* text;
        Listener listener;
        const char* printed;
    };
    const auto [text, listener, printed] = GENERATE(values<Case>({
        {"127.0.0.1:10026", {"127.0.0.1", 10026}, "127.0.0.1:10026"},
        {"127.0.0.1:1", {"127.0.0.1", 1}, "127.0.0.1:1"},
        {"192.0.2.25:65535", {"192.0.2.25", 65535}, "192.0.2.25:65535"},
        {"[::1]:10026", {"::1", 10026}, "[::1]:10026"},
        {"[2001:db8::25]:25", {"2001:db8::25", 25}, "[2001:db8::25]:25"},
        {"[127.0.0.1]:10026", {"127.0.0.1", 10026}, "127.0.0.1:10026"},
        {"inet:10026@127.0.0.1", {"127.0.0.1", 10026}, "127.0.0.1:10026"},
        {"inet6:10026@::1", {"::1", 10026}, "[::1]:10026"},
        {"inet6:10026@[::1]", {"::1", 10026}, "[::1]:10026"},
        {"unix:/run/mta/reinject", {"", 0, "/run/mta/reinject"}, "unix:/run/mta/reinject"},
        {"local:/run/mta/reinject", {"", 0, "/run/mta/reinject"}, "unix:/run/mta/reinject"},
        {"/run/mta/re:inject", {"", 0, "/run/mta/re:inject"}, "unix:/run/mta/re:inject"},
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
        "[fe80::1%eth0]:10026", "[IPv6:::1]:10026", "a b:10026", "a_b..c:10026", "user@localhost:10026",
        "inet:", "inet:10026", "inet:10026@", "inet:@127.0.0.1", "inet:127.0.0.1:10026", "inet6:10026@",
        "INET:10026@127.0.0.1", "smtp:127.0.0.1:10026", "127.0.0.1:10026\r\nDATA");
    CAPTURE(text);
    CHECK_THAT(refusal_of(text), test::contains_text("is not a listener; the valid forms are: "));
}

TEST_CASE("A listener is never named by a name: it may have more addresses than one", "[policy]") {
    const auto text = GENERATE(as<std::string>{}, "localhost:10026", "LOCALHOST:10026", "mail.example.org:25",
                               "inet:10026@localhost", "inet6:10026@ip6-localhost", "127.0.0.1.:25");
    CAPTURE(text);
    CHECK_THAT(refusal_of(text), test::contains_text("names a host: name one IP address"));
}

TEST_CASE("A listener is never every address, nor a path that is none", "[policy]") {
    for (const auto* text : {"0.0.0.0:10026", "[::]:10026", "inet6:10026@::", "[0:0::0]:25"}) {
        CHECK_THAT(refusal_of(text), test::contains_text("is every address of the machine"));
    }
    for (const auto* text : {"unix:", "unix:reinject", "/", "unix:/", "local:run/x", "/run/\x01"}) {
        CHECK_THAT(refusal_of(text), test::contains_text("is no absolute path of a Unix socket"));
    }
    CHECK(Listener::parse("/" + std::string(106, 'x')).is_unix());
    CHECK_THAT(refusal_of("/" + std::string(107, 'x')), test::contains_text("107 octets"));
}

TEST_CASE("Only loopback and Unix sockets are this machine", "[policy]") {
    for (const auto* text : {"127.0.0.1:25", "127.8.9.10:25", "[::1]:25", "/run/mta/reinject"}) {
        CAPTURE(text);
        CHECK(Listener::parse(text).is_local());
    }
    for (const auto* text : {"192.0.2.1:25", "10.0.0.1:25", "[2001:db8::1]:25"}) {
        CAPTURE(text);
        CHECK_FALSE(Listener::parse(text).is_local());
    }
}
