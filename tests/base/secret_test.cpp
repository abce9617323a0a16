#include "base/secret.hpp"
#include "tests/support/catch.hpp"

#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

using namespace lockbox;

static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);

TEST_CASE("a secret gives back what was put in", "[base]") {
    Secret secret(std::string("abc"));
    secret.append("def");
    CHECK(secret.expose() == "abcdef");
    for (int i = 0; i < 1000; ++i) {
        secret.append("0123456789");
    }
    CHECK(secret.size() == 10'006);
    CHECK(secret.expose().substr(9'996) == "0123456789");
}

TEST_CASE("a secret that was moved from is empty", "[base]") {
    Secret from(std::string("short"));
    Secret to(std::move(from));
    CHECK(to.expose() == "short");
    CHECK(from.size() == 0); // NOLINT(bugprone-use-after-move): that is what is tested
    Secret other(std::string(1000, 'x'));
    other = std::move(to);
    CHECK(other.expose() == "short");
    CHECK(to.size() == 0); // NOLINT(bugprone-use-after-move)
}

TEST_CASE("a short secret leaves no copy in the object it was moved from", "[base]") {
    // Short strings live inside the object, so a move is a copy there.
    alignas(Secret) unsigned char memory[sizeof(Secret)];
    auto* secret = new (memory) Secret(std::string("s3cret!"));
    const Secret moved(std::move(*secret));
    const std::string_view object(reinterpret_cast<const char*>(memory), sizeof(memory));
    CHECK(object.find("s3cret") == std::string_view::npos);
    secret->~Secret();
}
