#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "tests/support/catch.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

using namespace lockbox;

namespace {

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) != -1;
}

} // namespace

TEST_CASE("a descriptor has one owner, and is closed with it", "[base]") {
    int fd = -1;
    {
        Descriptor first(::open("/dev/null", O_RDWR));
        fd = first.get();
        REQUIRE(first);
        Descriptor second(std::move(first));
        CHECK_FALSE(first); // NOLINT(bugprone-use-after-move): what is left behind is what this is about
        CHECK(second.get() == fd);
        Descriptor third(::open("/dev/null", O_RDWR));
        third = std::move(second);
        CHECK(third.get() == fd);
        CHECK(is_open(fd));
    }
    CHECK_FALSE(is_open(fd));
    Descriptor none;
    CHECK_FALSE(none);
    CHECK(none.close() == 0);
}

TEST_CASE("what was written to a descriptor is read from it, and then comes the end", "[base]") {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const Descriptor out(ends[0]);
    Descriptor in(ends[1]);
    write_all(in.get(), "text", "pipe");
    in.close();
    std::array<char, 10> buffer{};
    CHECK(read_some(out.get(), buffer.data(), buffer.size(), "pipe") == 4);
    CHECK(std::string(buffer.data(), 4) == "text");
    CHECK(read_some(out.get(), buffer.data(), buffer.size(), "pipe") == 0);
}

TEST_CASE("an error of a descriptor names what it is", "[base]") {
    const Descriptor full(::open("/dev/full", O_WRONLY));
    REQUIRE(full);
    try {
        write_all(full.get(), "text", "the disk");
        FAIL("nothing fits on /dev/full");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::io);
        CHECK(std::string(error.what()) == "cannot write the disk: No space left on device");
    }
    char byte = 0;
    CHECK_THROWS_AS(read_some(full.get(), &byte, 1, "it"), Error);
    CHECK(reason_of(ENOENT) == "No such file or directory");
}
