#include "base/descriptor.hpp"
#include "base/file.hpp"
#include "milter/worker_nudge.hpp"
#include "tests/support/catch.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>

using namespace lockbox;
using namespace lockbox::milter;

TEST_CASE("A nudge is a connection that says nothing and ends", "[milter]") {
    const TemporaryDirectory directory;
    const auto path = (directory.path() / "s").string();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(static_cast<char*>(address.sun_path), path.c_str(), path.size() + 1);
    const Descriptor listening(::socket(AF_UNIX, SOCK_STREAM, 0));
    REQUIRE(::bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0); // NOLINT
    REQUIRE(::listen(listening.get(), 1) == 0);
    const Slots judged(Slots::unlimited);
    const WorkerNudge nudge(listening.get(), judged);
    for (int i = 0; i < 8; ++i) {
        nudge.nudge(); // more than the queue takes: it does not wait for a place
    }
    const Descriptor accepted(::accept(listening.get(), nullptr, nullptr));
    REQUIRE(static_cast<bool>(accepted));
    std::array<char, 1> octet{};
    CHECK(::recv(accepted.get(), octet.data(), octet.size(), 0) == 0);
}
