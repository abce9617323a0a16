#include "base/error.hpp"
#include "base/file.hpp"
#include "tests/support/catch.hpp"

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <string>

using namespace lockbox;
namespace fs = std::filesystem;

namespace {

/// The error that the work ends in.
std::optional<Error> error_of(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error;
    }
    return std::nullopt;
}

std::size_t entries_in(const fs::path& directory) {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(directory)) {
        static_cast<void>(entry);
        ++count;
    }
    return count;
}

} // namespace

TEST_CASE("what was written atomically is read back byte for byte", "[base]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "file";
    const auto bytes =
        GENERATE(as<std::string>{}, "", "text\n", std::string("\0\r\n\xff", 4), std::string(300'000, 'x'));
    write_atomically(path, "older and longer than some of what follows");
    write_atomically(path, bytes);
    CHECK(read_file(path, 1'000'000) == bytes);
    CHECK(entries_in(directory.path()) == 1);
}

TEST_CASE("a written file is its owner's alone", "[base]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "file";
    write_atomically(path, "text");
    CHECK((fs::status(path).permissions() & fs::perms::all) ==
          (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("a file that cannot be written is named and leaves nothing behind", "[base]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "missing" / "file";
    const auto error = error_of([&] { write_atomically(path, "text"); });
    REQUIRE(error);
    CHECK(error->kind() == ErrorKind::io);
    CHECK(std::string(error->what()).find("missing") != std::string::npos);
    CHECK(entries_in(directory.path()) == 0);

    fs::create_directory(directory.path() / "taken"); // a directory cannot be replaced by a file
    const auto taken = error_of([&] { write_atomically(directory.path() / "taken", "text"); });
    REQUIRE(taken);
    CHECK(taken->kind() == ErrorKind::io);
    CHECK(entries_in(directory.path()) == 1);
}

TEST_CASE("what cannot be read is an error that names it", "[base]") {
    const TemporaryDirectory directory;
    const auto name = GENERATE(as<std::string>{}, "missing", "missing/below", ".");
    const auto error = error_of([&] { static_cast<void>(read_file(directory.path() / name, 100)); });
    CAPTURE(name);
    REQUIRE(error);
    CHECK(error->kind() == ErrorKind::no_input);
    CHECK(std::string(error->what()).find(directory.path().string()) != std::string::npos);
}

TEST_CASE("a file may be as long as the limit and no octet longer", "[base]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "file";
    write_atomically(path, std::string(100, 'x'));
    CHECK(read_file(path, 100).size() == 100);
    const auto error = error_of([&] { static_cast<void>(read_file(path, 99)); });
    REQUIRE(error);
    CHECK(error->kind() == ErrorKind::too_large);
}

TEST_CASE("a stream has the same limit as a file", "[base]") {
    std::istringstream fits(std::string(100'000, 'x'));
    CHECK(read_stream(fits, "standard input", 100'000).size() == 100'000);
    std::istringstream large(std::string(100'001, 'x'));
    const auto error = error_of([&] { static_cast<void>(read_stream(large, "standard input", 100'000)); });
    REQUIRE(error);
    CHECK(error->kind() == ErrorKind::too_large);
    CHECK(std::string(error->what()).find("standard input") != std::string::npos);
}

TEST_CASE("a temporary directory is private and goes with all that is in it", "[base]") {
    fs::path path;
    {
        const TemporaryDirectory directory;
        path = directory.path();
        CHECK((fs::status(path).permissions() & fs::perms::all) == fs::perms::owner_all);
        fs::create_directories(path / "a" / "b");
        std::ofstream(path / "a" / "b" / "c") << "text";
    }
    CHECK_FALSE(fs::exists(path));
}
