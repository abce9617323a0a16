#include "base/descriptor.hpp"
#include "base/file.hpp"
#include "milter/accepted_descriptors.hpp"
#include "tests/support/catch.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

using namespace lockbox;
using namespace lockbox::milter;
using Search = AcceptedDescriptors::Search;
using Mta = Search::Mta;

namespace {

/// A unix socket that is listened on, and those who connect.
class Listening {
public:
    struct Connection {
        Descriptor mta;      ///< the other side
        Descriptor accepted; ///< ours
    };

    Listening() : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        address_.sun_family = AF_UNIX;
        const auto path = (directory_.path() / "s").string();
        std::memcpy(static_cast<char*>(address_.sun_path), path.c_str(), path.size() + 1);
        REQUIRE(::bind(socket_.get(), address(), sizeof address_) == 0);
        REQUIRE(::listen(socket_.get(), 8) == 0);
    }
    Connection connect() {
        Connection connection{Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), Descriptor()};
        REQUIRE(::connect(connection.mta.get(), address(), sizeof address_) == 0);
        connection.accepted = Descriptor(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        REQUIRE(static_cast<bool>(connection.accepted));
        return connection;
    }
    [[nodiscard]] int fd() const { return socket_.get(); }

private:
    const sockaddr* address() { return reinterpret_cast<const sockaddr*>(&address_); } // NOLINT: POSIX
    TemporaryDirectory directory_;
    Descriptor socket_;
    sockaddr_un address_{};
};

bool anybody(uid_t /*user*/) {
    return true;
}

void say(const Descriptor& from) {
    REQUIRE(::send(from.get(), "x", 1, MSG_NOSIGNAL) == 1);
}

bool is_hung_up(const Descriptor& end) {
    std::array<char, 1> octet{};
    return ::recv(end.get(), octet.data(), octet.size(), MSG_DONTWAIT) == 0;
}

} // namespace

TEST_CASE("Listening descriptors are found", "[milter]") {
    const Listening listening;
    const auto found = listening_descriptors();
    CHECK(std::count(found.begin(), found.end(), listening.fd()) == 1);
}

TEST_CASE("A connection finds its descriptor, and sees whether its MTA waits", "[milter]") {
    Listening listening;
    Listening other;
    AcceptedDescriptors all(listening.fd(), anybody);
    auto stranger = other.connect();
    auto connection = listening.connect();
    Search search(all);
    CHECK_FALSE(search.mta_waits().has_value()); // it never looked
    search.look(Mta::waits);
    CHECK(search.mta_waits() == true);
    say(connection.mta);
    CHECK(search.mta_waits() == false);
    auto second = listening.connect();
    Search next(all);
    next.look(Mta::waits);
    CHECK(next.mta_waits() == true);
    (void)second.mta.close();
    CHECK(next.mta_waits() == false);
    CHECK(search.hang_up());
    CHECK(is_hung_up(connection.mta));
    CHECK_FALSE(is_hung_up(stranger.mta));
}

TEST_CASE("Two that begin in the same instant do not know which is which until one is gone", "[milter]") {
    Listening listening;
    AcceptedDescriptors all(listening.fd(), anybody);
    auto first = listening.connect();
    auto second = std::make_optional(listening.connect());
    Search search(all);
    Search other(all);
    search.look(Mta::waits);
    other.look(Mta::waits);
    CHECK_FALSE(search.mta_waits().has_value());
    CHECK_FALSE(search.hang_up());
    CHECK_FALSE(is_hung_up(first.mta));
    second.reset();
    auto third = listening.connect(); // came later: none of those that the first could be
    search.look(Mta::may_be_ahead);
    CHECK(search.mta_waits() == true);
    say(first.mta);
    CHECK(search.mta_waits() == false);
}

TEST_CASE("An MTA that has sent something is not the one that waits for an answer", "[milter]") {
    Listening listening;
    AcceptedDescriptors all(listening.fd(), anybody);
    auto waits = listening.connect();
    auto has_sent = listening.connect();
    say(has_sent.mta);
    Search careful(all);
    careful.look(Mta::may_be_ahead);
    CHECK_FALSE(careful.mta_waits().has_value());
    Search search(all);
    search.look(Mta::waits);
    CHECK(search.mta_waits() == true);
}

TEST_CASE("A descriptor is free for another search when its connection has gone", "[milter]") {
    Listening listening;
    AcceptedDescriptors all(listening.fd(), anybody);
    for (int i = 0; i < 3; ++i) {
        auto connection = listening.connect(); // the same number each time
        Search search(all);
        search.look(Mta::waits);
        CHECK(search.mta_waits() == true);
    }
}

TEST_CASE("Who may not be an MTA is hung up on, and nobody else", "[milter]") {
    Listening listening;
    bool is_allowed = true;
    AcceptedDescriptors all(listening.fd(), [&](uid_t user) { return is_allowed && user == ::geteuid(); });
    auto known = listening.connect();
    Search search(all);
    search.look(Mta::waits);
    CHECK_FALSE(is_hung_up(known.accepted));
    is_allowed = false;
    auto stranger = listening.connect();
    Search strangers(all);
    strangers.look(Mta::waits);
    CHECK(is_hung_up(stranger.mta));
    CHECK_FALSE(is_hung_up(known.mta)); // was asked about when it came
    CHECK(strangers.mta_waits() == false);
}
