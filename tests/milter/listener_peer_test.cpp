#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "milter/listener_peer.hpp"
#include "milter/tcp_table.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/data.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>

using namespace lockbox;
using namespace lockbox::milter;

namespace {

constexpr uid_t somebody = 54321; ///< has no name

/// Listens on loopback, or on a Unix socket, and connects.
struct Loopback {
    explicit Loopback(int family, const std::string& path = {})
        : listening(::socket(family, SOCK_STREAM, 0)) {
        sockaddr_storage storage{};
        socklen_t size = sizeof storage;
        if (family == AF_INET) {
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            std::memcpy(&storage, &address, size = sizeof address);
        } else if (family == AF_INET6) {
            sockaddr_in6 address{};
            address.sin6_family = AF_INET6;
            address.sin6_addr = in6addr_loopback;
            std::memcpy(&storage, &address, size = sizeof address);
        } else {
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            std::memcpy(address.sun_path, path.data(), path.size());
            std::memcpy(&storage, &address, size = sizeof address);
        }
        auto* generic = reinterpret_cast<sockaddr*>(&storage);
        works = ::bind(listening.get(), generic, size) == 0;
        if (!works) {
            return; // a machine without IPv6
        }
        REQUIRE(::listen(listening.get(), 1) == 0);
        size = sizeof storage;
        REQUIRE(::getsockname(listening.get(), generic, &size) == 0);
        client = Descriptor(::socket(family, SOCK_STREAM, 0));
        REQUIRE(::connect(client.get(), generic, size) == 0);
        const auto port = ntohs(reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
        way_back.listener = family == AF_INET    ? policy::Listener{"127.0.0.1", port}
                            : family == AF_INET6 ? policy::Listener{"::1", port}
                                                 : policy::Listener{"", 0, path};
    }
    void accept() {
        server = Descriptor(::accept(listening.get(), nullptr, nullptr));
        REQUIRE(server);
    }

    Descriptor listening;
    Descriptor client;
    Descriptor server;
    WayBack way_back;
    bool works = false;
};

std::string complaint_of(const Loopback& loopback) {
    try {
        expect_mta(loopback.client.get(), loopback.way_back);
        return "none";
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::unavailable);
        return error.what();
    }
}

/// What `work` returns in a process of another user, who gets the descriptors of this one.
template <typename Work>
int as_somebody(Work&& work) {
    const auto child = ::fork();
    if (child == 0) {
        ::_exit(::setuid(somebody) == 0 ? work() : 99);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

} // namespace

TEST_CASE("Lockbox's own user is one of those who may listen", "[milter]") {
    const int family = GENERATE(AF_INET, AF_INET6);
    Loopback loopback(family);
    if (!loopback.works) {
        return;
    }
    loopback.accept();
    CHECK(complaint_of(loopback) == "none");
}

TEST_CASE("One row asked for is the row of the table", "[milter]") {
    const int family = GENERATE(AF_INET, AF_INET6);
    Loopback loopback(family);
    if (!loopback.works) {
        return;
    }
    const auto end_of = [](int fd, auto* which) {
        sockaddr_storage name{};
        socklen_t size = sizeof name;
        REQUIRE(which(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0);
        return TcpEnd::from(name).value();
    };
    const auto here = end_of(loopback.client.get(), &::getsockname);
    const auto there = end_of(loopback.client.get(), &::getpeername);
    const auto in_table = [&]() -> std::optional<TcpRow> {
        for (const auto& row : read_tcp_table()) {
            if (row.local == there && row.remote == here) {
                return row;
            }
        }
        return std::nullopt;
    };
    const auto not_accepted = find_tcp_row(there, here);
    if (!not_accepted) {
        return; // a kernel or a sandbox without sock_diag(7)
    }
    CHECK(not_accepted->inode == 0);
    loopback.accept();
    CHECK(find_tcp_row(there, here) == in_table());
    CHECK(find_tcp_row(there, here)->inode != 0);
    CHECK(find_tcp_row(there, here)->uid == ::geteuid());
    CHECK_FALSE(find_tcp_row(there, there)); // the listening socket is not it
}

TEST_CASE("A connection that nobody has accepted, or that was closed, is nobody's", "[milter]") {
    Loopback loopback(AF_INET);
    const auto unknown =
        "the reinjection listener " + loopback.way_back.listener.to_string() +
        ": it cannot be told whether the mail server listens there: the kernel does not show "
        "who has accepted the connection";
    CHECK(complaint_of(loopback) == unknown);
    loopback.accept();
    CHECK(complaint_of(loopback) == "none");
    loopback.server = Descriptor();
    CHECK(complaint_of(loopback) == unknown);
}

TEST_CASE("Another user who has accepted the connection is not the mail server", "[milter]") {
    if (::geteuid() != 0) {
        return; // becoming another user is root's
    }
    const int family = GENERATE(AF_INET, AF_INET6);
    Loopback loopback(family);
    if (!loopback.works) {
        return;
    }
    // The other user's process accepts and stays; this one asks meanwhile.
    std::array<int, 2> ready{};
    std::array<int, 2> done{};
    REQUIRE(::pipe(ready.data()) == 0);
    REQUIRE(::pipe(done.data()) == 0);
    const auto child = ::fork();
    if (child == 0) {
        char octet = 0;
        const bool worked = ::setuid(somebody) == 0 &&
                            ::accept(loopback.listening.get(), nullptr, nullptr) >= 0 &&
                            ::write(ready[1], "x", 1) == 1 && ::close(done[1]) == 0;
        (void)!::read(done[0], &octet, 1);
        ::_exit(worked ? 0 : 1);
    }
    char octet = 0;
    REQUIRE(::read(ready[0], &octet, 1) == 1);
    const auto said = complaint_of(loopback);
    loopback.way_back.users.add(somebody);
    const auto said_of_a_named_user = complaint_of(loopback);
    for (const int fd : {done[1], done[0], ready[0], ready[1]}) {
        ::close(fd);
    }
    int status = 1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
    CHECK(said == "the reinjection listener " + loopback.way_back.listener.to_string() +
                      ": the user 54321 answers there, who is not the mail server's");
    CHECK(said_of_a_named_user == "none");
}

TEST_CASE("On a Unix socket the question is who listens", "[milter]") {
    const TemporaryDirectory directory;
    const auto path = (directory.path() / "s").string();
    Loopback loopback(AF_UNIX, path);
    CHECK(complaint_of(loopback) == "none"); // before accept(2), too
    if (::geteuid() != 0) {
        return;
    }
    REQUIRE(::chmod(directory.path().c_str(), 0777) == 0);
    const auto theirs = (directory.path() / "t").string();
    std::array<int, 2> ready{};
    std::array<int, 2> done{};
    REQUIRE(::pipe(ready.data()) == 0);
    REQUIRE(::pipe(done.data()) == 0);
    const auto child = ::fork();
    if (child == 0) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, theirs.data(), theirs.size());
        char octet = 0;
        const bool worked = ::setuid(somebody) == 0;
        const int listening = ::socket(AF_UNIX, SOCK_STREAM, 0);
        const bool listens = ::bind(listening, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                             ::listen(listening, 1) == 0 && ::write(ready[1], "x", 1) == 1 &&
                             ::close(done[1]) == 0;
        (void)!::read(done[0], &octet, 1);
        ::_exit(worked && listens ? 0 : 1);
    }
    char octet = 0;
    REQUIRE(::read(ready[0], &octet, 1) == 1);
    Descriptor client(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, theirs.data(), theirs.size());
    REQUIRE(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    loopback.client = std::move(client);
    loopback.way_back.listener.path = theirs;
    CHECK(complaint_of(loopback) == "the reinjection listener unix:" + theirs +
                                        ": the user 54321 answers there, who is not the mail server's");
    CHECK_THROWS_WITH(doubt_about_listener(loopback.way_back),
                      test::contains_text("the user 54321 listens on unix:" + theirs));
    for (const int fd : {done[1], done[0], ready[0], ready[1]}) {
        ::close(fd);
    }
    int status = 1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
}

TEST_CASE("A check says when nobody listens, and when any user might", "[milter]") {
    Loopback loopback(AF_INET);
    CHECK_THAT(doubt_about_listener(loopback.way_back).value_or("nothing"),
               test::contains_text("any local user may listen on 127.0.0.1:"));
    loopback.listening = Descriptor();
    CHECK_THAT(doubt_about_listener(loopback.way_back).value_or("nothing"),
               test::contains_text("nobody listens on 127.0.0.1:"));
    CHECK_THAT(doubt_about_listener({{"192.0.2.1", 25}}).value_or("nothing"),
               test::contains_text("192.0.2.1:25 is on another machine"));
    const TemporaryDirectory directory;
    const auto path = (directory.path() / "s").string();
    CHECK_THAT(doubt_about_listener({{"", 0, path}}).value_or("nothing"),
               test::contains_text("nobody listens on unix:" + path));
    const Loopback on_path(AF_UNIX, path);
    CHECK(doubt_about_listener(on_path.way_back) == std::nullopt);
}

TEST_CASE("A check refuses a listener of another user's", "[milter]") {
    if (::geteuid() != 0) {
        return;
    }
    // The socket is made, and so owned, by this process; the one that asks is another user's.
    const Loopback loopback(AF_INET);
    CHECK(as_somebody([&] {
              auto way_back = loopback.way_back;
              way_back.users = MtaUsers(); // root's socket is the mail server's
              return doubt_about_listener(way_back) ? 0 : 1;
          }) == 0);
}

TEST_CASE("The mail server's users are named, or are those of Debian's packages", "[milter]") {
    CHECK(MtaUsers().contains(0));
    CHECK(MtaUsers().contains(::geteuid()));
    CHECK_FALSE(MtaUsers().contains(somebody));
    CHECK_FALSE(MtaUsers::named({}).contains(somebody));
    CHECK(MtaUsers::named({"daemon"}).contains(1)); // base-passwd: daemon is 1 in every Debian
    CHECK_FALSE(MtaUsers::named({}).contains(1));
    try {
        (void)MtaUsers::named({"daemon", "nobody-of-that-name"});
        FAIL("taken");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::configuration);
        CHECK(std::string(error.what()) == "there is no user 'nobody-of-that-name'");
        CHECK(error.hint() == "see the key `mta-user`");
    }
}
