#include "milter/tcp_table.hpp"

#include "base/descriptor.hpp"
#include "base/error.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>

namespace lockbox::milter {
namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::size_t word_digits = 8;

TcpEnd mapped(const in_addr& address, std::uint16_t port) {
    TcpEnd end;
    std::copy(mapped_prefix.begin(), mapped_prefix.end(), end.address.begin());
    std::memcpy(end.address.data() + mapped_prefix.size(), &address, sizeof address);
    end.port = port;
    return end;
}

TcpEnd plain(const in6_addr& address, std::uint16_t port) {
    TcpEnd end;
    std::memcpy(end.address.data(), &address, sizeof address);
    end.port = port;
    return end;
}

bool is_ipv4(const TcpEnd& end) {
    return std::equal(mapped_prefix.begin(), mapped_prefix.end(), end.address.begin());
}

template <typename Number>
std::optional<Number> number_from(std::string_view digits, int base) {
    Number number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
    const bool whole = !digits.empty() && error == std::errc() && end == digits.data() + digits.size();
    return whole ? std::optional(number) : std::nullopt;
}

/// "0100007F:1F90": the kernel prints the address in words of the machine's own byte order, though it keeps
/// them in the network's, and the port as a number.
std::optional<TcpEnd> end_from(std::string_view text) {
    const auto colon = std::min(text.find(':'), text.size());
    const auto digits = text.substr(0, colon);
    if (colon == text.size() || (digits.size() != word_digits && digits.size() != 4 * word_digits)) {
        return std::nullopt;
    }
    std::array<std::uint32_t, 4> words{};
    const auto count = digits.size() / word_digits;
    for (std::size_t i = 0; i < count; ++i) {
        const auto word = number_from<std::uint32_t>(digits.substr(i * word_digits, word_digits), 16);
        if (!word) {
            return std::nullopt;
        }
        words.at(i) = *word;
    }
    const auto port = number_from<std::uint16_t>(text.substr(colon + 1), 16);
    if (!port) {
        return std::nullopt;
    }
    if (count == 1) {
        in_addr address{};
        std::memcpy(&address, words.data(), sizeof address);
        return mapped(address, *port);
    }
    in6_addr address{};
    std::memcpy(&address, words.data(), sizeof address);
    return plain(address, *port);
}

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    while (true) {
        line.remove_prefix(std::min(line.find_first_not_of(" \n"), line.size()));
        if (line.empty()) {
            return words;
        }
        const auto end = std::min(line.find_first_of(" \n"), line.size());
        words.push_back(line.substr(0, end));
        line.remove_prefix(end);
    }
}

/// False: there is no such table.
bool add_rows(const char* path, std::vector<TcpRow>& rows) {
    std::ifstream file(path);
    if (!file) {
        return false;
    }
    std::string line;
    while (std::getline(file, line)) {
        if (auto row = TcpRow::parse(line)) {
            rows.push_back(*row);
        }
    }
    return true;
}

/// As sock_diag(7) has it: an IPv4 address in the first word.
template <typename Words>
void write_address(const TcpEnd& end, Words& words) {
    const auto begin = end.address.begin() + (is_ipv4(end) ? mapped_prefix.size() : 0);
    std::memcpy(&words, &*begin, static_cast<std::size_t>(end.address.end() - begin));
}

template <typename Words>
TcpEnd read_address(int family, const Words& words, std::uint16_t network_port) {
    if (family == AF_INET) {
        in_addr address{};
        std::memcpy(&address, &words, sizeof address);
        return mapped(address, ntohs(network_port));
    }
    in6_addr address{};
    std::memcpy(&address, &words, sizeof address);
    return plain(address, ntohs(network_port));
}

struct DiagRequest {
    nlmsghdr header{};
    inet_diag_req_v2 request{};
};

DiagRequest request_for(const TcpEnd& local, const TcpEnd& remote) {
    DiagRequest message;
    message.header.nlmsg_len = sizeof message;
    message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    message.header.nlmsg_flags = NLM_F_REQUEST; // one socket, and no dump
    auto& request = message.request;
    request.sdiag_family = is_ipv4(local) ? AF_INET : AF_INET6;
    request.sdiag_protocol = IPPROTO_TCP;
    request.id.idiag_sport = htons(local.port);
    request.id.idiag_dport = htons(remote.port);
    write_address(local, request.id.idiag_src);
    write_address(remote, request.id.idiag_dst);
    request.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    return message;
}

} // namespace

std::optional<TcpRow> find_tcp_row(const TcpEnd& local, const TcpEnd& remote) {
    constexpr std::size_t reply_octets_max = 4096;
    const Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    const auto message = request_for(local, remote);
    if (!socket || is_ipv4(local) != is_ipv4(remote) ||
        ::send(socket.get(), &message, sizeof message, 0) != static_cast<ssize_t>(sizeof message)) {
        return std::nullopt;
    }
    alignas(nlmsghdr) std::array<char, reply_octets_max> buffer{};
    sockaddr_nl sender{};
    socklen_t sender_size = sizeof sender;
    // The kernel has answered within send().
    const auto octets = ::recvfrom(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                   reinterpret_cast<sockaddr*>(&sender), &sender_size);
    nlmsghdr header{};
    inet_diag_msg found{};
    if (octets < static_cast<ssize_t>(NLMSG_HDRLEN + sizeof found) || sender.nl_pid != 0) {
        return std::nullopt;
    }
    std::memcpy(&header, buffer.data(), sizeof header);
    std::memcpy(&found, buffer.data() + NLMSG_HDRLEN, sizeof found);
    if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY || header.nlmsg_len < NLMSG_HDRLEN + sizeof found ||
        (found.idiag_family != AF_INET && found.idiag_family != AF_INET6)) {
        return std::nullopt; // an error: ENOENT, where there is no such socket
    }
    const TcpRow row{read_address(found.idiag_family, found.id.idiag_src, found.id.idiag_sport),
                     read_address(found.idiag_family, found.id.idiag_dst, found.id.idiag_dport),
                     found.idiag_state, found.idiag_uid, found.idiag_inode};
    const bool is_it = row.state == TcpRow::established && row.local == local && row.remote == remote;
    return is_it ? std::optional(row) : std::nullopt; // else the listening socket, which is found as well
}

std::optional<TcpEnd> TcpEnd::from(const sockaddr_storage& address) {
    if (address.ss_family == AF_INET) {
        sockaddr_in ipv4{};
        std::memcpy(&ipv4, &address, sizeof ipv4);
        return mapped(ipv4.sin_addr, ntohs(ipv4.sin_port));
    }
    if (address.ss_family == AF_INET6) {
        sockaddr_in6 ipv6{};
        std::memcpy(&ipv6, &address, sizeof ipv6);
        return plain(ipv6.sin6_addr, ntohs(ipv6.sin6_port));
    }
    return std::nullopt;
}

std::optional<TcpEnd> TcpEnd::from(const std::string& address, std::uint16_t port) {
    in_addr ipv4{};
    if (::inet_pton(AF_INET, address.c_str(), &ipv4) == 1) {
        return mapped(ipv4, port);
    }
    in6_addr ipv6{};
    return ::inet_pton(AF_INET6, address.c_str(), &ipv6) == 1 ? std::optional(plain(ipv6, port))
                                                              : std::nullopt;
}

bool TcpEnd::is_loopback() const noexcept {
    constexpr std::uint8_t loopback_net = 127; // RFC 1122 §3.2.1.3
    const bool all_zero_but_last =
        std::all_of(address.begin(), std::prev(address.end()), [](std::uint8_t octet) { return octet == 0; });
    return is_ipv4(*this) ? address[mapped_prefix.size()] == loopback_net
                          : all_zero_but_last && address.back() == 1;
}

bool TcpEnd::is_every_address() const noexcept {
    const auto begin = address.begin() + (is_ipv4(*this) ? mapped_prefix.size() : 0);
    return std::all_of(begin, address.end(), [](std::uint8_t octet) { return octet == 0; });
}

std::optional<TcpRow> TcpRow::parse(std::string_view line) {
    // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
    constexpr std::size_t words_least = 10;
    const auto words = words_of(line);
    if (words.size() < words_least) {
        return std::nullopt;
    }
    const auto local = end_from(words[1]);
    const auto remote = end_from(words[2]);
    const auto state = number_from<unsigned>(words[3], 16);
    const auto uid = number_from<uid_t>(words[7], 10);
    const auto inode = number_from<std::uint64_t>(words[9], 10);
    if (!local || !remote || !state || !uid || !inode) {
        return std::nullopt;
    }
    return TcpRow{*local, *remote, *state, *uid, *inode};
}

std::vector<TcpRow> read_tcp_table() {
    // Below /proc/self: /proc/net is hidden where the unit says ProcSubset=pid.
    constexpr const char* ipv4 = "/proc/self/net/tcp";
    constexpr const char* ipv6 = "/proc/self/net/tcp6";
    std::vector<TcpRow> rows;
    if (!add_rows(ipv4, rows)) {
        throw Error(ErrorKind::unavailable, fmt::format("{} cannot be read", ipv4));
    }
    (void)add_rows(ipv6, rows);
    return rows;
}

std::optional<uid_t> who_accepted(const std::vector<TcpRow>& table, const TcpEnd& server,
                                  const TcpEnd& client) {
    const auto row = std::find_if(table.begin(), table.end(), [&](const TcpRow& one) {
        return one.state == TcpRow::established && one.inode != 0 && one.local == server &&
               one.remote == client;
    });
    return row != table.end() ? std::optional(row->uid) : std::nullopt;
}

std::vector<uid_t> who_listens(const std::vector<TcpRow>& table, const TcpEnd& server) {
    std::vector<uid_t> users;
    for (const auto& row : table) {
        // A socket of :: takes connections over IPv4, too, unless it was told not to, which is not shown.
        const bool every = row.local.is_every_address() && (!is_ipv4(row.local) || is_ipv4(server));
        if (row.state == TcpRow::listening && row.local.port == server.port &&
            (row.local.address == server.address || every)) {
            users.push_back(row.uid);
        }
    }
    return users;
}

} // namespace lockbox::milter
