#include "base/error.hpp"
#include "base/file.hpp"
#include "milter/socket.hpp"
#include "tests/support/catch.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>
#include <vector>

using namespace lockbox;
using namespace lockbox::milter;

namespace {

/// A listening unix socket.
class Listener {
public:
    explicit Listener(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(static_cast<char*>(address.sun_path), path.c_str(), path.size() + 1);
        REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0); // NOLINT
        REQUIRE(::listen(fd_, 1) == 0);
    }
    ~Listener() { ::close(fd_); }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

private:
    int fd_;
};

std::string complaint(const std::string& path, bool for_listening = true) {
    try {
        check_socket(SocketName{path}, for_listening);
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::unavailable);
        CHECK_FALSE(error.hint().empty());
        return error.what();
    }
    return "";
}

} // namespace

TEST_CASE("A socket's notation is read", "[milter]") {
    CHECK(SocketName::parse("unix:/run/x").path == "/run/x");
    CHECK(SocketName::parse("local:/run/x").path == "/run/x");
    CHECK(SocketName::parse("/run/x").path == "/run/x");
    const auto tcp = SocketName::parse("inet:8888@127.0.0.1");
    CHECK(tcp.path.empty());
    CHECK(tcp.host == "127.0.0.1");
    CHECK(tcp.port == "8888");
    CHECK_FALSE(tcp.is_ipv6);
    const auto ipv6 = SocketName::parse("inet6:8888@[::1]");
    CHECK(ipv6.host == "::1");
    CHECK(ipv6.port == "8888");
    CHECK(ipv6.is_ipv6);
    CHECK(SocketName::parse("inet6:8888@::1").host == "::1");
}

TEST_CASE("What is wrong with a socket is said before it is opened", "[milter]") {
    const TemporaryDirectory directory;
    const auto path = (directory.path() / "s").string();
    CHECK(complaint(path).empty());
    CHECK(complaint((directory.path() / "missing" / "s").string()).find("missing") != std::string::npos);
    CHECK(complaint((directory.path() / std::string(200, 'x')).string()).find("longer") != std::string::npos);
    {
        const Listener listener(path);
        CHECK(complaint(path).find("another program listens") != std::string::npos);
        CHECK(complaint(path, /*for_listening=*/false).empty());
    }
    CHECK(complaint(path).empty()); // left behind: listen_on() replaces it
    std::filesystem::remove(path);
    std::ofstream(path) << "a file";
    CHECK(complaint(path).find("no socket") != std::string::npos);
    CHECK(complaint(path + "/s").find("no directory") != std::string::npos);
}

TEST_CASE("A port that cannot be had is named with the reason", "[milter]") {
    const auto said = [](const std::string& notation) {
        try {
            check_socket(SocketName::parse(notation), /*for_listening=*/true);
        } catch (const Error& error) {
            CHECK(error.kind() == ErrorKind::unavailable);
            return std::string(error.what());
        }
        return std::string();
    };
    CHECK(said("inet:1@192.0.2.1").find("1@192.0.2.1: Cannot assign") !=
          std::string::npos); // RFC 5737: nobody's
    CHECK(said("inet:1@no-such-host.invalid").find("no-such-host.invalid") != std::string::npos);
}

TEST_CASE("Where nobody can tell whether somebody listens, somebody does", "[milter]") {
    const TemporaryDirectory directory;
    const auto path = (directory.path() / "s").string();
    const Listener listener(path); // its queue of one is full behind the first two
    std::vector<Descriptor> waiting;
    for (int i = 0; i < 3; ++i) {
        waiting.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(static_cast<char*>(address.sun_path), path.c_str(), path.size() + 1);
        (void)::connect(waiting.back().get(), reinterpret_cast<const sockaddr*>(&address),
                        sizeof address); // NOLINT
    }
    CHECK(complaint(path).find("another program listens") != std::string::npos);
}

TEST_CASE("Two starts in one directory come one after the other", "[milter]") {
    const TemporaryDirectory directory;
    const SocketName name{(directory.path() / "s").string()};
    std::optional<StartLock> first(std::in_place, name);
    std::atomic<bool> is_second_in = false;
    std::thread second([&] {
        const StartLock lock(name);
        is_second_in = true;
    });
    const Descriptor probe(::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY));
    CHECK(::flock(probe.get(), LOCK_EX | LOCK_NB) != 0);
    CHECK_FALSE(is_second_in);
    first.reset();
    second.join();
    CHECK(is_second_in);
    CHECK_THROWS_AS(StartLock(SocketName{(directory.path() / "missing" / "s").string()}), Error);
}

TEST_CASE("Connections over TCP are watched, and answers do not wait", "[milter]") {
    const Descriptor listening(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const any = reinterpret_cast<sockaddr*>(&address); // NOLINT: POSIX
    socklen_t size = sizeof address;
    REQUIRE(::bind(listening.get(), any, size) == 0);
    REQUIRE(::listen(listening.get(), 1) == 0);
    REQUIRE(::getsockname(listening.get(), any, &size) == 0);
    prepare_accepted(SocketName::parse("inet:1@127.0.0.1"), listening.get());
    const Descriptor mta(::socket(AF_INET, SOCK_STREAM, 0));
    REQUIRE(::connect(mta.get(), any, size) == 0);
    const Descriptor accepted(::accept(listening.get(), nullptr, nullptr));
    const auto option = [&](int name) {
        int value = 0;
        socklen_t octets = sizeof value;
        REQUIRE(::getsockopt(accepted.get(), IPPROTO_TCP, name, &value, &octets) == 0);
        return value;
    };
    CHECK(option(TCP_NODELAY) != 0);
    CHECK(option(TCP_KEEPIDLE) + option(TCP_KEEPINTVL) * option(TCP_KEEPCNT) < 600); // seconds
}
