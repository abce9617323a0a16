#include "base/descriptor.hpp"
#include "reader/maildir.hpp"
#include "reader/maildir_rewrite.hpp"
#include "tests/reader/mailboxes.hpp"

#include <fmt/format.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <iterator>

using namespace lockbox;
using namespace lockbox::reader;
using namespace lockbox::test;

namespace {

/// While it lives, the file system has none of the flags of renameat2(2), as NFS.
class OldFileSystem {
public:
    explicit OldFileSystem(bool is_old) { is_in_use = is_old; }
    ~OldFileSystem() { is_in_use = false; }
    OldFileSystem(const OldFileSystem&) = delete;
    OldFileSystem& operator=(const OldFileSystem&) = delete;
    static inline std::atomic<bool> is_in_use = false;
};

} // namespace

/// Of this program, in place of the C library's.
extern "C" int renameat2(int from, const char* name, int to, const char* new_name, unsigned flags) noexcept {
    if (flags != 0 && OldFileSystem::is_in_use) {
        errno = EINVAL;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_renameat2, from, name, to, new_name, flags));
}

namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

constexpr const char* sealed = "Subject: sealed\n\nSEALED\n";
constexpr const char* opened = "Subject: sealed\n\ntext\n";
constexpr const char* plain = "Subject: plain\n\nplain\r\nwithout an end";

/// Two folders: what is sealed in them, and what is not.
class Maildirs {
public:
    Maildirs() {
        for (const char* folder : {"", ".Sent"}) {
            for (const char* name : {"cur", "new", "tmp"}) {
                fs::create_directories(path() / folder / name);
            }
        }
        put("cur/1700000001.M1P1.host:2,FS", sealed);
        put("cur/1700000002.M2P1.host:2,", plain);
        put("new/1700000003.M3P1.host", sealed);
        put(".Sent/cur/1700000004.M4P1.host,S=24,W=27:2,RS", sealed);
        put(".Sent/dovecot-keywords", "0 $Label1\n");
        put(".Sent/dovecot-uidlist", "3 V1\n");
    }
    [[nodiscard]] fs::path path() const { return directory_.path() / "Mail"; }
    [[nodiscard]] fs::path output() const { return directory_.path() / "Opened"; }
    void put(const std::string& name, std::string_view bytes) const { write_bytes(path() / name, bytes); }
    [[nodiscard]] Files files() const { return files_below(path()); }

private:
    TemporaryDirectory directory_;
};

const Files opened_files{{".Sent/cur/1700000004.M4P1.host,S=22,W=25:2,RS", opened},
                         {".Sent/dovecot-keywords", "0 $Label1\n"},
                         {".Sent/dovecot-uidlist", "3 V1\n"},
                         {"cur/1700000001.M1P1.host:2,FS", opened},
                         {"cur/1700000002.M2P1.host:2,", plain},
                         {"new/1700000003.M3P1.host", opened}};

/// The same without the list of UIDs, which is not of these messages.
const Files output_files{{".Sent/cur/1700000004.M4P1.host,S=22,W=25:2,RS", opened},
                         {".Sent/dovecot-keywords", "0 $Label1\n"},
                         {"cur/1700000001.M1P1.host:2,FS", opened},
                         {"cur/1700000002.M2P1.host:2,", plain},
                         {"new/1700000003.M3P1.host", opened}};

struct Told {
    std::vector<std::string> warnings;
    std::vector<std::string> done_before;
    std::size_t found = 0;
};

MaildirRun run_of(Record& record, Told& told, unsigned jobs = 1,
                  const std::function<void(std::size_t)>& hook = {}) {
    MaildirRun run;
    for (unsigned i = 0; i < jobs; ++i) {
        run.workers.push_back(fake_worker(record, "text\n", hook));
    }
    run.found = [&told](std::size_t messages) { told.found = messages; };
    run.warn = [&told](const std::string& name, const std::string& sentence) {
        told.warnings.push_back(name + ": " + sentence);
    };
    run.done_before = [&told](const std::string& note) { told.done_before.push_back(note); };
    return run;
}

/// Runs a worker that does `before` a message is opened.
MaildirRun run_before(Record& record, Told& told,
                      const std::function<void(const std::string& name)>& before) {
    auto run = run_of(record, told);
    run.workers = {[&record, before](const StoredMessage& message) {
        before(message.name);
        return fake_worker(record)(message);
    }};
    return run;
}

} // namespace

TEST_CASE("Maildirs are opened in place: names, flags, modes and times stay", "[reader]") {
    const OldFileSystem old(GENERATE(false, true));
    const Maildirs maildirs;
    const auto jobs = GENERATE(1U, 4U);
    const auto path = maildirs.path() / "cur" / "1700000001.M1P1.host:2,FS";
    set_status(path, 0640, {1'700'000'000, 123'456'789});
    set_status(maildirs.path() / "cur" / "1700000002.M2P1.host:2,", 0444, {1'600'000'000, 1});
    const auto kept = status_of(maildirs.path() / "cur" / "1700000002.M2P1.host:2,");
    Record record;
    Told told;
    rewrite_maildirs_in_place(maildirs.path(), run_of(record, told, jobs));
    CHECK(maildirs.files() == opened_files);
    CHECK(told.found == 4);
    CHECK(told.warnings.empty());
    CHECK(record.done == std::vector<std::string>{"cur/1700000001.M1P1.host:2,FS",
                                                  "cur/1700000002.M2P1.host:2,", "new/1700000003.M3P1.host",
                                                  ".Sent/cur/1700000004.M4P1.host,S=24,W=27:2,RS"});
    const auto status = status_of(path);
    CHECK((status.st_mode & 07777U) == 0640);
    CHECK(status.st_mtim.tv_sec == 1'700'000'000);
    CHECK(status.st_mtim.tv_nsec == 123'456'789);
    CHECK(status_of(maildirs.path() / "cur" / "1700000002.M2P1.host:2,").st_ino == kept.st_ino);
}

TEST_CASE("Maildirs that are only read do not change", "[reader]") {
    const Maildirs maildirs;
    const auto before = maildirs.files();
    Record record;
    Told told;
    read_maildirs(maildirs.path(), run_of(record, told));
    CHECK(maildirs.files() == before);
    CHECK(record.done.size() == 4);
}

TEST_CASE("a Maildir whose run was killed has each message old or new, and the next run does the rest",
          "[reader]") {
    const Maildirs maildirs;
    maildirs.put("tmp/1700000009.M9P1.host", "somebody delivers");
    const auto at = GENERATE(as<std::size_t>{}, 1, 2, 3, 4);
    const auto status = in_child([&] {
        Record record;
        Told told;
        rewrite_maildirs_in_place(maildirs.path(), run_of(record, told, 2, [&](std::size_t done) {
                                      if (done == at) {
                                          ::raise(SIGKILL);
                                      }
                                  }));
    });
    REQUIRE(was_killed(status));
    std::size_t messages = 0;
    for (const auto& [name, bytes] : maildirs.files()) {
        if (name.find("cur/") != std::string::npos || name.find("new/") != std::string::npos) {
            CAPTURE(name);
            CHECK((bytes == sealed || bytes == opened || bytes == plain));
            ++messages;
        }
    }
    CHECK(messages == 4);
    maildirs.put("tmp/lockbox.4711.1", "half of a mess"); // as a run leaves it that is killed while it writes
    Record record;
    Told told;
    rewrite_maildirs_in_place(maildirs.path(), run_of(record, told));
    auto expected = opened_files;
    expected.emplace_back("tmp/1700000009.M9P1.host", "somebody delivers");
    CHECK(maildirs.files() == expected);
}

TEST_CASE("a message that gets other flags meanwhile keeps them, and is there once", "[reader]") {
    const OldFileSystem old(GENERATE(false, true));
    const Maildirs maildirs;
    Record record;
    Told told;
    rewrite_maildirs_in_place(
        maildirs.path(), run_before(record, told, [&](const std::string& name) {
            if (name.starts_with("cur/1700000001")) {
                fs::rename(maildirs.path() / name, maildirs.path() / "cur/1700000001.M1P1.host:2,T");
            } else if (name.starts_with("new/")) {
                fs::rename(maildirs.path() / name, maildirs.path() / "cur/1700000003.M3P1.host:2,S");
            } else if (name.starts_with(".Sent/")) {
                fs::rename(maildirs.path() / name,
                           maildirs.path() / ".Sent/cur/1700000004.M4P1.host,S=24,W=27:2,R");
            }
        }));
    CHECK(maildirs.files() == Files{{".Sent/cur/1700000004.M4P1.host,S=22,W=25:2,R", opened},
                                    {".Sent/dovecot-keywords", "0 $Label1\n"},
                                    {".Sent/dovecot-uidlist", "3 V1\n"},
                                    {"cur/1700000001.M1P1.host:2,T", opened},
                                    {"cur/1700000002.M2P1.host:2,", plain},
                                    {"cur/1700000003.M3P1.host:2,S", opened}});
    CHECK(record.done.size() == 4);
    CHECK(told.warnings.empty());
}

TEST_CASE("a message that has other flags before it is read is found again", "[reader]") {
    const Maildirs maildirs;
    Record record;
    Told told;
    auto run = run_of(record, told);
    run.found = [&](std::size_t) {
        fs::rename(maildirs.path() / "new/1700000003.M3P1.host",
                   maildirs.path() / "cur/1700000003.M3P1.host:2,S");
    };
    rewrite_maildirs_in_place(maildirs.path(), run);
    CHECK(bytes_of_file(maildirs.path() / "cur/1700000003.M3P1.host:2,S") == opened);
    CHECK(maildirs.files().size() == opened_files.size());
}

TEST_CASE("a message that is removed or replaced meanwhile is not brought back", "[reader]") {
    const OldFileSystem old(GENERATE(false, true));
    const Maildirs maildirs;
    Record record;
    Told told;
    rewrite_maildirs_in_place(maildirs.path(), run_before(record, told, [&](const std::string& name) {
                                  if (name.starts_with("new/")) {
                                      fs::remove(maildirs.path() / name);
                                  } else if (name.starts_with("cur/1700000001")) {
                                      maildirs.put("tmp/edited", "another");
                                      fs::rename(maildirs.path() / "tmp/edited", maildirs.path() / name);
                                  }
                              }));
    CHECK_FALSE(fs::exists(maildirs.path() / "new/1700000003.M3P1.host"));
    CHECK(bytes_of_file(maildirs.path() / "cur/1700000001.M1P1.host:2,FS") == "another");
    CHECK(maildirs.files().size() == opened_files.size() - 1);
    CHECK(told.warnings ==
          std::vector<std::string>{
              "cur/1700000001.M1P1.host:2,FS: it was removed or changed meanwhile: left alone",
              "new/1700000003.M3P1.host: it was removed or changed meanwhile: left alone"});
}

TEST_CASE("no message is put over another one of that name, whatever the file system can do", "[reader]") {
    const OldFileSystem old(GENERATE(false, true));
    const Maildirs maildirs;
    // What the sizes in the name are going to be: 22 octets, 25 with CRLF.
    maildirs.put(".Sent/cur/1700000004.M4P1.host,S=22,W=25:2,RS", plain);
    maildirs.put(".Sent/cur/1700000004.M4P1.host:2,RS", plain); // and without them
    Record record;
    Told told;
    rewrite_maildirs_in_place(maildirs.path() / ".Sent", run_of(record, told));
    CHECK(bytes_of_file(maildirs.path() / ".Sent/cur/1700000004.M4P1.host,S=22,W=25:2,RS") == plain);
    CHECK(bytes_of_file(maildirs.path() / ".Sent/cur/1700000004.M4P1.host:2,RS") == plain);
    CHECK(bytes_of_file(maildirs.path() / ".Sent/cur/1700000004.M4P1.host,S=24,W=27:2,RS") == opened);
}

TEST_CASE("a name that lost its sizes to a killed run stays as it is", "[reader]") {
    const Maildirs maildirs;
    fs::rename(maildirs.path() / ".Sent/cur/1700000004.M4P1.host,S=24,W=27:2,RS",
               maildirs.path() / ".Sent/cur/1700000004.M4P1.host:2,RS");
    Record record;
    Told told;
    rewrite_maildirs_in_place(maildirs.path(), run_of(record, told));
    CHECK(bytes_of_file(maildirs.path() / ".Sent/cur/1700000004.M4P1.host:2,RS") == opened);
}

TEST_CASE("a full disk costs no message, and what was done before stays done", "[reader]") {
    const Maildirs maildirs;
    maildirs.put("cur/1700000002.M2P1.host:2,", "Subject: large\n\nSEALED\n" + std::string(100'000, 'x'));
    auto expected = maildirs.files();
    for (auto& [name, bytes] : expected) {
        if (name == "cur/1700000001.M1P1.host:2,FS") {
            bytes = opened;
        }
    }
    const auto status = in_child([&] {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{50'000, 50'000};
        (void)::setrlimit(RLIMIT_FSIZE, &limit);
        Record record;
        Told told;
        const auto error =
            error_of([&] { rewrite_maildirs_in_place(maildirs.path(), run_of(record, told)); });
        const bool is_clear = error && error->kind() == ErrorKind::io &&
                              std::string(error->what()).find("cannot write") == 0 &&
                              std::string(error->what()).find("File too large") != std::string::npos;
        ::_exit(is_clear ? 7 : 8);
    });
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 7));
    CHECK(maildirs.files() == expected);
}

TEST_CASE("a Maildir in which another lockbox works is left to it", "[reader]") {
    const Maildirs maildirs;
    const auto before = maildirs.files();
    const Descriptor other(::open((maildirs.path() / "tmp").c_str(), O_RDONLY | O_DIRECTORY));
    REQUIRE(::flock(other.get(), LOCK_EX) == 0);
    Record record;
    Told told;
    const auto error = error_of([&] { rewrite_maildirs_in_place(maildirs.path(), run_of(record, told)); });
    REQUIRE(error);
    CHECK(error->kind() == ErrorKind::busy);
    CHECK(maildirs.files() == before);
}

TEST_CASE("what is no regular file is left alone and named", "[reader]") {
    const Maildirs maildirs;
    maildirs.put("outside", sealed);
    fs::create_symlink("../outside", maildirs.path() / "cur" / "1700000005.M5P1.host:2,S");
    Record record;
    Told told;
    rewrite_maildirs_in_place(maildirs.path(), run_of(record, told));
    CHECK(fs::is_symlink(maildirs.path() / "cur" / "1700000005.M5P1.host:2,S"));
    CHECK(bytes_of_file(maildirs.path() / "outside") == sealed);
    CHECK(told.warnings ==
          std::vector<std::string>{"cur/1700000005.M5P1.host:2,S: it is not a regular file: left alone"});
}

TEST_CASE("a directory without a Maildir is an error, and makes no output", "[reader]") {
    const TemporaryDirectory directory;
    fs::create_directory(directory.path() / "empty");
    Record record;
    Told told;
    const auto error = error_of([&] {
        rewrite_maildirs_to(directory.path() / "empty", directory.path() / "out", run_of(record, told));
    });
    REQUIRE(error);
    CHECK(error->kind() == ErrorKind::no_input);
    CHECK_FALSE(fs::exists(directory.path() / "out"));
}

TEST_CASE("new Maildirs have the folders, names, flags, modes and times of the old ones", "[reader]") {
    const OldFileSystem old(GENERATE(false, true));
    const Maildirs maildirs;
    set_status(maildirs.path() / "cur/1700000001.M1P1.host:2,FS", 0640, {1'700'000'000, 123'456'789});
    set_status(maildirs.path() / "cur/1700000002.M2P1.host:2,", 0600, {1'600'000'000, 1});
    const auto before = maildirs.files();
    Record record;
    Told told;
    rewrite_maildirs_to(maildirs.path(), maildirs.output(), run_of(record, told, 3));
    CHECK(maildirs.files() == before);
    CHECK(files_below(maildirs.output()) == output_files);
    const auto changed = status_of(maildirs.output() / "cur/1700000001.M1P1.host:2,FS");
    CHECK((changed.st_mode & 07777U) == 0640);
    CHECK(changed.st_mtim.tv_sec == 1'700'000'000);
    CHECK(changed.st_mtim.tv_nsec == 123'456'789);
    const auto kept = status_of(maildirs.output() / "cur/1700000002.M2P1.host:2,");
    CHECK(kept.st_mtim.tv_sec == 1'600'000'000);
    CHECK((status_of(maildirs.output()).st_mode & 07777U) == 0700);
}

TEST_CASE("an unfinished output is gone on with, and a finished one is not touched", "[reader]") {
    const Maildirs maildirs;
    const auto at = GENERATE(as<std::size_t>{}, 1, 2, 3, 4);
    const auto status = in_child([&] {
        Record record;
        Told told;
        rewrite_maildirs_to(maildirs.path(), maildirs.output(),
                            run_of(record, told, 1, [&](std::size_t done) {
                                if (done == at) {
                                    ::raise(SIGKILL);
                                }
                            }));
    });
    REQUIRE(was_killed(status));
    CHECK(fs::exists(maildirs.output() / unfinished_record));

    // Killed between a message and its line, and in the middle of a line.
    const auto record_path = maildirs.output() / unfinished_record;
    auto lines = bytes_of_file(record_path);
    const bool loses_line = GENERATE(false, true);
    if (loses_line) {
        lines.resize(lines.size() - 5);
        write_bytes(record_path, lines);
    }
    Record record;
    Told told;
    rewrite_maildirs_to(maildirs.path(), maildirs.output(), run_of(record, told));
    CHECK(files_below(maildirs.output()) == output_files);
    CHECK(told.done_before.size() == at - (loses_line ? 1 : 0));
    CHECK(told.done_before.size() + record.done.size() == 4);
    CHECK(std::count(told.done_before.begin(), told.done_before.end(), "nothing-to-open") ==
          (told.done_before.size() >= 2 ? 1 : 0));

    const auto error =
        error_of([&] { rewrite_maildirs_to(maildirs.path(), maildirs.output(), run_of(record, told)); });
    REQUIRE(error);
    CHECK(error->kind() == ErrorKind::io);
    CHECK(std::string(error->what()).find("it exists already") != std::string::npos);
    CHECK(files_below(maildirs.output()) == output_files);
}

TEST_CASE("an output that is something else is refused", "[reader]") {
    const Maildirs maildirs;
    Record record;
    Told told;
    const auto to = [&](const fs::path& output) {
        return error_of([&] { rewrite_maildirs_to(maildirs.path(), output, run_of(record, told)); });
    };
    SECTION("the unfinished output of another mailbox") {
        fs::create_directory(maildirs.output());
        write_bytes(maildirs.output() / unfinished_record, "lockbox decrypt 1\t/home/bob/Mail\n");
        const auto error = to(maildirs.output());
        REQUIRE(error);
        CHECK(error->kind() == ErrorKind::io);
        CHECK(std::string(error->what()).find("of another mailbox") != std::string::npos);
    }
    SECTION("a directory with something in it") {
        fs::create_directory(maildirs.output());
        write_bytes(maildirs.output() / "mine", "mine");
        const auto error = to(maildirs.output());
        REQUIRE(error);
        CHECK(files_below(maildirs.output()) == Files{{"mine", "mine"}});
    }
    SECTION("inside of the mailbox, or around it") {
        for (const auto& output :
             {maildirs.path() / "opened", maildirs.path(), maildirs.path().parent_path()}) {
            const auto error = to(output);
            REQUIRE(error);
            CHECK(error->kind() == ErrorKind::usage);
        }
        CHECK_FALSE(fs::exists(maildirs.path() / "opened"));
    }
    SECTION("one that another lockbox writes") {
        fs::create_directory(maildirs.output());
        const Descriptor other(
            ::open((maildirs.output() / unfinished_record).c_str(), O_RDWR | O_CREAT, 0600));
        REQUIRE(::flock(other.get(), LOCK_EX) == 0);
        const auto error = to(maildirs.output());
        REQUIRE(error);
        CHECK(error->kind() == ErrorKind::busy);
    }
    CHECK(record.done.empty());
}

TEST_CASE("an empty directory is as good as none for an output", "[reader]") {
    const Maildirs maildirs;
    fs::create_directory(maildirs.output());
    Record record;
    Told told;
    rewrite_maildirs_to(maildirs.path(), maildirs.output(), run_of(record, told));
    CHECK(files_below(maildirs.output()) == output_files);
}
