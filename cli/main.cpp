// The program `lockbox`: hands the outside world to cli::run().
#include "cli/pager.hpp"
#include "cli/passphrase.hpp"
#include "cli/run.hpp"
#include "cli/wrapped_output.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace {

/// A program started with a closed standard stream must not have a file of its own take that place. What is
/// opened here answers every use with an error, so that nothing is lost in silence.
void occupy_standard_descriptors() noexcept {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(fd, F_GETFD) < 0) {
            // open() takes the lowest free descriptor, which is this one.
            (void)::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        }
    }
}

struct TerminalSize {
    std::size_t columns = 80; // what is usual
    std::size_t lines = 24;
};

/// What is usual where the terminal does not say.
TerminalSize size_of_terminal(int fd) noexcept {
    TerminalSize result;
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) == 0) {
        result.columns = size.ws_col > 0 ? size.ws_col : result.columns;
        result.lines = size.ws_row > 0 ? size.ws_row : result.lines;
    }
    return result;
}

/// The language of LC_CTYPE as POSIX finds it (XBD §8.2).
bool has_east_asian_locale() noexcept {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        const char* value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): nobody sets the environment
        if (value != nullptr && *value != '\0') {
            const std::string_view locale(value);
            return locale.starts_with("zh") || locale.starts_with("ja") || locale.starts_with("ko");
        }
    }
    return false;
}

bool show_in_pager(std::string_view text) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets the environment
    const auto command = lockbox::cli::pager_command(std::getenv("LOCKBOX_PAGER"), std::getenv("PAGER"));
    return lockbox::cli::show_in_pager(command, text);
}

/// The login of who calls; through sudo(8), theirs too.
std::string login() {
    const auto* user = ::getpwuid(::geteuid()); // NOLINT(concurrency-mt-unsafe): there is one thread
    std::string name = user != nullptr ? user->pw_name : std::to_string(::geteuid());
    const char* caller = std::getenv("SUDO_USER"); // NOLINT(concurrency-mt-unsafe): nobody sets it
    return caller != nullptr && *caller != '\0' ? name + " (sudo: " + caller + ")" : name;
}

/// Below $XDG_CONFIG_HOME, or ~/.config (XDG Base Directory Specification: relative paths do not count).
std::string own_settings() {
    const char* config = std::getenv("XDG_CONFIG_HOME"); // NOLINT(concurrency-mt-unsafe)
    if (config != nullptr && *config == '/') {
        return std::string(config) + "/lockbox";
    }
    const char* home = std::getenv("HOME"); // NOLINT(concurrency-mt-unsafe)
    return home != nullptr && *home == '/' ? std::string(home) + "/.config/lockbox" : std::string();
}

/// https://no-color.org
bool wants_colours() noexcept {
    const char* no_color =
        std::getenv("NO_COLOR");            // NOLINT(concurrency-mt-unsafe): nobody sets the environment
    const char* term = std::getenv("TERM"); // NOLINT(concurrency-mt-unsafe)
    return (no_color == nullptr || *no_color == '\0') && term != nullptr && std::string_view(term) != "dumb";
}

/// librnp writes what it thinks of a certificate to C's `stderr`. It has no switch for that, and
/// rnp_ffi_set_log_fd() moves only a part of it. The GNU C Library lets a program set the variable ("Standard
/// Streams" in its manual). std::cerr writes to the descriptor by now: what Lockbox says itself still comes
/// through.
void keep_libraries_off_standard_error() noexcept {
    if (FILE* const nowhere = std::fopen("/dev/null", "we"); nowhere != nullptr) {
        stderr = nowhere; // NOLINT(cppcoreguidelines-owning-memory): until the program ends
    }
}

/// Opened plaintext is in memory: it does not belong in a core file.
void forbid_core_files() noexcept {
    const rlimit none{0, 0};
    (void)::setrlimit(RLIMIT_CORE, &none);
}

} // namespace

int main(int argc, char** argv) {
    occupy_standard_descriptors();
    forbid_core_files();
    std::signal(SIGPIPE, SIG_IGN); // a reader that is gone is an error like a full disk
    std::signal(SIGXFSZ, SIG_IGN); // and so is a file that may not grow any more
    std::ios::sync_with_stdio(false);
    keep_libraries_off_standard_error(); // from here on, as std::cerr has just been bound
    std::cin.tie(nullptr);

    const std::vector<std::string_view> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
    lockbox::cli::Environment environment;
    environment.now = lockbox::now();
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets the environment
    if (const char* keyring = std::getenv("LOCKBOX_KEYRING")) {
        environment.keyring = keyring;
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    if (const char* key = std::getenv("LOCKBOX_KEY")) {
        environment.key = key;
    }
    environment.settings = own_settings();
    environment.who = login();
    environment.in_is_terminal = ::isatty(STDIN_FILENO) != 0;
    environment.out_is_terminal = ::isatty(STDOUT_FILENO) != 0;
    const auto size = size_of_terminal(STDOUT_FILENO);
    environment.columns = size.columns;
    environment.lines = size.lines;
    environment.is_east_asian = has_east_asian_locale();
    environment.colours = wants_colours();
    environment.err_is_terminal = ::isatty(STDERR_FILENO) != 0;
    environment.ask_passphrase = lockbox::cli::ask_at_terminal;
    environment.show_in_pager = show_in_pager;
    // A name from a message may be longer than the terminal is wide, and would begin a line of it.
    lockbox::cli::WrappedOutput wrapped(*std::cerr.rdbuf(), size_of_terminal(STDERR_FILENO).columns);
    std::ostream wrapped_err(&wrapped);
    lockbox::cli::Io io{std::cin, std::cout, environment.err_is_terminal ? wrapped_err : std::cerr};
    return lockbox::cli::run(arguments, io, environment);
}
