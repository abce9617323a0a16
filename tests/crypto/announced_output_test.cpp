#include "base/error.hpp"
#include "crypto/announced_output.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace lockbox;
using namespace lockbox::crypto;

namespace {

/// The text of the Error(engine) that `work` throws.
template <typename Work>
std::string defect(Work&& work) {
    try {
        work();
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::engine);
        return error.what();
    }
    FAIL("nothing was thrown");
    return {};
}

} // namespace

TEST_CASE("As many octets as were announced are handed on as they come", "[crypto]") {
    std::string written;
    const AnnouncedOutput::Output output = [&](std::string_view bytes) { written += bytes; };
    AnnouncedOutput announced(5, output);
    announced.write("abc");
    announced.write("");
    announced.write("de");
    CHECK_NOTHROW(announced.finish());
    CHECK(written == "abcde");
}

TEST_CASE("An octet more than announced is not handed on", "[crypto]") {
    std::string written;
    const AnnouncedOutput::Output output = [&](std::string_view bytes) { written += bytes; };
    AnnouncedOutput announced(5, output);
    announced.write("abc");
    CHECK(defect([&] { announced.write("def"); }) ==
          "the sealed message would be 1 octets longer than it says; this is a defect of Lockbox");
    CHECK(written == "abc");
}

TEST_CASE("An octet fewer than announced is an error at the end", "[crypto]") {
    const AnnouncedOutput::Output output = [](std::string_view) {};
    AnnouncedOutput announced(5, output);
    announced.write("abcd");
    CHECK(defect([&] { announced.finish(); }) ==
          "the sealed message would be 1 octets shorter than it says; this is a defect of Lockbox");
}
