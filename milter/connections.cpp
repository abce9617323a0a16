#include "milter/connections.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "milter/protocol.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <exception>
#include <span>
#include <string_view>
#include <thread>
#include <utility>

namespace lockbox::milter {
namespace {

/// Between two tries where something is short: other connections end meanwhile.
constexpr std::chrono::milliseconds pause_when_short{100};

bool send_all(int connection, std::string_view bytes) noexcept {
    while (!bytes.empty()) {
        const auto sent = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

/// 0: there will be no more.
std::size_t receive(int connection, std::span<char> room) noexcept {
    while (true) {
        const auto count = ::recv(connection, room.data(), room.size(), 0);
        if (count >= 0 || errno != EINTR) {
            return count > 0 ? static_cast<std::size_t>(count) : 0;
        }
    }
}

/// Where Postfix's cleanup(8) dies while it waits for a verdict, smtpd(8) still has the connection, and says
/// that the message has ended.
bool is_silent(int connection) noexcept {
    pollfd descriptor{connection, POLLIN | POLLRDHUP, 0};
    return ::poll(&descriptor, 1, 0) <= 0;
}

void converse(int connection, Shared& shared) {
    Conversation conversation(
        shared, [connection](std::string_view bytes) { return send_all(connection, bytes); },
        [connection] { return is_silent(connection); });
    protocol::PacketReader reader;
    while (true) {
        while (const auto packet = reader.next()) {
            if (!conversation.take(*packet)) {
                return;
            }
        }
        if (!conversation.flush()) {
            return;
        }
        const auto count = receive(connection, reader.room());
        if (count == 0) {
            return;
        }
        reader.came(count);
    }
}

void log_failure(const char* what) noexcept {
    try {
        log::error("connection", what);
    } catch (...) { // NOLINT(bugprone-empty-catch): out of memory for a log line, too
    }
}

/// Everything else that accept(2) names is about one client, or passes: pending errors of TCP come out there,
/// too.
bool is_broken(int error) noexcept {
    return error == EBADF || error == EFAULT || error == EINVAL || error == ENOTSOCK;
}

bool is_a_shortage(int error) noexcept {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

} // namespace

void serve_connection(const Descriptor& connection, Shared& shared) noexcept {
    try {
        const timeval wait{idle_max.count(), 0};
        (void)::setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        (void)::setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
        converse(connection.get(), shared);
    } catch (const std::exception& error) {
        log_failure(error.what());
    } catch (...) {
        log_failure("unknown exception");
    }
}

void serve(const Descriptor& listening, Shared& shared) {
    bool is_short = false;
    const auto wait_for_others = [&](const std::string& what) {
        if (!std::exchange(is_short, true)) {
            log::error("accept", what, {{"hint", "connections wait until others have ended"}});
        }
        std::this_thread::sleep_for(pause_when_short);
    };
    while (true) {
        Descriptor connection(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!connection) {
            if (is_a_shortage(errno)) {
                wait_for_others(reason_of(errno));
            } else if (is_broken(errno)) {
                throw Error(ErrorKind::engine,
                            fmt::format("no connections can be accepted any more: {}", reason_of(errno)));
            }
            continue;
        }
        try {
            std::thread([held = std::move(connection), &shared] { serve_connection(held, shared); }).detach();
            is_short = false;
        } catch (const std::exception& error) { // this one is closed, and its MTA tries again
            wait_for_others(error.what());
        }
    }
}

} // namespace lockbox::milter
