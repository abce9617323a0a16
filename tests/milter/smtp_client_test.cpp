#include "base/error.hpp"
#include "milter/smtp_client.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scripted_server.hpp"

#include <atomic>
#include <future>

using namespace lockbox;
using namespace lockbox::milter;
using test::Conversation;
using test::ScriptedServer;

namespace {

Deadline in(std::chrono::milliseconds time) {
    return std::chrono::steady_clock::now() + time;
}

constexpr Deadline never = Deadline::max();

SmtpClient client_of(
    const ScriptedServer& server, Deadline deadline = never, Tick tick = [] { return true; }) {
    return SmtpClient(server.listener(), Wait{deadline, std::move(tick)});
}

/// What `work` complains of.
template <typename Work>
Error complaint(Work&& work) {
    try {
        work();
    } catch (const Error& error) {
        return error;
    }
    FAIL("nothing went wrong");
    throw std::logic_error("unreachable");
}

/// The content as it goes over the wire, from pieces that are written one by one.
std::string on_the_wire(const std::vector<std::string_view>& pieces) {
    std::string heard;
    ScriptedServer server([&](Conversation& conversation) { heard = conversation.hear_the_rest(); });
    {
        auto client = client_of(server);
        for (const auto piece : pieces) {
            client.write_content(piece);
        }
        client.finish_content();
        client.write_final_dot();
    }
    server.wait();
    return heard;
}

/// A server that hears `lines` commands before it answers each of them.
ScriptedServer::Script in_groups_of(std::size_t count, std::vector<std::string>& heard, bool& spoken_to_early,
                                    const std::string& offered) {
    return [count, &heard, &spoken_to_early, offered](Conversation& conversation, std::size_t /*number*/) {
        (void)conversation.hear();
        conversation.say("250-server\r\n250 " + offered + "\r\n");
        while (true) {
            std::string answers;
            for (std::size_t i = 0; i < count; ++i) {
                heard.push_back(conversation.hear());
                answers += "250 " + std::to_string(heard.size()) + "\r\n";
            }
            spoken_to_early = spoken_to_early || conversation.is_spoken_to();
            conversation.say(answers);
        }
    };
}

std::vector<std::string> numbered_commands(std::size_t count) {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < count; ++i) {
        lines.push_back("RCPT TO:<" + std::to_string(i) + "@example.org>");
    }
    return lines;
}

} // namespace

TEST_CASE("A conversation: greeting, EHLO, commands, content, the answer to the final dot", "[milter]") {
    std::vector<std::string> heard;
    ScriptedServer server([&](Conversation& conversation) {
        conversation.say("220-mail.example\r\n220 ESMTP\r\n");
        heard.push_back(conversation.hear());
        for (const char c : std::string("250-mail.example\r\n250-size 1000\r\n250 DSN\r\n")) {
            conversation.say({&c, 1});
        }
        heard.push_back(conversation.hear());
        conversation.say("354 go on\r\n");
        heard.push_back(conversation.hear_until("\r\n.\r\n"));
        conversation.say("250 2.0.0 Ok: queued as 4ABC\r\n");
        heard.push_back(conversation.hear_the_rest());
    });
    {
        auto client = client_of(server);
        CHECK(client.read_reply() == SmtpReply{220, {"mail.example", "ESMTP"}});
        CHECK(client.hello("lockbox.example").is_positive());
        CHECK(client.extensions() == SmtpExtensions{{"SIZE", "1000"}, {"DSN", ""}});
        CHECK(client.command("DATA").is_intermediate());
        client.write_content("Subject: x\r\n");
        client.write_content("\r\ntext");
        client.finish_content();
        client.write_final_dot();
        CHECK(client.read_reply() == SmtpReply{250, {"2.0.0 Ok: queued as 4ABC"}});
        client.quit();
    }
    server.wait();
    CHECK(heard == std::vector<std::string>{"EHLO lockbox.example", "DATA", "Subject: x\r\n\r\ntext\r\n.\r\n",
                                            "QUIT\r\n"});
}

TEST_CASE("A client moves, and its connection with it", "[milter]") {
    ScriptedServer server([](Conversation& conversation) {
        while (true) {
            (void)conversation.hear();
            conversation.say("250 ok\r\n");
        }
    });
    auto first = client_of(server);
    auto second = std::move(first);
    CHECK(second.command("NOOP").is_positive());
    first = std::move(second);
    CHECK(first.command("NOOP").is_positive());
}

TEST_CASE("A refused EHLO offers nothing", "[milter]") {
    ScriptedServer server([](Conversation& conversation) {
        (void)conversation.hear();
        conversation.say("250-a\r\n250 PIPELINING\r\n");
        (void)conversation.hear();
        conversation.say("502-a\r\n502 PIPELINING\r\n");
    });
    auto client = client_of(server);
    CHECK(client.hello("a").is_positive());
    CHECK(client.extensions().size() == 1);
    CHECK(client.hello("a").is_permanent());
    CHECK(client.extensions().empty());
}

TEST_CASE("Without PIPELINING, every command waits for its answer", "[milter]") {
    std::vector<std::string> heard;
    bool spoken_to_early = false;
    ScriptedServer server(in_groups_of(1, heard, spoken_to_early, "SIZE"));
    {
        auto client = client_of(server);
        CHECK(client.hello("a").is_positive());
        const auto replies = client.commands(numbered_commands(20));
        REQUIRE(replies.size() == 20);
        CHECK(replies[19].lines == std::vector<std::string>{"20"});
    }
    server.wait();
    CHECK(heard == numbered_commands(20));
    CHECK_FALSE(spoken_to_early);
}

TEST_CASE("With PIPELINING, 100 commands go at once, and no more before they are answered", "[milter]") {
    std::vector<std::string> heard;
    bool spoken_to_early = false;
    ScriptedServer server(in_groups_of(100, heard, spoken_to_early, "PIPELINING"));
    {
        auto client = client_of(server);
        CHECK(client.hello("a").is_positive());
        const auto replies = client.commands(numbered_commands(300));
        REQUIRE(replies.size() == 300);
        CHECK(replies[299].lines == std::vector<std::string>{"300"});
    }
    server.wait();
    CHECK(heard == numbered_commands(300));
    CHECK_FALSE(spoken_to_early);
}

TEST_CASE("Nothing that came with a message becomes a command of its own", "[milter]") {
    std::string heard;
    ScriptedServer server([&](Conversation& conversation) { heard = conversation.hear_the_rest(); });
    {
        auto client = client_of(server);
        for (const auto* line : {"MAIL FROM:<a@b>\r\nRCPT TO:<eve@example.net>", "RCPT TO:<a\n@b>",
                                 "RCPT TO:<a\r@b>", "NOOP\t", "NOOP \x7f", "NOOP \x1b[2J"}) {
            CAPTURE(line);
            CHECK(complaint([&] { (void)client.command(line); }).kind() == ErrorKind::malformed);
            CHECK(complaint([&] { (void)client.commands({"NOOP", line}); }).kind() == ErrorKind::malformed);
        }
        CHECK(complaint([&] { (void)client.command(std::string("NOOP\0x", 6)); }).kind() ==
              ErrorKind::malformed);
        CHECK(complaint([&] { (void)client.hello("a\r\nRSET"); }).kind() == ErrorKind::malformed);
    }
    server.wait();
    CHECK(heard.empty());
}

TEST_CASE("Content on the wire: RFC 5321 §4.5.2 and §2.3.8", "[milter]") {
    struct Case {
        std::string content;
        std::string wire; ///< without the final dot
    };
    const auto [content, wire] = GENERATE(values<Case>({
        {"", ""},
        {"text\r\n", "text\r\n"},
        {"no line end", "no line end\r\n"},
        {"\r\n", "\r\n"},
        {".", "..\r\n"},
        {".\r\n", "..\r\n"},
        {"..\r\n", "...\r\n"},
        {".text\r\n.\r\n.", "..text\r\n..\r\n..\r\n"},
        {"a.b\r\n .\r\n", "a.b\r\n .\r\n"},
        {"a\n.\nb\n", "a\r\n..\r\nb\r\n"},
        {"\n\n", "\r\n\r\n"},
        {"\n.", "\r\n..\r\n"},
        {"a\r.\rb\r\n", "a\r.\rb\r\n"}, // CR alone is no line end: no dot is doubled behind it
        {"a\r\r\nb", "a\r\r\nb\r\n"},
        {"ends in CR\r", "ends in CR\r\n"},
        {"\r", "\r\n"},
        {std::string("\0\xff\r\n", 4), std::string("\0\xff\r\n", 4)},
    }));
    CAPTURE(content);
    CHECK(on_the_wire({content}) == wire + ".\r\n");
    for (std::size_t cut = 0; cut <= content.size(); ++cut) {
        CAPTURE(cut);
        CHECK(on_the_wire({std::string_view(content).substr(0, cut),
                           std::string_view(content).substr(cut)}) == wire + ".\r\n");
    }
}

TEST_CASE("Content of any size reaches a listener that reads slowly, and the caller hears of the waiting",
          "[milter]") {
    std::string line(77, 'x');
    line.front() = '.';
    line += "\r\n";
    std::string content;
    while (content.size() < (8U << 20U)) {
        content += line;
    }
    const bool through_tls = GENERATE(false, true);
    CAPTURE(through_tls);
    const auto server_context = test::make_tls_server_context();
    const auto client_context = make_tls_client_context();
    std::size_t octets = 0;
    ScriptedServer server(
        [&](Conversation& conversation) {
            if (through_tls) {
                (void)conversation.hear();
                conversation.say("220 go\r\n");
                conversation.start_tls(server_context.get());
            }
            octets = conversation.hear_until("\r\n.\r\n").size();
            conversation.say("250 taken\r\n");
        },
        1U << 16U);
    std::size_t waits = 0;
    {
        auto client = client_of(server, never, [&] { return ++waits > 0; });
        if (through_tls) {
            CHECK(client.start_tls(client_context.get()).is_positive());
        }
        client.write_content(content);
        client.finish_content();
        client.write_final_dot();
        CHECK(client.read_reply().is_positive());
    }
    server.wait();
    CHECK(octets == content.size() / line.size() * (line.size() + 1) + 3);
    CHECK(waits > 0);
}

TEST_CASE("STARTTLS: what follows is encrypted, and what was offered before counts no more", "[milter]") {
    const auto server_context = test::make_tls_server_context();
    const auto client_context = make_tls_client_context();
    std::vector<std::string> heard;
    ScriptedServer server([&](Conversation& conversation) {
        (void)conversation.hear();
        conversation.say("250-a\r\n250-PIPELINING\r\n250 STARTTLS\r\n");
        heard.push_back(conversation.hear());
        conversation.say("220 go\r\n");
        conversation.start_tls(server_context.get());
        heard.push_back(conversation.hear());
        conversation.say("250-a\r\n250 DSN\r\n");
        heard.push_back(conversation.hear_the_rest());
    });
    {
        auto client = client_of(server);
        CHECK(client.hello("a").is_positive());
        CHECK(client.extensions().count("STARTTLS") == 1);
        CHECK(client.start_tls(client_context.get()).is_positive());
        CHECK(client.extensions().empty());
        CHECK(client.hello("b").is_positive());
        CHECK(client.extensions() == SmtpExtensions{{"DSN", ""}});
        client.quit();
    }
    server.wait();
    CHECK(heard == std::vector<std::string>{"STARTTLS", "EHLO b", "QUIT\r\n"});
}

TEST_CASE("A refused STARTTLS leaves the connection in clear", "[milter]") {
    ScriptedServer server([](Conversation& conversation) {
        (void)conversation.hear();
        conversation.say("454 4.7.0 not now\r\n");
        (void)conversation.hear();
        conversation.say("250 ok\r\n");
    });
    const auto context = make_tls_client_context();
    auto client = client_of(server);
    CHECK(client.start_tls(context.get()).code == 454);
    CHECK(client.command("NOOP").is_positive());
}

TEST_CASE("What is said in clear behind the answer to STARTTLS is not believed", "[milter]") {
    // CVE-2011-0411
    const auto injected = GENERATE(as<std::string>{}, "250-a\r\n250 AUTH\r\n", "2", "\r\n");
    ScriptedServer server([&](Conversation& conversation) {
        (void)conversation.hear();
        conversation.say("220 go\r\n" + injected);
        (void)conversation.hear_the_rest();
    });
    const auto context = make_tls_client_context();
    auto client = client_of(server);
    CHECK(complaint([&] { (void)client.start_tls(context.get()); }).kind() == ErrorKind::malformed);
}

TEST_CASE("A handshake that fails is an error, not a connection in clear", "[milter]") {
    const auto server_context = test::make_tls_server_context();
    const std::string way = GENERATE("hangs up", "no TLS", "no cipher in common", "closes politely");
    CAPTURE(way);
    ScriptedServer server([&](Conversation& conversation) {
        (void)conversation.hear();
        conversation.say("220 go\r\n");
        if (way == "no cipher in common") {
            SSL_CTX_set_max_proto_version(server_context.get(), TLS1_2_VERSION);
            SSL_CTX_set_cipher_list(server_context.get(), "NULL-SHA256:@SECLEVEL=0");
            conversation.start_tls(server_context.get());
            return;
        }
        (void)conversation.hear_until("\x16\x03"); // RFC 8446 §5.1: a handshake begins
        if (way == "no TLS") {
            conversation.say("250 did I say TLS?\r\n");
            (void)conversation.hear_the_rest();
        } else if (way == "closes politely") {
            conversation.say({"\x15\x03\x03\x00\x02\x01\x00", 7}); // RFC 5246 §7.2.1: warning, close_notify
        }
    });
    const auto context = make_tls_client_context();
    auto client = client_of(server);
    const auto error = complaint([&] { (void)client.start_tls(context.get()); });
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(std::string(error.what()).find("TLS handshake") != std::string::npos);
    CHECK_THROWS_AS(client.command("NOOP"), Error);
}

TEST_CASE("What is no SMTP is said so, with the listener's name", "[milter]") {
    const auto answer = GENERATE(as<std::string>{}, "HTTP/1.1 400 Bad Request\r\n", "\x16\x03\x01\r\n",
                                 "250-a\r\n550 b\r\n", std::string(100'000, '2'));
    ScriptedServer server([&](Conversation& conversation) {
        conversation.say(answer);
        (void)conversation.hear_the_rest();
    });
    auto client = client_of(server);
    const auto error = complaint([&] { (void)client.read_reply(); });
    CHECK(error.kind() == ErrorKind::malformed);
    CHECK(std::string(error.what()).find(server.listener().to_string()) != std::string::npos);
}

TEST_CASE("An endless reply is not read to its end", "[milter]") {
    ScriptedServer server([](Conversation& conversation) {
        while (true) {
            conversation.say("250-and then\r\n");
        }
    });
    auto client = client_of(server);
    CHECK(complaint([&] { (void)client.read_reply(); }).kind() == ErrorKind::malformed);
}

TEST_CASE("An answer that nobody has asked for is not taken for the next one", "[milter]") {
    ScriptedServer server([](Conversation& conversation) {
        (void)conversation.hear();
        conversation.say("354 go on\r\n250 I take whatever comes\r\n");
        (void)conversation.hear_the_rest();
    });
    auto client = client_of(server);
    CHECK(client.command("DATA").is_intermediate());
    SECTION("command") {
        CHECK(complaint([&] { (void)client.command("NOOP"); }).kind() == ErrorKind::malformed);
    }
    SECTION("final dot") {
        client.write_content("text\r\n");
        CHECK(complaint([&] { client.write_final_dot(); }).kind() == ErrorKind::malformed);
    }
}

TEST_CASE("A listener that hangs up is an error that names it, wherever that is", "[milter]") {
    const std::size_t step = GENERATE(0U, 1U, 2U, 3U, 4U, 5U);
    CAPTURE(step);
    const auto server_context = test::make_tls_server_context();
    const auto client_context = make_tls_client_context();
    ScriptedServer server([&](Conversation& conversation) {
        std::size_t done = 0;
        const auto answer = [&](std::string_view text) {
            if (done++ == step) {
                throw test::Gone();
            }
            conversation.say(text);
        };
        answer("220 a\r\n");
        (void)conversation.hear();
        answer("250-a\r\n250 STARTTLS\r\n");
        (void)conversation.hear();
        answer("220 go\r\n");
        conversation.start_tls(server_context.get());
        (void)conversation.hear();
        answer("250-a\r\n250 PIPELINING\r\n");
        (void)conversation.hear();
        (void)conversation.hear();
        answer("250 ok\r\n354 go on\r\n");
        (void)conversation.hear_until("\r\n.\r\n");
        answer("250 taken\r\n");
    });
    auto client = client_of(server);
    const auto error = complaint([&] {
        (void)client.read_reply();
        (void)client.hello("a");
        (void)client.start_tls(client_context.get());
        (void)client.hello("a");
        (void)client.commands({"MAIL FROM:<>", "DATA"});
        client.write_content("text");
        client.finish_content();
        client.write_final_dot();
        (void)client.read_reply();
    });
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(std::string(error.what()).find(server.listener().to_string()) != std::string::npos);
}

TEST_CASE("Writing to a listener that has hung up is an error, not a signal", "[milter]") {
    ScriptedServer server([](Conversation&) {});
    auto client = client_of(server);
    server.wait();
    const std::string much(8U << 20U, 'x');
    CHECK(complaint([&] { client.write_content(much); }).kind() == ErrorKind::unavailable);
    client.quit();
}

TEST_CASE("Nobody listens: an error that names the listener", "[milter]") {
    policy::Listener listener;
    {
        const ScriptedServer server([](Conversation&) {});
        listener = server.listener();
    }
    const auto error = complaint([&] { const SmtpClient client(listener, {never}); });
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(std::string(error.what()) ==
          "the reinjection listener " + listener.to_string() + ": Connection refused");
}

TEST_CASE("A name is not looked up: it might have another address by now", "[milter]") {
    ScriptedServer server([](Conversation& conversation) { conversation.say("220 a\r\n"); });
    const auto port = server.listener().port;
    const auto error = complaint([&] { const SmtpClient none({"localhost", port}, {never}); });
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(std::string(error.what()) ==
          "the reinjection listener localhost:" + std::to_string(port) + " is no address");
}

TEST_CASE("The deadline ends every waiting, and the caller hears of it meanwhile", "[milter]") {
    const auto soon = std::chrono::milliseconds(30);
    std::size_t waits = 0;
    const auto count = [&] { return ++waits > 0; };
    std::promise<void> end;
    const auto ended = end.get_future().share();
    ScriptedServer server([&](Conversation&) { ended.wait(); });
    Error error(ErrorKind::io, "");
    SECTION("reading") {
        auto client = client_of(server, in(soon), count);
        error = complaint([&] { (void)client.read_reply(); });
    }
    SECTION("writing") {
        auto client = client_of(server, never, count);
        client.set_wait({in(soon), count});
        const std::string much(16U << 20U, 'x');
        error = complaint([&] { client.write_content(much); });
        client.quit(); // does not wait either
    }
    SECTION("the handshake") {
        std::promise<void> asked;
        ScriptedServer tls([&](Conversation& conversation) {
            (void)conversation.hear();
            conversation.say("220 go\r\n");
            ended.wait();
        });
        const auto context = make_tls_client_context();
        auto client = client_of(tls, in(std::chrono::milliseconds(300)), count);
        error = complaint([&] { (void)client.start_tls(context.get()); });
        end.set_value();
        tls.wait();
        end = std::promise<void>(); // set below for the other server, whose script has ended
    }
    SECTION("connecting") {
        // A queue of one connection that nobody takes out of it: the kernel leaves the next one unanswered.
        const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
        auto address = test::loopback(0);
        socklen_t size = sizeof address;
        auto* generic = reinterpret_cast<sockaddr*>(&address);
        REQUIRE(::bind(fd, generic, size) == 0);
        REQUIRE(::listen(fd, 0) == 0);
        REQUIRE(::getsockname(fd, generic, &size) == 0);
        const policy::Listener listener{"127.0.0.1", ntohs(address.sin_port)};
        const SmtpClient first(listener, {never, count});
        error = complaint([&] { const SmtpClient second(listener, {in(soon), count}); });
        ::close(fd);
    }
    end.set_value();
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(std::string(error.what()).find("did not answer in time") != std::string::npos);
    CHECK(waits > 0);
}
