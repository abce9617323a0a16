#include "milter/daemon.hpp"

#include "base/descriptor.hpp"
#include "base/error.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace lockbox::milter {
namespace {

/// The parent: waits for the child's word or its end.
[[noreturn]] void wait_for(pid_t child, int from_child) {
    char word = 0;
    ssize_t octets = 0;
    do {
        octets = ::read(from_child, &word, 1);
    } while (octets < 0 && errno == EINTR);
    if (octets == 1) {
        std::_Exit(EX_OK);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    std::_Exit(WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE);
}

void leave_terminal() {
    const Descriptor nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        (void)::dup2(nothing.get(), stream);
    }
}

} // namespace

void run_as_daemon(const std::function<void(const std::function<void()>& ready)>& work) {
    std::array<int, 2> channel{};
    if (::pipe2(channel.data(), O_CLOEXEC) != 0) {
        throw Error(ErrorKind::io, "cannot make a pipe");
    }
    Descriptor from_child(channel[0]);
    Descriptor to_parent(channel[1]);
    const auto child = ::fork();
    if (child < 0) {
        throw Error(ErrorKind::io, "cannot fork");
    }
    if (child > 0) {
        to_parent.close();
        wait_for(child, from_child.get());
    }
    from_child.close();
    (void)::setsid();
    if (::chdir("/") != 0) {
        throw Error(ErrorKind::io, "cannot change to the root directory");
    }
    work([&] {
        leave_terminal();
        const char word = 1;
        if (::write(to_parent.get(), &word, 1) != 1) {
            throw Error(ErrorKind::io, "cannot tell the waiting command that the daemon is up");
        }
        to_parent.close();
    });
}

} // namespace lockbox::milter
