#include "cli/pager.hpp"
#include "tests/support/catch.hpp"

#include <string>
#include <vector>

using namespace lockbox::cli;

TEST_CASE("the pager is what LOCKBOX_PAGER or PAGER names, word for word", "[cli]") {
    using Words = std::vector<std::string>;
    CHECK(pager_command(nullptr, nullptr) == Words{"less"});
    CHECK(pager_command(nullptr, "more -s") == Words{"more", "-s"});
    CHECK(pager_command("  less\t-F  -X ", "more") == Words{"less", "-F", "-X"});
    CHECK(pager_command(nullptr, "less; rm -rf $HOME") == Words{"less;", "rm", "-rf", "$HOME"}); // no shell
    CHECK(pager_command("", "more").empty());
    CHECK(pager_command(nullptr, " cat ").empty());
    CHECK(pager_command("cat -s", nullptr) == Words{"cat", "-s"});
}

TEST_CASE("a pager that cannot be started has shown nothing, and one that fails has", "[cli]") {
    CHECK_FALSE(show_in_pager({}, "text"));
    CHECK_FALSE(show_in_pager({"/nonexistent/pager"}, "text"));
    CHECK(show_in_pager({"false"}, std::string(1U << 20U, 'x'))); // does not read all of it
}
