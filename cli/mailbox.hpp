// Opening whole mailboxes: an mbox, or all Maildirs below a directory.
#pragma once

#include "cli/command.hpp"
#include "cli/io.hpp"
#include "reader/engine.hpp"
#include "reader/open.hpp"

#include <cstddef>
#include <functional>
#include <istream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace lockbox::cli {

enum class PathKind {
    message, ///< one message, or data without a message around it
    mbox,    ///< a file that begins with "From "
    maildir, ///< a directory: a Maildir, or one with Maildirs below it
};

/// Throws Error(no_input) where it cannot be read. Not for "-".
[[nodiscard]] PathKind kind_of(const std::string& path);

/// The same of a stream. What had to be read of it is left in `beginning` and belongs before the rest.
[[nodiscard]] PathKind kind_of(std::istream& in, std::string& beginning);

/// The same of an argument, "-" among them, with what had to be read of standard input. Nothing is read of a
/// terminal: what somebody types is one message.
[[nodiscard]] std::pair<PathKind, std::string> kind_of(const Invocation& invocation, const std::string& path);

/// More threads than any machine has use for: each has a gpg and a message in memory.
constexpr unsigned jobs_max = 64;
/// "1" to jobs_max. Throws Error(usage).
[[nodiscard]] unsigned parse_jobs(std::string_view text);

/// What there is to do.
struct MailboxTask {
    PathKind kind = PathKind::mbox;
    std::string path = "-"; ///< "-": Io::in
    std::string beginning;  ///< of Io::in, what was read of it already
    bool in_place = false;
    std::string output; ///< empty: none; "-": Io::out, for an mbox
    unsigned jobs = 1;
    /// Io::out is for the report: without in_place and output nothing is written.
    bool json = false;
    bool quiet = false; ///< nothing is said at the end
};

/// How a message is opened, and who hears of it.
struct MailboxHooks {
    /// Called on this thread once for each job, before anything is opened.
    std::function<std::unique_ptr<reader::Engine>()> make_engine;
    /// reader::open(); called on other threads, each with an engine of its own.
    std::function<reader::Opened(std::string_view bytes, reader::Engine& engine)> open;
    /// Called on this thread in the order of the mailbox, once a message is where it belongs. `name` is
    /// "PATH:N" in an mbox ("mbox:N" of standard input), and the path below the directory for a Maildir.
    std::function<void(const std::string& name, const reader::Opened& opened)> report;
    /// Takes whole lines what could steer a terminal, for an mbox that goes to Io::out where that is one;
    /// empty: they are written as they are.
    std::function<Secret(std::string_view lines)> for_terminal;
};

/// How many messages came to which end.
struct MailboxCounts {
    std::size_t opened = 0;
    std::size_t partly_sealed = 0;
    std::size_t nothing_to_open = 0;
    std::size_t no_key = 0;
    std::size_t damaged = 0;
    std::size_t unavailable = 0;

    void add(reader::Outcome outcome) noexcept;
    [[nodiscard]] std::size_t total() const noexcept;
    /// "120 messages: 100 opened, 3 partly sealed, 10 not sealed, 5 no key, 2 damaged": without what is 0.
    [[nodiscard]] std::string to_string() const;
    /// The status of the worst message, as lockbox(1) promises it.
    [[nodiscard]] int exit_status() const noexcept;
};

/// Opens all messages that can be, and leaves the others to the octet what they were. An opened message takes
/// the place of a sealed one where it is a message; data that was sealed without one does not. Says at the
/// end on Io::err how many came to which end, and returns the exit status. Throws Error(usage) for a task
/// that cannot be, and what reader/mbox_rewrite.hpp and reader/maildir_rewrite.hpp throw. SIGINT, SIGTERM and
/// SIGHUP end the process between two messages, when its locks are gone.
int decrypt_mailbox(Io& io, const Environment& environment, const MailboxTask& task,
                    const MailboxHooks& hooks);

} // namespace lockbox::cli
