#include "cli/passphrase.hpp"

#include "base/error.hpp"
#include "crypto/key_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <system_error>

namespace lockbox::cli {
namespace {

constexpr std::array<int, 5> caught_signals{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
volatile std::sig_atomic_t caught_signal = 0;

extern "C" void remember_signal(int signal) {
    caught_signal = signal;
}

/// For its lifetime, signals that would end or stop the program are only remembered, and come only while
/// wait_for() waits: none gets lost between a look and a read.
class SignalsHeldBack {
public:
    SignalsHeldBack() {
        caught_signal = 0;
        sigset_t held{};
        sigemptyset(&held);
        struct sigaction action {};
        action.sa_handler = remember_signal;
        sigemptyset(&action.sa_mask);
        for (std::size_t i = 0; i < caught_signals.size(); ++i) {
            sigaddset(&held, caught_signals[i]);
            (void)::sigaction(caught_signals[i], &action, &before_[i]);
        }
        (void)::pthread_sigmask(SIG_BLOCK, &held, &mask_before_);
    }
    ~SignalsHeldBack() {
        (void)::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
        for (std::size_t i = 0; i < caught_signals.size(); ++i) {
            (void)::sigaction(caught_signals[i], &before_[i], nullptr);
        }
    }
    SignalsHeldBack(const SignalsHeldBack&) = delete;
    SignalsHeldBack& operator=(const SignalsHeldBack&) = delete;

    /// Until there is something to read. False: a signal came, or the terminal is gone.
    [[nodiscard]] bool wait_for(int fd) const {
        pollfd waiting{fd, POLLIN, 0};
        return ::ppoll(&waiting, 1, nullptr, &mask_before_) == 1 && caught_signal == 0;
    }

private:
    std::array<struct sigaction, caught_signals.size()> before_{};
    sigset_t mask_before_{};
};

/// A terminal that does not show what is typed, for its lifetime.
class QuietTerminal {
public:
    explicit QuietTerminal(int fd) : fd_(fd) {
        if (::tcgetattr(fd_, &before_) == 0) {
            auto quiet = before_;
            quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
            quiet.c_lflag |= ICANON | ISIG;
            changed_ = ::tcsetattr(fd_, TCSAFLUSH, &quiet) == 0;
        }
    }
    ~QuietTerminal() {
        if (changed_) {
            (void)::tcsetattr(fd_, TCSAFLUSH, &before_);
        }
    }
    QuietTerminal(const QuietTerminal&) = delete;
    QuietTerminal& operator=(const QuietTerminal&) = delete;
    [[nodiscard]] bool is_quiet() const noexcept { return changed_; }

private:
    int fd_;
    termios before_{};
    bool changed_ = false;
};

class OpenTerminal {
public:
    OpenTerminal() : fd_(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)) {}
    ~OpenTerminal() {
        if (fd_ >= 0) {
            (void)::close(fd_);
        }
    }
    OpenTerminal(const OpenTerminal&) = delete;
    OpenTerminal& operator=(const OpenTerminal&) = delete;
    [[nodiscard]] int fd() const noexcept { return fd_; }
    void say(std::string_view text) const noexcept { (void)!::write(fd_, text.data(), text.size()); }

private:
    int fd_;
};

[[noreturn]] void throw_nobody_to_ask() {
    throw Error(ErrorKind::no_secret_key,
                "the key has a passphrase, and there is no terminal to ask for it at",
                "a script gives it with `--passphrase-fd N`");
}

/// Up to the line end, which is left out. nullopt: `ready` said no.
template <typename Ready>
std::optional<Secret> read_line(int fd, Ready&& ready) {
    std::array<char, 1> octet{};
    Secret line;
    while (line.size() <= crypto::passphrase_octets_max) {
        if (!ready()) {
            return std::nullopt;
        }
        const auto count = ::read(fd, octet.data(), octet.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            throw Error(ErrorKind::no_input,
                        fmt::format("cannot read the passphrase: {}",
                                    std::error_code(errno, std::generic_category()).message()));
        }
        if (count == 0 || octet.front() == '\n') {
            break;
        }
        line.append({octet.data(), octet.size()});
    }
    return line;
}

/// nullopt: a signal came in between, and has done what it does.
std::optional<Secret> ask_once(const OpenTerminal& terminal, const std::string& prompt) {
    int signal = 0;
    {
        const SignalsHeldBack signals;
        const QuietTerminal quiet(terminal.fd());
        if (!quiet.is_quiet()) {
            throw_nobody_to_ask();
        }
        terminal.say(prompt);
        auto line = read_line(terminal.fd(), [&] { return signals.wait_for(terminal.fd()); });
        terminal.say("\n");
        if (line) {
            return line;
        }
        signal = caught_signal;
    }
    if (signal == 0) {
        throw_nobody_to_ask();
    }
    (void)std::raise(signal); // the terminal is as it was; after SIGTSTP, somebody goes on here
    return std::nullopt;
}

} // namespace

Secret ask_at_terminal(const std::string& prompt) {
    const OpenTerminal terminal;
    if (terminal.fd() < 0) {
        throw_nobody_to_ask();
    }
    while (true) {
        if (auto answer = ask_once(terminal, prompt)) {
            if (answer->size() == 0) {
                throw Error(ErrorKind::no_secret_key, "no passphrase was given");
            }
            return std::move(*answer);
        }
    }
}

Secret read_passphrase(int descriptor) {
    return std::move(*read_line(descriptor, [] { return true; }));
}

} // namespace lockbox::cli
