#include "reader/maildir.hpp"
#include "tests/reader/mailboxes.hpp"

using namespace lockbox;
using namespace lockbox::reader;
using namespace lockbox::test;

namespace {

void make_maildir(const fs::path& path) {
    for (const char* name : {"cur", "new", "tmp"}) {
        fs::create_directories(path / name);
    }
}

} // namespace

TEST_CASE("Maildirs are found at any depth, dots and directories alike, in order", "[reader]") {
    const TemporaryDirectory directory;
    const auto root = directory.path() / "Mail";
    make_maildir(root);
    make_maildir(root / ".Sent");
    make_maildir(root / ".Sent.2025");
    make_maildir(root / "lists" / "debian");
    make_maildir(root / "lists" / "debian" / "old");
    fs::create_directories(root / ".notmuch" / "xapian");
    fs::create_directories(root / "no-tmp" / "cur");
    fs::create_directories(root / "no-tmp" / "new");
    make_maildir(root / "cur" / "inner"); // nobody looks for folders among messages
    CHECK(find_maildirs(root) ==
          std::vector<fs::path>{"", ".Sent", ".Sent.2025", "lists/debian", "lists/debian/old"});
    CHECK(is_maildir(root));
    CHECK_FALSE(is_maildir(root / "lists"));
}

TEST_CASE("symbolic links are not followed out of a tree", "[reader]") {
    const TemporaryDirectory directory;
    make_maildir(directory.path() / "outside");
    const auto root = directory.path() / "Mail";
    make_maildir(root);
    fs::create_directory_symlink(directory.path() / "outside", root / "linked");
    fs::create_directories(root / "half" / "cur");
    fs::create_directories(root / "half" / "tmp");
    fs::create_directory_symlink(directory.path() / "outside" / "new", root / "half" / "new");
    write_bytes(directory.path() / "secret", "x");
    fs::create_symlink(directory.path() / "secret", root / "cur" / "1.a.b:2,S");
    CHECK(find_maildirs(root) == std::vector<fs::path>{""});
    const auto listing = list_maildir(root);
    CHECK(listing.messages.empty());
    CHECK(listing.strangers == std::vector<std::string>{"cur/1.a.b:2,S"});

    fs::create_directory_symlink(root, directory.path() / "link");
    CHECK(find_maildirs(directory.path() / "link") == std::vector<fs::path>{""});
}

TEST_CASE("a tree without an end is refused by its depth", "[reader]") {
    const TemporaryDirectory directory;
    fs::path path = directory.path();
    for (unsigned i = 0; i <= maildir_depth_max; ++i) {
        path /= "d";
    }
    fs::create_directories(path);
    const auto error = error_of([&] { static_cast<void>(find_maildirs(directory.path())); });
    REQUIRE(error);
    CHECK(error->kind() == ErrorKind::too_large);
    CHECK(find_maildirs(directory.path() / "d").empty());
}

TEST_CASE("messages are listed in order, without tmp and dot files", "[reader]") {
    const TemporaryDirectory directory;
    const auto& root = directory.path();
    make_maildir(root);
    for (const char* name :
         {"new/1700000002.c.host", "new/1700000000.a.host", "cur/1700000003.d.host:2,",
          "cur/1700000001.b.host:2,FS", "tmp/1700000004.e.host", "cur/.hidden", "new/.x",
          "cur/1700000005.f.host:2,S", "cur/1700000005.f.host:2,F"}) { // one name, two files
        write_bytes(root / name, "x");
    }
    fs::create_directory(root / "cur" / "directory");
    const auto listing = list_maildir(root);
    CHECK(listing.messages ==
          std::vector<std::string>{"cur/1700000001.b.host:2,FS", "cur/1700000003.d.host:2,",
                                   "cur/1700000005.f.host:2,F", "cur/1700000005.f.host:2,S",
                                   "new/1700000000.a.host", "new/1700000002.c.host"});
    CHECK(listing.strangers == std::vector<std::string>{"cur/directory"});
}

TEST_CASE("a directory that is missing is an error that names it", "[reader]") {
    const TemporaryDirectory directory;
    const auto error = error_of([&] { static_cast<void>(find_maildirs(directory.path() / "missing")); });
    REQUIRE(error);
    CHECK(error->kind() == ErrorKind::no_input);
    CHECK(std::string(error->what()).find("missing") != std::string::npos);
}

TEST_CASE("sizes in file names are set, left out, and kept apart from what looks like them", "[reader]") {
    struct Case {
        std::string name;
        std::string with;
        std::string without;
    };
    const auto [name, with, without] = GENERATE(values<Case>({
        {"1.M2P3.host:2,S", "1.M2P3.host:2,S", "1.M2P3.host:2,S"},
        {"1.M2P3.host,S=1234:2,S", "1.M2P3.host,S=10:2,S", "1.M2P3.host:2,S"},
        {"1.M2P3.host,S=1234,W=1300:2,FSa", "1.M2P3.host,S=10,W=12:2,FSa", "1.M2P3.host:2,FSa"},
        {"1.M2P3.host,W=1300,S=1234", "1.M2P3.host,W=12,S=10", "1.M2P3.host"},
        {"1.M2P3V00U5,S=1,x=y:2,", "1.M2P3V00U5,S=10,x=y:2,", "1.M2P3V00U5,x=y:2,"},
        {"1.host,S=:2,S=1", "1.host,S=:2,S=1", "1.host,S=:2,S=1"},
        {"1.host,S=12a", "1.host,S=12a", "1.host,S=12a"},
        {"", "", ""},
    }));
    CHECK(with_sizes(name, MaildirSizes{10, 12}) == with);
    CHECK(with_sizes(name, std::nullopt) == without);
    CHECK(unique_part(name) == without.substr(0, without.find(':')));
}

TEST_CASE("a message's size with CRLF counts each line end once", "[reader]") {
    struct Case {
        std::string message;
        std::size_t octets;
        std::size_t octets_with_crlf;
    };
    const auto [message, octets, octets_with_crlf] = GENERATE(
        values<Case>({{"", 0, 0}, {"\n", 1, 2}, {"\r\n", 2, 2}, {"a\n\nb\r\n\r", 7, 9}, {"a\r\r\n", 4, 4}}));
    CHECK(sizes_of(message).octets == octets);
    CHECK(sizes_of(message).octets_with_crlf == octets_with_crlf);
}
