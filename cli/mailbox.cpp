#include "cli/mailbox.hpp"

#include "base/ascii.hpp"
#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "cli/command.hpp"
#include "cli/progress.hpp"
#include "cli/report.hpp"
#include "mail/header.hpp"
#include "reader/maildir_rewrite.hpp"
#include "reader/mbox_rewrite.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace lockbox::cli {
namespace {

using reader::Opened;
using reader::Outcome;

/// Does its result take the place of the message?
bool replaces(const Opened& opened) noexcept {
    return (opened.outcome == Outcome::opened || opened.outcome == Outcome::partly_sealed) &&
           opened.message.size() > 0 && !opened.is_bare_data && !opened.leaves_text_out;
}

std::optional<Outcome> outcome_of(std::string_view word) noexcept {
    for (const auto outcome : {Outcome::opened, Outcome::partly_sealed, Outcome::nothing_to_open,
                               Outcome::no_key, Outcome::damaged, Outcome::unavailable}) {
        if (reader::word(outcome) == word) {
            return outcome;
        }
    }
    return std::nullopt;
}

Opened refused(const std::string& reason) {
    Opened opened;
    opened.outcome = Outcome::damaged;
    opened.reason = reason;
    return opened;
}

/// Of a signal that ends programs: thrown between two messages.
struct Interrupted {
    int signal;
};

/// A run that is interrupted finishes the message that it writes and takes its locks and temporary files
/// away: mail cannot be delivered to an mbox whose ".lock" file stays. A second signal ends it at once.
class Interruption {
public:
    Interruption() {
        struct sigaction action {};
        action.sa_handler = [](int signal) { pending = signal; };
        action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
        sigemptyset(&action.sa_mask);
        pending = 0;
        for (std::size_t i = 0; i < signals.size(); ++i) {
            (void)::sigaction(signals[i], nullptr, &before_[i]);
            if (before_[i].sa_handler != SIG_IGN) { // nohup(1)
                (void)::sigaction(signals[i], &action, nullptr);
            }
        }
    }
    ~Interruption() {
        for (std::size_t i = 0; i < signals.size(); ++i) {
            (void)::sigaction(signals[i], &before_[i], nullptr);
        }
    }
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;

    /// Throws Interrupted.
    static void check() {
        if (const int signal = pending; signal != 0) {
            throw Interrupted{signal};
        }
    }

private:
    static constexpr std::array<int, 3> signals{SIGINT, SIGTERM, SIGHUP};
    static inline std::atomic<int> pending = 0;
    static_assert(std::atomic<int>::is_always_lock_free); // else no signal handler may touch it
    std::array<struct sigaction, signals.size()> before_{};
};

/// One call of decrypt_mailbox().
class Run {
public:
    Run(Io& io, const Environment& environment, const MailboxTask& task, const MailboxHooks& hooks)
        : io_(io), task_(task), hooks_(hooks), progress_(io.err, environment.err_is_terminal),
          is_for_terminal_(environment.out_is_terminal && hooks.for_terminal) {
        for (unsigned i = 0; i < std::max(task.jobs, 1U); ++i) {
            engines_.push_back(hooks.make_engine());
        }
    }

    int run() {
        try {
            if (task_.kind == PathKind::maildir) {
                run_maildirs();
            } else {
                run_mbox();
            }
        } catch (...) {
            // What was done until then is done.
            say_total();
            throw;
        }
        say_total();
        return counts_.exit_status();
    }

private:
    std::vector<reader::Worker> workers() {
        std::vector<reader::Worker> workers;
        for (const auto& engine : engines_) {
            workers.emplace_back([this, &engine = *engine](const reader::StoredMessage& message) {
                return judge(message, engine);
            });
        }
        return workers;
    }

    /// On a thread of its own: touches nothing of this object but what never changes.
    reader::Change judge(const reader::StoredMessage& message, reader::Engine& engine) {
        const auto opened = std::make_shared<const Opened>(
            message.refusal.empty() ? hooks_.open(message.bytes, engine) : refused(message.refusal));
        reader::Change change;
        if (replaces(*opened)) {
            change.message = std::shared_ptr<const Secret>(opened, &opened->message);
        }
        change.note = reader::word(opened->outcome);
        change.done = [this, opened, name = message.name] { report(name, *opened); };
        return change;
    }

    void report(const std::string& name, const Opened& opened) {
        counts_.add(opened.outcome);
        progress_.clear();
        hooks_.report(name, opened);
        progress_.advance();
        Interruption::check();
    }

    void say_total() {
        progress_.clear();
        if (!task_.quiet) {
            io_.err << "lockbox: " << counts_.to_string() << '\n';
        }
        if (done_before_ > 0) {
            io_.err << fmt::format("lockbox: {} of them in an earlier run\n", done_before_);
        }
        io_.err.flush();
    }

    void run_maildirs() {
        reader::MaildirRun run;
        run.workers = workers();
        run.found = [this](std::size_t messages) { progress_.set_total(messages); };
        run.warn = [this](const std::string& name, const std::string& sentence) {
            progress_.clear();
            warn(io_.err, fmt::format("{}: {}", name, sentence));
        };
        run.done_before = [this](const std::string& note) {
            if (const auto outcome = outcome_of(note)) {
                counts_.add(*outcome);
                ++done_before_;
                progress_.skip();
            }
        };
        if (task_.in_place) {
            reader::rewrite_maildirs_in_place(task_.path, run);
        } else if (!task_.output.empty()) {
            reader::rewrite_maildirs_to(task_.path, task_.output, run);
        } else {
            reader::read_maildirs(task_.path, run);
        }
    }

    void run_mbox() {
        reader::MboxRun run;
        const bool is_stream = task_.path == "-";
        run.name = is_stream ? "mbox" : task_.path;
        run.workers = workers();
        std::error_code error;
        const auto size = is_stream ? 0 : std::filesystem::file_size(task_.path, error);
        if (!error && size > 0) {
            run.progress = [this, size](std::size_t octets) {
                progress_.set_fraction(static_cast<double>(octets) / static_cast<double>(size));
            };
        }
        if (task_.in_place) {
            reader::rewrite_mbox_in_place(task_.path, run);
            return;
        }
        Descriptor file;
        if (!is_stream) {
            file = Descriptor(::open(task_.path.c_str(), O_RDONLY | O_CLOEXEC));
            if (!file) {
                throw Error(ErrorKind::no_input,
                            fmt::format("cannot read {}: {}", task_.path, reason_of(errno)));
            }
        }
        const auto source = is_stream ? standard_input() : reader::bytes_of(file.get(), task_.path);
        if (task_.output.empty() && task_.json) {
            (void)reader::rewrite_mbox(
                source, [](std::string_view) {}, run);
        } else if (task_.output.empty() || task_.output == "-") {
            (void)reader::rewrite_mbox(source, standard_output(), run);
            if (is_for_terminal_) {
                write_for_terminal({}, true);
            }
            io_.out.flush();
            check_output(io_.out);
        } else {
            reader::rewrite_mbox_to(source, task_.output, run);
        }
    }

    reader::ByteSource standard_input() {
        return [this, beginning = std::string_view(task_.beginning)](char* buffer, std::size_t size) mutable {
            if (!beginning.empty()) {
                const auto count = beginning.copy(buffer, size);
                beginning.remove_prefix(count);
                return count;
            }
            io_.in.read(buffer, static_cast<std::streamsize>(size));
            if (io_.in.bad()) {
                throw Error(ErrorKind::io, "cannot read standard input");
            }
            return static_cast<std::size_t>(io_.in.gcount());
        };
    }

    reader::ByteSink standard_output() {
        return [this](std::string_view bytes) {
            if (is_for_terminal_) {
                write_for_terminal(bytes, false);
            } else {
                io_.out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
            }
            check_output(io_.out);
        };
    }

    /// Lines come in pieces, and only a whole one can be judged.
    void write_for_terminal(std::string_view bytes, bool is_end) {
        unended_line_.append(bytes);
        const auto text = unended_line_.expose();
        const auto end = is_end ? text.size() : text.rfind('\n') + 1; // npos + 1 is 0
        if (end > 0) {
            const auto harmless = hooks_.for_terminal(text.substr(0, end));
            io_.out << harmless.expose();
            unended_line_ = Secret(std::string(text.substr(end)));
        }
    }

    Io& io_;
    const MailboxTask& task_;
    const MailboxHooks& hooks_;
    Progress progress_;
    bool is_for_terminal_;
    Secret unended_line_;
    std::vector<std::unique_ptr<reader::Engine>> engines_;
    MailboxCounts counts_;
    std::size_t done_before_ = 0;
};

void check(const MailboxTask& task) {
    if (task.in_place && !task.output.empty()) {
        throw Error(ErrorKind::usage, "--in-place and --output exclude each other");
    }
    if (task.path == "-") {
        if (task.in_place) {
            throw Error(ErrorKind::usage, "standard input cannot be replaced in place",
                        "name the mailbox, or leave --in-place out");
        }
        return;
    }
    if (task.kind == PathKind::maildir && !task.in_place && task.output.empty() && !task.json) {
        throw Error(ErrorKind::usage,
                    fmt::format("{} is a directory: it has no place on standard output", task.path),
                    "--output DIR writes new Maildirs, --in-place replaces the sealed messages");
    }
    if (task.kind == PathKind::maildir && task.output == "-") {
        throw Error(ErrorKind::usage, "a Maildir cannot be written to standard output",
                    "--output DIR writes new Maildirs, --in-place replaces the sealed messages");
    }
}

} // namespace

namespace {

constexpr std::size_t beginning_octets = 64; // of a file: enough to tell "From alice" from "From :"

} // namespace

PathKind kind_of(const std::string& path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0) {
        throw Error(ErrorKind::no_input, fmt::format("cannot read {}: {}", path, reason_of(errno)));
    }
    if (S_ISDIR(status.st_mode)) {
        return PathKind::maildir;
    }
    if (!S_ISREG(status.st_mode)) {
        return PathKind::message; // what is read of a pipe is gone
    }
    std::array<char, beginning_octets> buffer{};
    std::size_t size = 0;
    while (const auto count = read_some(file.get(), buffer.data() + size, buffer.size() - size, path)) {
        size += count;
    }
    return mail::begins_with_mbox_line({buffer.data(), size}) ? PathKind::mbox : PathKind::message;
}

PathKind kind_of(std::istream& in, std::string& beginning) {
    beginning.resize(beginning_octets);
    in.read(beginning.data(), static_cast<std::streamsize>(beginning.size()));
    beginning.resize(static_cast<std::size_t>(in.gcount()));
    return mail::begins_with_mbox_line(beginning) ? PathKind::mbox : PathKind::message;
}

std::pair<PathKind, std::string> kind_of(const Invocation& invocation, const std::string& path) {
    if (path != "-") {
        return {kind_of(path), {}};
    }
    if (invocation.environment().in_is_terminal) {
        return {PathKind::message, {}};
    }
    std::string beginning;
    const auto kind = kind_of(invocation.io().in, beginning);
    return {kind, std::move(beginning)};
}

unsigned parse_jobs(std::string_view text) {
    unsigned jobs = 0;
    const auto* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, jobs);
    if (error != std::errc() || stopped != end || jobs == 0 || jobs > jobs_max) {
        throw Error(ErrorKind::usage,
                    fmt::format("--jobs takes a number from 1 to {}, not '{}'", jobs_max, printable(text)));
    }
    return jobs;
}

void MailboxCounts::add(Outcome outcome) noexcept {
    switch (outcome) {
    case Outcome::opened:
        ++opened;
        return;
    case Outcome::partly_sealed:
        ++partly_sealed;
        return;
    case Outcome::nothing_to_open:
        ++nothing_to_open;
        return;
    case Outcome::no_key:
        ++no_key;
        return;
    case Outcome::damaged:
        ++damaged;
        return;
    case Outcome::unavailable:
        ++unavailable;
        return;
    }
}

std::size_t MailboxCounts::total() const noexcept {
    return opened + partly_sealed + nothing_to_open + no_key + damaged + unavailable;
}

std::string MailboxCounts::to_string() const {
    const std::array<std::pair<std::size_t, const char*>, 6> named{{{opened, "opened"},
                                                                    {partly_sealed, "partly sealed"},
                                                                    {nothing_to_open, "not sealed"},
                                                                    {no_key, "no key"},
                                                                    {damaged, "damaged"},
                                                                    {unavailable, "not tried"}}};
    auto text = fmt::format("{} message{}", total(), total() == 1 ? "" : "s");
    std::string_view separator = ": ";
    for (const auto& [count, name] : named) {
        if (count > 0) {
            text += fmt::format("{}{} {}", separator, count, name);
            separator = ", ";
        }
    }
    return text;
}

int MailboxCounts::exit_status() const noexcept {
    const std::array<std::pair<std::size_t, Outcome>, 5> worst_first{{{unavailable, Outcome::unavailable},
                                                                      {damaged, Outcome::damaged},
                                                                      {no_key, Outcome::no_key},
                                                                      {partly_sealed, Outcome::partly_sealed},
                                                                      {opened, Outcome::opened}}};
    for (const auto& [count, outcome] : worst_first) {
        if (count > 0) {
            return cli::exit_status(outcome);
        }
    }
    return cli::exit_status(Outcome::nothing_to_open);
}

int decrypt_mailbox(Io& io, const Environment& environment, const MailboxTask& task,
                    const MailboxHooks& hooks) {
    check(task);
    try {
        const Interruption interruption;
        return Run(io, environment, task, hooks).run();
    } catch (const Interrupted& interrupted) {
        io.err.flush();
        (void)std::raise(interrupted.signal); // whoever started this sees what it died of
        return 128 + interrupted.signal;      // as a shell puts it, where even that is ignored
    }
}

} // namespace lockbox::cli
