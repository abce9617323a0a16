// The program `lockbox`: hands the outside world to cli::run().
#include "cli/passphrase.hpp"
#include "cli/run.hpp"

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

/// Of the terminal at standard output; what is usual where it does not say.
std::size_t columns_of_terminal() noexcept {
    constexpr std::size_t usual = 80;
    winsize size{};
    const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : usual;
}

/// The login of who calls; through sudo(8), theirs too.
std::string login() {
    const auto* user = ::getpwuid(::geteuid()); // NOLINT(concurrency-mt-unsafe): there is one thread
    std::string name = user != nullptr ? user->pw_name : std::to_string(::geteuid());
    const char* caller = std::getenv("SUDO_USER"); // NOLINT(concurrency-mt-unsafe): nobody sets it
    return caller != nullptr && *caller != '\0' ? name + " (sudo: " + caller + ")" : name;
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
    environment.who = login();
    environment.in_is_terminal = ::isatty(STDIN_FILENO) != 0;
    environment.out_is_terminal = ::isatty(STDOUT_FILENO) != 0;
    environment.columns = columns_of_terminal();
    environment.colours = wants_colours();
    environment.err_is_terminal = ::isatty(STDERR_FILENO) != 0;
    environment.ask_passphrase = lockbox::cli::ask_at_terminal;
    lockbox::cli::Io io{std::cin, std::cout, std::cerr};
    return lockbox::cli::run(arguments, io, environment);
}
