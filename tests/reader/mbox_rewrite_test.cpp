#include "base/descriptor.hpp"
#include "reader/mbox_rewrite.hpp"
#include "tests/reader/mailboxes.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

using namespace lockbox;
using namespace lockbox::reader;
using namespace lockbox::test;

namespace {

/// What the code under test asks of the system, in its order: it calls these in the place of libc's.
struct SystemCalls {
    std::vector<std::string> names;
    std::function<void(const char* to)> on_rename; ///< behind it
};
SystemCalls* watched = nullptr;

void note(const std::string& call) {
    if (watched != nullptr) {
        watched->names.push_back(call);
    }
}

template <typename Function>
Function* of_libc(const char* name) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name)); // NOLINT: what dlsym() is for
}

} // namespace

extern "C" int fsync(int fd) {
    struct stat status {};
    note(::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? "fsync of a file" : "fsync of a directory");
    return of_libc<int(int)>("fsync")(fd);
}

extern "C" int rename(const char* from, const char* to) noexcept {
    note("rename");
    const auto result = of_libc<int(const char*, const char*)>("rename")(from, to);
    if (watched != nullptr && watched->on_rename) {
        watched->on_rename(to);
    }
    return result;
}

namespace {

constexpr std::string_view mailbox = "From a@example.org Thu Jan  1 00:00:00 2026\n"
                                     "Subject: 1\n"
                                     "\n"
                                     ">From text\n"
                                     "\n"
                                     "From b@example.org Thu Jan  1 00:00:01 2026\n"
                                     "Subject: 2\n"
                                     "Content-Length: 7\n"
                                     "Status: RO\n"
                                     "\n"
                                     ">From b\n"
                                     "SEALED\n"
                                     "\n"
                                     "From c@example.org Thu Jan  1 00:00:02 2026\n"
                                     "Subject: 3\n"
                                     "\n"
                                     "plain without an end";

constexpr std::string_view opened_mailbox = "From a@example.org Thu Jan  1 00:00:00 2026\n"
                                            "Subject: 1\n"
                                            "\n"
                                            ">From text\n"
                                            "\n"
                                            "From b@example.org Thu Jan  1 00:00:01 2026\n"
                                            "Subject: 2\n"
                                            "Status: RO\n"
                                            "\n"
                                            ">From b\n"
                                            "open\n"
                                            "\n"
                                            ">From here\n"
                                            "\n"
                                            "From c@example.org Thu Jan  1 00:00:02 2026\n"
                                            "Subject: 3\n"
                                            "\n"
                                            "plain without an end";

constexpr std::string_view opened_text = "open\n\nFrom here\n";

MboxRun run_of(Record& record, unsigned jobs = 1, const std::function<void(std::size_t)>& hook = {}) {
    MboxRun run;
    run.name = "mbox";
    for (unsigned i = 0; i < jobs; ++i) {
        run.workers.push_back(fake_worker(record, opened_text, hook));
    }
    return run;
}

/// A lock of somebody else: POSIX locks of one process do not keep out itself.
class Other {
public:
    Other(const fs::path& path, bool holds) {
        std::array<int, 2> ready{};
        std::array<int, 2> end{};
        REQUIRE((::pipe(ready.data()) == 0 && ::pipe(end.data()) == 0));
        child_ = ::fork();
        if (child_ == 0) {
            ::close(end[1]);
            const int fd = ::open(path.c_str(), O_RDWR);
            struct flock whole {};
            whole.l_type = F_WRLCK;
            whole.l_whence = SEEK_SET;
            char byte = holds && ::fcntl(fd, F_SETLK, &whole) != 0 ? 'x' : '.';
            (void)!::write(ready[1], &byte, 1);
            (void)!::read(end[0], &byte, 1);
            ::_exit(0);
        }
        ::close(end[0]);
        ::close(ready[1]);
        end_ = Descriptor(end[1]);
        const Descriptor answer(ready[0]);
        char byte = 'x';
        REQUIRE(::read(answer.get(), &byte, 1) == 1);
        REQUIRE(byte == '.');
    }
    ~Other() {
        end_.close();
        ::waitpid(child_, nullptr, 0);
    }
    Other(const Other&) = delete;
    Other& operator=(const Other&) = delete;

private:
    pid_t child_ = -1;
    Descriptor end_;
};

} // namespace

TEST_CASE("an mbox is opened message by message, in order, quoted again, and else to the octet", "[reader]") {
    const auto jobs = GENERATE(1U, 3U);
    Record record;
    std::string_view rest = mailbox;
    std::string out;
    const auto changed = rewrite_mbox(
        [&](char* buffer, std::size_t size) {
            const auto count = rest.copy(buffer, size);
            rest.remove_prefix(count);
            return count;
        },
        [&](std::string_view bytes) { out += bytes; }, run_of(record, jobs));
    CHECK(changed == 1);
    CHECK(out == opened_mailbox);
    CHECK(record.done == std::vector<std::string>{"mbox:1", "mbox:2", "mbox:3"});
    std::sort(record.seen.begin(), record.seen.end());
    REQUIRE(record.seen.size() == 3);
    CHECK(record.seen[0].second == "Subject: 1\n\nFrom text\n");
    CHECK(record.seen[2].second == "Subject: 3\n\nplain without an end");
}

TEST_CASE("an mbox is replaced in place with its mode and time, and its locks go", "[reader]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "mbox";
    write_bytes(path, mailbox);
    set_status(path, 0640, {1'700'000'000, 123'456'789});
    Record record;
    rewrite_mbox_in_place(path, run_of(record));
    CHECK(bytes_of_file(path) == opened_mailbox);
    const auto status = status_of(path);
    CHECK((status.st_mode & 07777U) == 0640);
    CHECK(status.st_mtim.tv_sec == 1'700'000'000);
    CHECK(status.st_mtim.tv_nsec == 123'456'789);
    CHECK(entries_in(directory.path()) == 1);
}

TEST_CASE("an mbox with nothing to open in it is not written", "[reader]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "mbox";
    write_bytes(path, opened_mailbox);
    const auto before = status_of(path);
    Record record;
    rewrite_mbox_in_place(path, run_of(record));
    CHECK(record.done.size() == 3);
    CHECK(status_of(path).st_ino == before.st_ino);
    CHECK(entries_in(directory.path()) == 1);
}

TEST_CASE("a symbolic link to an mbox stays one", "[reader]") {
    const TemporaryDirectory directory;
    write_bytes(directory.path() / "mbox", mailbox);
    fs::create_symlink("mbox", directory.path() / "link");
    Record record;
    rewrite_mbox_in_place(directory.path() / "link", run_of(record));
    CHECK(fs::is_symlink(directory.path() / "link"));
    CHECK(bytes_of_file(directory.path() / "mbox") == opened_mailbox);
}

TEST_CASE("an mbox that somebody else holds is left alone", "[reader]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "mbox";
    write_bytes(path, mailbox);
    Record record;
    std::optional<Error> error;
    SECTION("with fcntl") {
        const Other other(path, true);
        error = error_of([&] { rewrite_mbox_in_place(path, run_of(record)); });
    }
    SECTION("with a .lock file, as mutt makes it") {
        write_bytes(directory.path() / "mbox.lock", "");
        error = error_of([&] { rewrite_mbox_in_place(path, run_of(record)); });
        CHECK(fs::exists(directory.path() / "mbox.lock"));
        CHECK(error->hint().find("mbox.lock") != std::string::npos);
    }
    SECTION("with a .lock file of a process that lives") {
        write_bytes(directory.path() / "mbox.lock", std::to_string(::getppid()) + "\n");
        error = error_of([&] { rewrite_mbox_in_place(path, run_of(record)); });
    }
    REQUIRE(error);
    CHECK(error->kind() == ErrorKind::busy);
    CHECK(std::string(error->what()) == fs::canonical(path).string() + " is locked by another program");
    CHECK(bytes_of_file(path) == mailbox);
    CHECK(record.done.empty());
}

TEST_CASE("a run that is killed leaves the old mbox, and the next one opens it", "[reader]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "mbox";
    write_bytes(path, mailbox);
    const auto at = GENERATE(as<std::size_t>{}, 1, 2, 3);
    const auto status = in_child([&] {
        Record record;
        rewrite_mbox_in_place(path, run_of(record, 1, [&](std::size_t done) {
                                  if (done == at) {
                                      ::raise(SIGKILL);
                                  }
                              }));
    });
    REQUIRE(was_killed(status));
    CHECK(bytes_of_file(path) == mailbox);
    CHECK(fs::exists(directory.path() / "mbox.lock"));
    Record record;
    rewrite_mbox_in_place(path, run_of(record));
    CHECK(bytes_of_file(path) == opened_mailbox);
    CHECK(entries_in(directory.path()) == 1);
}

TEST_CASE("what is appended to an mbox without a lock meanwhile is kept", "[reader]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "mbox";
    write_bytes(path, mailbox);
    constexpr std::string_view delivered =
        "\n\nFrom d@example.org Thu Jan  1 00:00:03 2026\nSubject: 4\n\nnew\n";
    Record record;
    rewrite_mbox_in_place(path, run_of(record, 1, [&](std::size_t done) {
                              if (done == 3) {
                                  std::ofstream(path, std::ios::app | std::ios::binary) << delivered;
                              }
                          }));
    CHECK(bytes_of_file(path) == std::string(opened_mailbox) + std::string(delivered));
}

TEST_CASE("an mbox that another program changes or replaces meanwhile is left to it", "[reader]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "mbox";
    write_bytes(path, mailbox);
    const std::string changed = GENERATE(as<std::string>{}, "From x\nshorter\n\n", "replaced");
    Record record;
    const auto error = error_of([&] {
        rewrite_mbox_in_place(path, run_of(record, 1, [&](std::size_t done) {
                                  if (done == 3 && changed == "replaced") {
                                      write_bytes(directory.path() / "new", changed);
                                      fs::rename(directory.path() / "new", path);
                                  } else if (done == 3) {
                                      write_bytes(path, changed);
                                  }
                              }));
    });
    REQUIRE(error);
    CHECK(error->kind() == ErrorKind::busy);
    CHECK(bytes_of_file(path) == changed);
    CHECK(entries_in(directory.path()) == 1);
}

TEST_CASE("a full disk costs nothing of an mbox", "[reader]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "mbox";
    const auto large = std::string(mailbox) + "\n\nFrom d\n\n" + std::string(1'000'000, 'x') + "\n";
    write_bytes(path, large);
    const auto status = in_child([&] {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{500'000, 500'000};
        (void)::setrlimit(RLIMIT_FSIZE, &limit);
        Record record;
        const auto error = error_of([&] { rewrite_mbox_in_place(path, run_of(record)); });
        const bool is_clear = error && error->kind() == ErrorKind::io &&
                              std::string(error->what()).find("cannot write " + path.string()) == 0;
        ::_exit(is_clear ? 7 : 8);
    });
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 7));
    CHECK(bytes_of_file(path) == large);
    CHECK(entries_in(directory.path()) == 1);
}

TEST_CASE("an mbox goes to a new file that only its owner reads", "[reader]") {
    const TemporaryDirectory directory;
    write_bytes(directory.path() / "mbox", mailbox);
    const Descriptor file(::open((directory.path() / "mbox").c_str(), O_RDONLY));
    Record record;
    write_bytes(directory.path() / ".new.lockbox",
                "what a killed run has left, longer than what comes now" + std::string(5000, 'x'));
    rewrite_mbox_to(bytes_of(file.get(), "mbox"), directory.path() / "new", run_of(record));
    CHECK(bytes_of_file(directory.path() / "new") == opened_mailbox);
    CHECK((status_of(directory.path() / "new").st_mode & 07777U) == 0600);
    CHECK(bytes_of_file(directory.path() / "mbox") == mailbox);
    CHECK(entries_in(directory.path()) == 2);
}

TEST_CASE("an mbox does not go over a file that exists", "[reader]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "mbox";
    write_bytes(path, mailbox);
    write_bytes(directory.path() / "new", "mine");
    const Descriptor file(::open(path.c_str(), O_RDONLY));
    Record record;
    const auto error = error_of(
        [&] { rewrite_mbox_to(bytes_of(file.get(), "mbox"), directory.path() / "new", run_of(record)); });
    REQUIRE(error);
    CHECK(error->kind() == ErrorKind::io);
    CHECK(bytes_of_file(directory.path() / "new") == "mine");
    CHECK(entries_in(directory.path()) == 2);
}

TEST_CASE("a worker that fails ends the run with its error and changes nothing", "[reader]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "mbox";
    write_bytes(path, mailbox);
    MboxRun run;
    run.name = "mbox";
    for (int i = 0; i < 3; ++i) {
        run.workers.emplace_back([](const StoredMessage& message) -> Change {
            if (message.name == "mbox:2") {
                throw Error(ErrorKind::engine, "no gpg");
            }
            return {};
        });
    }
    const auto error = error_of([&] { rewrite_mbox_in_place(path, run); });
    REQUIRE(error);
    CHECK(error->kind() == ErrorKind::engine);
    CHECK(bytes_of_file(path) == mailbox);
    CHECK(entries_in(directory.path()) == 1);
}

TEST_CASE("an mbox is on the disk before it gets its name, and locked when it has it", "[reader]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "mbox";
    write_bytes(path, mailbox);
    bool is_locked = false;
    SystemCalls calls;
    calls.on_rename = [&](const char* to) { // as another program sees it in this moment
        const auto child = ::fork();
        if (child == 0) {
            const int file = ::open(to, O_RDWR | O_CLOEXEC);
            struct flock whole {};
            whole.l_type = F_WRLCK;
            whole.l_whence = SEEK_SET;
            ::_exit(file >= 0 && ::fcntl(file, F_SETLK, &whole) != 0 ? 0 : 1);
        }
        int status = -1;
        is_locked = child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
    };
    Record record;
    watched = &calls;
    rewrite_mbox_in_place(path, run_of(record));
    watched = nullptr;
    CHECK(bytes_of_file(path) == opened_mailbox);
    CHECK(is_locked);
    const auto synced = std::find(calls.names.begin(), calls.names.end(), "fsync of a file");
    const auto renamed = std::find(calls.names.begin(), calls.names.end(), "rename");
    REQUIRE(renamed != calls.names.end());
    CHECK(synced < renamed);
    CHECK(std::find(renamed, calls.names.end(), "fsync of a directory") != calls.names.end());
}
