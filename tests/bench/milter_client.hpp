// A lockbox-milter of the benchmark's own, and the MTA's side of a milter socket: commands as packets of a
// length, a letter and data (include/libmilter/mfdef.h of Sendmail).
#pragma once

#include "base/file.hpp"
#include "mail/header.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

extern char** environ; // NOLINT: POSIX

namespace lockbox::bench {

/// What a milter can leave out, as it is negotiated: SMFIP_* of include/libmilter/mfdef.h.
namespace step {
constexpr std::uint32_t no_end_of_header = 0x40;
constexpr std::uint32_t no_reply_to_header = 0x80;
constexpr std::uint32_t no_data = 0x200;
constexpr std::uint32_t no_reply_to_sender = 0x4000;
constexpr std::uint32_t no_reply_to_recipient = 0x8000;
constexpr std::uint32_t no_reply_to_data = 0x10000;
constexpr std::uint32_t no_reply_to_end_of_header = 0x40000;
constexpr std::uint32_t no_reply_to_body = 0x80000;
} // namespace step

/// A program under test: $LOCKBOX_BIN_DIR/NAME, or the one built beside this program.
inline std::string program(const std::string& name) {
    const char* given = std::getenv("LOCKBOX_BIN_DIR"); // NOLINT(concurrency-mt-unsafe)
    const auto directory = given != nullptr
                               ? std::string(given)
                               : std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
    return directory + '/' + name;
}

/// Starts a program; what it prints goes to /dev/null.
inline pid_t start(std::vector<std::string> arguments) {
    std::vector<char*> argv;
    for (auto& argument : arguments) {
        argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    const int failed = posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
        throw std::runtime_error("cannot start " + arguments.front());
    }
    return child;
}

/// The exit status, -1 where it was killed.
inline int run(std::vector<std::string> arguments) {
    int status = 0;
    const auto child = start(std::move(arguments));
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// The milter under test.
class MilterProcess {
public:
    explicit MilterProcess(const std::string& keyring_path) {
        const auto config = (directory_.path() / "conf").string();
        std::ofstream(config) << "socket = unix:" << socket_path() << "\nkeyring = " << keyring_path
                              << "\nlog = stderr\nlog-level = error\n";
        child_ = start({program("lockbox-milter"), "--config", config, "--foreground"});
    }
    ~MilterProcess() {
        kill(child_, SIGTERM);
        waitpid(child_, nullptr, 0);
    }
    MilterProcess(const MilterProcess&) = delete;
    MilterProcess& operator=(const MilterProcess&) = delete;

    [[nodiscard]] std::string socket_path() const { return (directory_.path() / "s").string(); }

    /// User and system time of the process so far, as the scheduler counts it: not in ticks, of which a
    /// message takes a part only.
    [[nodiscard]] double cpu_seconds() const {
        clockid_t clock{};
        timespec time{};
        if (clock_getcpuclockid(child_, &clock) != 0 || clock_gettime(clock, &time) != 0) {
            throw std::runtime_error("no processor time of the milter");
        }
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
    }

    /// Peak resident memory in octets (VmHWM), and a way to begin anew.
    [[nodiscard]] double peak_octets() const {
        std::ifstream status(fmt::format("/proc/{}/status", child_));
        for (std::string line; std::getline(status, line);) {
            if (line.starts_with("VmHWM:")) {
                return std::stod(line.substr(6)) * 1024;
            }
        }
        return 0;
    }
    void reset_peak() const { std::ofstream(fmt::format("/proc/{}/clear_refs", child_)) << "5"; }

private:
    TemporaryDirectory directory_;
    pid_t child_ = 0;
};

/// The MTA's side: commands as packets of a length, a letter and data.
class MtaConnection {
public:
    explicit MtaConnection(const std::string& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(static_cast<char*>(address.sun_path), path.c_str(), path.size() + 1);
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (true) {
            fd_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
            if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) { // NOLINT
                break;
            }
            ::close(fd_);
            if (std::chrono::steady_clock::now() > give_up) {
                throw std::runtime_error("no milter at " + path);
            }
            std::this_thread::yield();
        }
        // Version 6, all actions, all steps with the leading space and without replies to header fields.
        send('O', number(6) + number(0x1ff) + number(0x1fffff));
        (void)receive();
        std::uint32_t network = 0;
        constexpr std::size_t steps_at = 9; // letter, version, actions
        std::memcpy(&network, buffer_.data() + steps_at, sizeof network);
        steps_ = ntohl(network);
        command('C', std::string("localhost\0004", 11) + std::string("\0\0", 2) + "127.0.0.1" + '\0');
    }
    ~MtaConnection() { ::close(fd_); }
    MtaConnection(const MtaConnection&) = delete;
    MtaConnection& operator=(const MtaConnection&) = delete;

    /// One message; true when it was sealed.
    bool deliver(const mail::Message& message, std::span<const std::string> recipients) {
        command('M', std::string("<carol@example.org>") + '\0', step::no_reply_to_sender);
        for (const auto& recipient : recipients) {
            command('R', '<' + recipient + '>' + '\0', step::no_reply_to_recipient);
        }
        if ((steps_ & step::no_data) == 0) {
            command('T', "", step::no_reply_to_data);
        }
        for (const auto& field : message.header.fields()) {
            command('L', field.name + '\0' + field.body + '\0', step::no_reply_to_header);
        }
        if ((steps_ & step::no_end_of_header) == 0) {
            command('N', "", step::no_reply_to_end_of_header);
        }
        constexpr std::size_t chunk = 65535;
        for (std::size_t at = 0; at < message.body.size(); at += chunk) {
            command('B', message.body.substr(at, chunk), step::no_reply_to_body);
        }
        send('E', "");
        bool replaced = false;
        while (true) {
            const char answer = receive();
            replaced = replaced || answer == 'b';
            if (answer == 'y' || answer == 't' || answer == 'r') {
                fmt::print(stderr, "answered: {}\n", buffer_);
            }
            if (answer == 'c' || answer == 'a' || answer == 't' || answer == 'r' || answer == 'y') {
                return replaced && (answer == 'c' || answer == 'a');
            }
        }
    }

private:
    static std::string number(std::uint32_t value) {
        const auto network = htonl(value);
        std::string bytes(sizeof network, '\0');
        std::memcpy(bytes.data(), &network, sizeof network);
        return bytes;
    }
    /// As Postfix does (strace shows it): what has no reply leaves with the next that has one.
    void send(char letter, const std::string& data) {
        unsent_ += number(static_cast<std::uint32_t>(data.size() + 1)) + letter + data;
        constexpr std::size_t most = 64U << 10U;
        if (unsent_.size() >= most) {
            flush();
        }
    }
    void flush() {
        for (std::string_view rest = unsent_; !rest.empty();) {
            const auto written = ::write(fd_, rest.data(), rest.size());
            if (written <= 0) {
                throw std::runtime_error("the milter has hung up");
            }
            rest.remove_prefix(static_cast<std::size_t>(written));
        }
        unsent_.clear();
    }
    void read_exactly(char* to, std::size_t octets) {
        for (std::size_t at = 0; at < octets;) {
            const auto got = ::read(fd_, to + at, octets - at);
            if (got <= 0) {
                throw std::runtime_error("the milter has hung up");
            }
            at += static_cast<std::size_t>(got);
        }
    }
    char receive() {
        flush();
        std::uint32_t length = 0;
        read_exactly(reinterpret_cast<char*>(&length), sizeof length); // NOLINT
        buffer_.resize(ntohl(length));
        read_exactly(buffer_.data(), buffer_.size());
        return buffer_.at(0);
    }
    /// `no_reply` is the step that means that there is none, where it was negotiated.
    void command(char letter, const std::string& data, std::uint32_t no_reply = 0) {
        send(letter, data);
        if ((steps_ & no_reply) == 0) {
            (void)receive();
        }
    }
    int fd_ = -1;
    std::string unsent_;
    std::uint32_t steps_ = 0; ///< as the milter wants them
    std::string buffer_;
};

} // namespace lockbox::bench
