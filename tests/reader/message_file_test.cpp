#include "base/error.hpp"
#include "reader/message_file.hpp"
#include "tests/reader/mailboxes.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <string>

using namespace lockbox;
using namespace lockbox::reader;
using namespace lockbox::test;

TEST_CASE("a message is replaced where its link leads to", "[reader]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "message";
    write_bytes(path, "sealed");
    std::filesystem::permissions(path, std::filesystem::perms(0640));
    std::filesystem::create_symlink("message", directory.path() / "link");
    MessageFile(directory.path() / "link").replace("open");
    CHECK(bytes_of_file(path) == "open");
    CHECK(std::filesystem::is_symlink(directory.path() / "link"));
    CHECK((status_of(path).st_mode & 07777U) == 0640);
    CHECK(entries_in(directory.path()) == 2);
}

TEST_CASE("a message that was changed since it was read is left as it is", "[reader]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "message";
    write_bytes(path, "sealed");
    const MessageFile file(path);
    std::string expected;
    SECTION("appended to") {
        expected = "sealed, and more";
        write_bytes(path, expected);
    }
    SECTION("written again with the same length") {
        expected = "SEALED";
        write_bytes(path, expected);
        const auto later = std::filesystem::last_write_time(path) + std::chrono::seconds(1);
        std::filesystem::last_write_time(path, later);
    }
    SECTION("replaced by another file") {
        expected = "sealed";
        write_bytes(directory.path() / "other", expected);
        std::filesystem::rename(directory.path() / "other", path);
    }
    const auto error = error_of([&] { file.replace("open"); });
    REQUIRE(error);
    CHECK(error->kind() == ErrorKind::busy);
    CHECK(bytes_of_file(path) == expected);
    CHECK(entries_in(directory.path()) == 1);
}

TEST_CASE("what is no file cannot be replaced", "[reader]") {
    const TemporaryDirectory directory;
    const auto missing = error_of([&] { const MessageFile file(directory.path() / "missing"); });
    REQUIRE(missing);
    CHECK(missing->kind() == ErrorKind::no_input);
    const auto folder = error_of([&] { const MessageFile file(directory.path()); });
    REQUIRE(folder);
    CHECK(folder->kind() == ErrorKind::no_input);
}
