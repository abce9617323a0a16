#include "milter/listener_peer.hpp"

#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "milter/privileges.hpp"
#include "milter/tcp_table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace lockbox::milter {
namespace {

constexpr std::array<const char*, 2> mta_users_of_debian{"postfix", "smmta"};
constexpr const char* mta_user_hint =
    "name the mail server's user with `mta-user`, if it is not another user who listens";

/// What the kernel shows in place of every user that has no number here, user_namespaces(7).
constexpr uid_t overflow_uid = 65534;

/// The table is read row by row while sockets come and go: one that is there may be missed.
constexpr unsigned readings_most = 5;

/// Whether every user of the machine has their own number in this process.
bool sees_every_user() {
    constexpr std::uint32_t all = 4294967295U;
    std::ifstream file("/proc/self/uid_map");
    std::uint32_t inside = 1;
    std::uint32_t outside = 1;
    std::uint32_t count = 0;
    return file >> inside >> outside >> count && inside == 0 && outside == 0 && count == all;
}

bool is_somebody(uid_t uid) {
    return uid != overflow_uid || sees_every_user();
}

[[noreturn]] void fail(const WayBack& way_back, const std::string& why, std::string hint = {}) {
    throw Error(ErrorKind::unavailable,
                fmt::format("the reinjection listener {}: {}", way_back.listener.to_string(), why),
                std::move(hint));
}

[[noreturn]] void fail_unknown(const WayBack& way_back, const std::string& why) {
    fail(way_back, "it cannot be told whether the mail server listens there: " + why);
}

void expect_user(uid_t uid, const WayBack& way_back) {
    if (!is_somebody(uid)) {
        fail_unknown(way_back, "its user is not one of this user namespace");
    }
    if (!way_back.users.contains(uid)) {
        fail(way_back, fmt::format("the user {} answers there, who is not the mail server's", uid),
             mta_user_hint);
    }
}

std::optional<uid_t> listener_of_unix_socket(int socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    const bool known =
        ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 && size == sizeof credentials;
    return known && credentials.uid != static_cast<uid_t>(-1) ? std::optional(credentials.uid) : std::nullopt;
}

using NameOf = int(int, sockaddr*, socklen_t*);

sockaddr_storage name_of(NameOf* which, int socket, const WayBack& way_back) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (which(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        fail_unknown(way_back, reason_of(errno));
    }
    return address;
}

std::optional<uid_t> who_accepted_now(const TcpEnd& server, const TcpEnd& client) {
    if (const auto row = find_tcp_row(server, client)) {
        return who_accepted({*row}, server, client);
    }
    for (unsigned reading = 0; reading < readings_most; ++reading) {
        if (const auto uid = who_accepted(read_tcp_table(), server, client)) {
            return uid;
        }
    }
    return std::nullopt;
}

void expect_mta_on_tcp(const TcpEnd& here, const TcpEnd& there, const WayBack& way_back) {
    const auto uid = who_accepted_now(there, here);
    if (!uid) {
        fail_unknown(way_back, "the kernel does not show who has accepted the connection");
    }
    expect_user(*uid, way_back);
}

/// Port numbers below belong to root, ip(7).
unsigned first_port_of_everybody() {
    constexpr unsigned usual = 1024;
    std::ifstream file("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    unsigned port = 0;
    return file >> port ? port : usual;
}

/// nullopt: nobody listens, or may be seen to.
std::optional<std::vector<uid_t>> who_listens_at(const policy::Listener& listener) {
    if (!listener.is_unix()) {
        const auto end = TcpEnd::from(listener.host, listener.port);
        auto users = end ? who_listens(read_tcp_table(), *end) : std::vector<uid_t>();
        return users.empty() ? std::nullopt : std::optional(std::move(users));
    }
    const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, listener.path.data(),
                std::min(listener.path.size(), sizeof address.sun_path - 1));
    if (!socket ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return std::nullopt;
    }
    const auto uid = listener_of_unix_socket(socket.get());
    return uid ? std::optional(std::vector<uid_t>{*uid}) : std::nullopt;
}

} // namespace

MtaUsers::MtaUsers() : uids_{0, ::geteuid()} {}

MtaUsers MtaUsers::named(const std::vector<std::string>& names) {
    MtaUsers users;
    for (const auto& name : names) {
        users.add(look_up_user(name, "mta-user").uid);
    }
    if (names.empty()) {
        for (const auto* name : mta_users_of_debian) {
            if (const auto identity = find_user(name)) {
                users.add(identity->uid);
            }
        }
    }
    return users;
}

void expect_mta(int socket, const WayBack& way_back) {
    const auto peer = name_of(&::getpeername, socket, way_back);
    if (peer.ss_family == AF_UNIX) {
        const auto uid = listener_of_unix_socket(socket);
        if (!uid) {
            fail_unknown(way_back, "the kernel does not show who listens");
        }
        return expect_user(*uid, way_back);
    }
    const auto there = TcpEnd::from(peer);
    const auto here = TcpEnd::from(name_of(&::getsockname, socket, way_back));
    if (!there || !here) {
        fail_unknown(way_back, "the connection is none of TCP");
    }
    // From one address to itself: that is this machine, too.
    if (there->is_loopback() || there->address == here->address) {
        expect_mta_on_tcp(*here, *there, way_back);
    }
}

std::optional<std::string> doubt_about_listener(const WayBack& way_back) {
    const auto& listener = way_back.listener;
    const auto name = listener.to_string();
    if (!listener.is_local()) {
        return fmt::format("reinject: {} is on another machine, where nobody here can tell who listens",
                           name);
    }
    const auto users = who_listens_at(listener);
    if (!users) {
        return fmt::format("reinject: nobody listens on {} now, as far as this user can see", name);
    }
    for (const auto uid : *users) {
        if (!is_somebody(uid)) {
            return fmt::format("reinject: it cannot be told who listens on {}: the user is not one of this "
                               "user namespace",
                               name);
        }
        if (!way_back.users.contains(uid)) {
            throw Error(
                ErrorKind::configuration,
                fmt::format("reinject: the user {} listens on {}, who is not the mail server's", uid, name),
                mta_user_hint);
        }
    }
    if (!listener.is_unix() && listener.port >= first_port_of_everybody()) {
        return fmt::format("reinject: any local user may listen on {} whenever the mail server does not, and "
                           "hold up mail: a port below {} or a Unix socket is the mail server's alone",
                           name, first_port_of_everybody());
    }
    return std::nullopt;
}

} // namespace lockbox::milter
