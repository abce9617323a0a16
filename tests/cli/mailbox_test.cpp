#include "base/error.hpp"
#include "base/file.hpp"
#include "cli/mailbox.hpp"
#include "tests/support/catch.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <vector>

using namespace lockbox;
using namespace lockbox::cli;
using reader::Opened;
using reader::Outcome;
namespace fs = std::filesystem;

namespace {

/// Nothing here asks an engine for anything.
class NoEngine : public reader::Engine {
public:
    reader::Decrypted decrypt_openpgp(std::string_view) override { return fail<reader::Decrypted>(); }
    reader::Decrypted decrypt_cms(std::string_view) override { return fail<reader::Decrypted>(); }
    std::vector<reader::Signature> verify_openpgp(std::string_view, std::string_view) override {
        return fail<std::vector<reader::Signature>>();
    }
    std::vector<reader::Signature> verify_cms(std::string_view, std::string_view) override {
        return fail<std::vector<reader::Signature>>();
    }
    std::optional<reader::Verified> verify_opaque(std::string_view) override {
        return fail<std::optional<reader::Verified>>();
    }
    std::optional<reader::Verified> verify_clear_signed(std::string_view) override {
        return fail<std::optional<reader::Verified>>();
    }
    std::optional<reader::Verified> verify_openpgp_message(std::string_view) override {
        return fail<std::optional<reader::Verified>>();
    }

private:
    template <typename T>
    static T fail() {
        throw Error(ErrorKind::engine, "there is no engine");
    }
};

/// The last line of a message is what becomes of it.
Opened open_by_word(std::string_view bytes) {
    Opened opened;
    const auto ends = [&](std::string_view word) { return bytes.find(word) != std::string_view::npos; };
    if (ends("OPEN")) {
        opened.outcome = Outcome::opened;
        opened.message = Secret("Subject: open\n\nopen\n");
    } else if (ends("PARTLY")) {
        opened.outcome = Outcome::partly_sealed;
        opened.message = Secret("Subject: partly\n\npartly\n");
    } else if (ends("ASIDE")) {
        opened.outcome = Outcome::partly_sealed; // opened, but not in its place
    } else if (ends("DATA")) {
        opened.outcome = Outcome::opened;
        opened.is_bare_data = true;
        opened.message = Secret("data");
    } else if (ends("NOKEY")) {
        opened.outcome = Outcome::no_key;
        opened.message = Secret("never to be written");
    } else if (ends("DAMAGED")) {
        opened.outcome = Outcome::damaged;
        opened.message = Secret("never to be written");
    } else if (ends("AWAY")) {
        opened.outcome = Outcome::unavailable;
    } else if (ends("BROKEN")) {
        throw Error(ErrorKind::engine, "gpg cannot be run");
    }
    return opened;
}

struct Result {
    int status = -1;
    std::string out;
    std::string err;
    std::vector<std::pair<std::string, Outcome>> reported;
    unsigned engines = 0;
    std::optional<Error> error;
};

Result run(const MailboxTask& task, const std::string& input = {}, bool err_is_terminal = false) {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    Io io{in, out, err};
    Environment environment;
    environment.err_is_terminal = err_is_terminal;
    Result result;
    MailboxHooks hooks;
    hooks.make_engine = [&] {
        ++result.engines;
        return std::make_unique<NoEngine>();
    };
    hooks.open = [](std::string_view bytes, reader::Engine&) { return open_by_word(bytes); };
    hooks.report = [&](const std::string& name, const Opened& opened) {
        err << "lockbox: " << name << '\n';
        result.reported.emplace_back(name, opened.outcome);
    };
    try {
        result.status = decrypt_mailbox(io, environment, task, hooks);
    } catch (const Error& error) {
        result.error = error;
    }
    result.out = out.str();
    result.err = err.str();
    return result;
}

std::string last_line(const std::string& text) {
    const auto end = text.find_last_not_of('\n');
    const auto begin = text.rfind('\n', end);
    return text.substr(begin + 1, end - begin);
}

/// One message for each word, and what an mbox must be when they were opened.
std::string mbox_of(const std::vector<std::string>& words) {
    std::string mbox;
    for (const auto& word : words) {
        mbox += "From a@example.org Thu Jan  1 00:00:00 2026\n";
        mbox += word.starts_with("=") ? word.substr(1) : "Subject: x\n\n" + word + "\n";
        mbox += '\n';
    }
    return mbox;
}

const std::vector<std::string> all_words{"OPEN", "PARTLY", "ASIDE", "DATA", "NOKEY", "DAMAGED", "plain"};
const std::vector<std::string> all_opened{
    "=Subject: open\n\nopen\n", "=Subject: partly\n\npartly\n", "ASIDE", "DATA", "NOKEY", "DAMAGED", "plain"};

} // namespace

TEST_CASE("only what was opened as a message takes the place of one", "[cli]") {
    MailboxTask task;
    task.jobs = GENERATE(1U, 3U);
    const auto result = run(task, mbox_of(all_words));
    CHECK(result.out == mbox_of(all_opened));
    CHECK(result.status == 65);
    CHECK(result.engines == task.jobs);
    REQUIRE(result.reported.size() == 7);
    CHECK(result.reported[0] == std::pair<std::string, Outcome>("mbox:1", Outcome::opened));
    CHECK(result.reported[4] == std::pair<std::string, Outcome>("mbox:5", Outcome::no_key));
    CHECK(last_line(result.err) ==
          "lockbox: 7 messages: 2 opened, 2 partly sealed, 1 not sealed, 1 no key, 1 damaged");
}

TEST_CASE("the status of a mailbox is that of its worst message", "[cli]") {
    struct Case {
        std::vector<std::string> words;
        int status;
        std::string total;
    };
    const auto [words, status, total] = GENERATE(values<Case>({
        {{}, 1, "0 messages"},
        {{"plain"}, 1, "1 message: 1 not sealed"},
        {{"plain", "OPEN"}, 0, "2 messages: 1 opened, 1 not sealed"},
        {{"PARTLY", "OPEN"}, 2, "2 messages: 1 opened, 1 partly sealed"},
        {{"PARTLY", "NOKEY"}, 77, "2 messages: 1 partly sealed, 1 no key"},
        {{"NOKEY", "DAMAGED", "OPEN"}, 65, "3 messages: 1 opened, 1 no key, 1 damaged"},
        {{"DAMAGED", "AWAY"}, 69, "2 messages: 1 damaged, 1 not tried"},
    }));
    const auto result = run({}, mbox_of(words));
    CHECK(result.status == status);
    CHECK(last_line(result.err) == "lockbox: " + total);
}

TEST_CASE("what was read of a stream to know it for an mbox is not lost", "[cli]") {
    const auto mbox = mbox_of({"OPEN", "plain"});
    std::istringstream in(mbox);
    MailboxTask task;
    CHECK(kind_of(in, task.beginning) == PathKind::mbox);
    const auto result = run(task, mbox.substr(task.beginning.size()));
    CHECK(result.out == mbox_of({"=Subject: open\n\nopen\n", "plain"}));

    for (const std::string text : {"", "From", "From:", "Subject: x\n\n"}) {
        std::istringstream other(text);
        std::string beginning;
        CHECK(kind_of(other, beginning) == PathKind::message);
        std::string rest(std::istreambuf_iterator<char>(other), {});
        CHECK(beginning + rest == text);
    }
}

TEST_CASE("an mbox in a file is opened in place, to a new file or to standard output", "[cli]") {
    const TemporaryDirectory directory;
    const auto path = (directory.path() / "archive").string();
    write_atomically(path, mbox_of(all_words));
    CHECK(kind_of(path) == PathKind::mbox);
    MailboxTask task;
    task.path = path;
    SECTION("standard output") {
        const auto result = run(task);
        CHECK(result.out == mbox_of(all_opened));
        CHECK(result.reported.at(0).first == path + ":1");
        CHECK(read_file(path, 10'000) == mbox_of(all_words));
    }
    SECTION("a file") {
        task.output = (directory.path() / "opened").string();
        CHECK(run(task).out.empty());
        CHECK(read_file(task.output, 10'000) == mbox_of(all_opened));
    }
    SECTION("in place") {
        task.in_place = true;
        CHECK(run(task).out.empty());
        CHECK(read_file(path, 10'000) == mbox_of(all_opened));
    }
    SECTION("for the report alone") {
        task.json = true;
        const auto result = run(task);
        CHECK(result.out.empty());
        CHECK(result.reported.size() == 7);
        CHECK(read_file(path, 10'000) == mbox_of(all_words));
    }
}

TEST_CASE("a Maildir is opened in place or to a new one, and not to standard output", "[cli]") {
    const TemporaryDirectory directory;
    const auto root = directory.path() / "Mail";
    for (const char* name : {"cur", "new", "tmp"}) {
        fs::create_directories(root / "lists" / name);
    }
    write_atomically(root / "lists/cur/1.a.host:2,S", "Subject: x\n\nOPEN\n");
    write_atomically(root / "lists/new/2.b.host", "Subject: x\n\nNOKEY\n");
    CHECK(kind_of(root.string()) == PathKind::maildir);
    MailboxTask task;
    task.kind = PathKind::maildir;
    task.path = root.string();
    SECTION("in place") {
        task.in_place = true;
        const auto result = run(task);
        CHECK(result.status == 77);
        CHECK(read_file(root / "lists/cur/1.a.host:2,S", 1000) == "Subject: open\n\nopen\n");
        CHECK(read_file(root / "lists/new/2.b.host", 1000) == "Subject: x\n\nNOKEY\n");
        CHECK(result.reported.at(1).first == "lists/new/2.b.host");

        const auto again = run(task); // nothing is to be opened twice
        CHECK(again.reported.at(0).second == Outcome::nothing_to_open);
    }
    SECTION("to a new one") {
        task.output = (directory.path() / "Opened").string();
        CHECK(run(task).status == 77);
        CHECK(read_file(directory.path() / "Opened/lists/cur/1.a.host:2,S", 1000) ==
              "Subject: open\n\nopen\n");
        CHECK(read_file(root / "lists/cur/1.a.host:2,S", 1000) == "Subject: x\n\nOPEN\n");
    }
    SECTION("what an earlier run has done counts") {
        task.output = (directory.path() / "Opened").string();
        write_atomically(root / "lists/new/3.c.host", "Subject: x\n\nBROKEN\n");
        const auto first = run(task);
        REQUIRE(first.error);
        CHECK(first.error->kind() == ErrorKind::engine);
        CHECK(last_line(first.err) == "lockbox: 2 messages: 1 opened, 1 no key");
        write_atomically(root / "lists/new/3.c.host", "Subject: x\n\nplain\n");
        const auto second = run(task);
        CHECK(second.status == 77);
        CHECK(second.reported.size() == 1);
        CHECK(second.err == "lockbox: lists/new/3.c.host\n"
                            "lockbox: 3 messages: 1 opened, 1 not sealed, 1 no key\n"
                            "lockbox: 2 of them in an earlier run\n");
    }
    SECTION("neither") {
        const auto result = run(task);
        REQUIRE(result.error);
        CHECK(result.error->kind() == ErrorKind::usage);
        CHECK_FALSE(result.error->hint().empty());
        CHECK(result.engines == 0);
        task.output = "-";
        CHECK(run(task).error->kind() == ErrorKind::usage);
    }
    SECTION("for the report alone") {
        task.json = true;
        CHECK(run(task).reported.size() == 2);
        CHECK(read_file(root / "lists/cur/1.a.host:2,S", 1000) == "Subject: x\n\nOPEN\n");
    }
}

TEST_CASE("standard input has no place to be replaced in", "[cli]") {
    MailboxTask task;
    task.in_place = true;
    const auto result = run(task, mbox_of({"OPEN"}));
    REQUIRE(result.error);
    CHECK(result.error->kind() == ErrorKind::usage);
    task.path = "somewhere";
    task.output = "elsewhere";
    CHECK(run(task).error->kind() == ErrorKind::usage);
}

TEST_CASE("a terminal is told how far it is, between the lines and never in them", "[cli]") {
    const auto result = run({}, mbox_of({"OPEN", "plain"}), true);
    CHECK(result.err == "lockbox: mbox:1\n\r\x1b[K1 message\r\x1b[Klockbox: mbox:2\n"
                        "lockbox: 2 messages: 1 opened, 1 not sealed\n");
}

TEST_CASE("an interrupted run dies of its signal and leaves the mbox and no lock", "[cli]") {
    const TemporaryDirectory directory;
    const auto path = directory.path() / "archive";
    write_atomically(path, mbox_of({"OPEN", "plain", "OPEN"}));
    const int signal = GENERATE(SIGINT, SIGTERM);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        (void)std::signal(signal, SIG_DFL); // the test program has a handler of its own
        std::ostringstream out;
        std::ostringstream err;
        std::istringstream in;
        Io io{in, out, err};
        MailboxTask task;
        task.path = path.string();
        task.in_place = true;
        MailboxHooks hooks;
        hooks.make_engine = [] { return std::make_unique<NoEngine>(); };
        hooks.open = [](std::string_view bytes, reader::Engine&) { return open_by_word(bytes); };
        hooks.report = [&](const std::string& name, const Opened&) {
            if (name.ends_with(":2")) {
                (void)std::raise(signal);
            }
        };
        (void)decrypt_mailbox(io, Environment{}, task, hooks);
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == signal));
    CHECK(read_file(path, 10'000) == mbox_of({"OPEN", "plain", "OPEN"}));
    CHECK(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()) == 1);
}

TEST_CASE("an mbox on a terminal is made harmless line by line", "[cli]") {
    std::istringstream in("From a\nSubject: \x1b[2J\n\n>From \x1b\nOPEN\n\nFrom b\n\nno end\x1b");
    std::ostringstream out;
    std::ostringstream err;
    Io io{in, out, err};
    Environment environment;
    environment.out_is_terminal = true;
    MailboxHooks hooks;
    hooks.make_engine = [] { return std::make_unique<NoEngine>(); };
    hooks.open = [](std::string_view, reader::Engine&) {
        Opened opened;
        opened.outcome = Outcome::opened;
        opened.message = Secret("Subject: \x1b\n\nFrom \x1b\n");
        return opened;
    };
    hooks.report = [](const std::string&, const Opened&) {};
    hooks.for_terminal = [](std::string_view lines) {
        std::string text(lines);
        std::replace(text.begin(), text.end(), '\x1b', '?');
        return Secret(std::move(text));
    };
    CHECK(decrypt_mailbox(io, environment, {}, hooks) == 0);
    CHECK(out.str() == "From a\nSubject: ?\n\n>From ?\n\nFrom b\nSubject: ?\n\n>From ?\n");
}

TEST_CASE("a path is what is in it", "[cli]") {
    const TemporaryDirectory directory;
    const auto path = (directory.path() / "file").string();
    write_atomically(path, "Subject: x\n\n");
    CHECK(kind_of(path) == PathKind::message);
    write_atomically(path, "From");
    CHECK(kind_of(path) == PathKind::message);
    write_atomically(path, "");
    CHECK(kind_of(path) == PathKind::message);
    CHECK(kind_of(directory.path().string()) == PathKind::maildir);
    try {
        static_cast<void>(kind_of((directory.path() / "missing").string()));
        FAIL("there is no such file");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::no_input);
    }
}

TEST_CASE("the option --jobs takes a number from 1 to 64", "[cli]") {
    CHECK(parse_jobs("1") == 1);
    CHECK(parse_jobs("64") == 64);
    const auto text = GENERATE(as<std::string>{}, "", "0", "65", "-1", "2x", " 2", "99999999999999999999");
    CHECK_THROWS_AS(parse_jobs(text), Error);
}
