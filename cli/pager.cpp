#include "cli/pager.hpp"

#include "base/ascii.hpp"
#include "base/descriptor.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

namespace lockbox::cli {
namespace {

/// SIGINT and SIGQUIT go to every program in the foreground: less answers them, and its caller must wait. A
/// pager that is left early reads no more.
class SignalsIgnored {
public:
    SignalsIgnored() {
        struct sigaction ignore {};
        ignore.sa_handler = SIG_IGN; // NOLINT: the C library's macro
        sigemptyset(&ignore.sa_mask);
        for (std::size_t i = 0; i < signals.size(); ++i) {
            (void)::sigaction(signals[i], &ignore, &before_[i]);
        }
    }
    ~SignalsIgnored() {
        for (std::size_t i = 0; i < signals.size(); ++i) {
            (void)::sigaction(signals[i], &before_[i], nullptr);
        }
    }
    SignalsIgnored(const SignalsIgnored&) = delete;
    SignalsIgnored& operator=(const SignalsIgnored&) = delete;

private:
    static constexpr std::array<int, 3> signals{SIGINT, SIGQUIT, SIGPIPE};
    std::array<struct sigaction, signals.size()> before_{};
};

class SpawnActions {
public:
    SpawnActions() { (void)::posix_spawn_file_actions_init(&actions_); }
    ~SpawnActions() { (void)::posix_spawn_file_actions_destroy(&actions_); }
    SpawnActions(const SpawnActions&) = delete;
    SpawnActions& operator=(const SpawnActions&) = delete;
    [[nodiscard]] posix_spawn_file_actions_t* get() noexcept { return &actions_; }

private:
    posix_spawn_file_actions_t actions_{};
};

/// Signals as a program expects them, whatever Lockbox ignores.
class SpawnAttributes {
public:
    SpawnAttributes() {
        (void)::posix_spawnattr_init(&attributes_);
        sigset_t usual{};
        sigemptyset(&usual);
        for (const int signal : {SIGINT, SIGQUIT, SIGPIPE, SIGXFSZ}) {
            sigaddset(&usual, signal);
        }
        (void)::posix_spawnattr_setsigdefault(&attributes_, &usual);
        (void)::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF);
    }
    ~SpawnAttributes() { (void)::posix_spawnattr_destroy(&attributes_); }
    SpawnAttributes(const SpawnAttributes&) = delete;
    SpawnAttributes& operator=(const SpawnAttributes&) = delete;
    [[nodiscard]] const posix_spawnattr_t* get() const noexcept { return &attributes_; }

private:
    posix_spawnattr_t attributes_{};
};

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (auto& text : texts) {
        pointers.push_back(text.data());
    }
    pointers.push_back(nullptr);
    return pointers;
}

std::vector<std::string> environment_of_pager() {
    std::vector<std::string> variables;
    for (char** variable = ::environ; *variable != nullptr; ++variable) { // NOLINT: C's array
        variables.emplace_back(*variable);
    }
    for (const std::string_view usual : {"LESS=FRX", "LV=-c", "LESSCHARSET=utf-8"}) {
        const auto name = usual.substr(0, usual.find('=') + 1);
        if (std::none_of(variables.begin(), variables.end(),
                         [&](const std::string& variable) { return variable.starts_with(name); })) {
            variables.emplace_back(usual);
        }
    }
    return variables;
}

/// Until the reader is gone.
void write_while_read(int fd, std::string_view text) {
    while (!text.empty()) {
        const auto written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno != EINTR) {
            return;
        }
        text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
    }
}

} // namespace

std::vector<std::string> pager_command(const char* lockbox_pager, const char* pager) {
    const std::string_view command = lockbox_pager != nullptr ? lockbox_pager
                                     : pager != nullptr       ? pager
                                                              : "less";
    std::vector<std::string> words;
    for (auto rest = trim(command); !rest.empty(); rest = trim(rest)) {
        const auto end = std::min(rest.find_first_of(" \t\r\n"), rest.size());
        words.emplace_back(rest.substr(0, end));
        rest.remove_prefix(end);
    }
    return words == std::vector<std::string>{"cat"} ? std::vector<std::string>() : words;
}

bool show_in_pager(const std::vector<std::string>& command, std::string_view text) {
    std::array<int, 2> ends{-1, -1};
    if (command.empty() || ::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return false;
    }
    Descriptor its_input(ends[0]);
    Descriptor page(ends[1]);
    SpawnActions actions;
    const SpawnAttributes attributes;
    (void)::posix_spawn_file_actions_adddup2(actions.get(), its_input.get(), STDIN_FILENO);
    auto arguments = command;
    auto variables = environment_of_pager();
    const SignalsIgnored ours;
    pid_t process = -1;
    if (::posix_spawnp(&process, arguments.front().c_str(), actions.get(), attributes.get(),
                       pointers_to(arguments).data(), pointers_to(variables).data()) != 0) {
        return false;
    }
    (void)its_input.close();
    write_while_read(page.get(), text);
    (void)page.close();
    while (::waitpid(process, nullptr, 0) < 0 && errno == EINTR) {
    }
    return true;
}

} // namespace lockbox::cli
