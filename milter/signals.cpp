#include "milter/signals.hpp"

#include "base/descriptor.hpp"
#include "base/error.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <utility>

namespace lockbox::milter {
namespace {

/// SIGHUP is blocked nowhere, or the kernel would not ignore it.
constexpr std::array steering{SIGTERM, SIGINT, SIGUSR1};

// A handler has no argument but the signal.
std::atomic<int> event_descriptor = -1;
std::atomic<bool> stop_wanted = false;
std::atomic<bool> reload_wanted = false;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "a signal handler uses them");

void wake() noexcept {
    const std::uint64_t one = 1;
    (void)!::write(event_descriptor, &one, sizeof one); // full: then it wakes anyway
}

extern "C" void on_signal(int signal) {
    const int error = errno;
    (signal == SIGUSR1 ? reload_wanted : stop_wanted) = true;
    wake();
    errno = error;
}

sigset_t steering_signals() noexcept {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : steering) {
        sigaddset(&set, signal);
    }
    return set;
}

/// Nothing is blocked while a handler runs, itself least of all: what the main thread blocks, even for that
/// moment, the kernel gives to libmilter's thread, SIGHUP too, though it is ignored.
void handle(int signal, void (*handler)(int)) noexcept {
    struct sigaction action {};
    action.sa_handler = handler; // NOLINT(cppcoreguidelines-pro-type-union-access): POSIX
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_NODEFER | SA_RESTART;
    (void)::sigaction(signal, &action, nullptr); // cannot fail for these signals
}

} // namespace

Signals::Signals() {
    handle(SIGPIPE, SIG_IGN);
    handle(SIGHUP, SIG_IGN);
    event_descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_descriptor < 0) {
        throw Error(ErrorKind::engine, fmt::format("cannot wait for signals: {}", reason_of(errno)));
    }
    for (const int signal : steering) {
        handle(signal, on_signal);
    }
}

std::thread Signals::thread(std::function<void()> work) {
    const auto set = steering_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::thread made(std::move(work));
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    return made;
}

Signals::Event Signals::wait() {
    while (true) {
        if (stop_wanted.exchange(false)) {
            return Event::stop;
        }
        if (reload_wanted.exchange(false)) {
            return Event::reload;
        }
        pollfd event{event_descriptor, POLLIN, 0};
        (void)::poll(&event, 1, -1); // EINTR: a handler ran
        std::uint64_t count = 0;
        (void)!::read(event_descriptor, &count, sizeof count);
    }
}

void Signals::end() noexcept {
    stop_wanted = true;
    wake();
}

} // namespace lockbox::milter
