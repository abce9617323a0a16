#include "milter/smtp_client.hpp"

#include "base/ascii.hpp"
#include "base/descriptor.hpp"
#include "base/error.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <optional>
#include <utility>

namespace lockbox::milter {
namespace {

using Tls = Handle<SSL, SSL_free>;

constexpr std::size_t write_octets = 64U << 10U;
constexpr std::size_t read_octets = 4U << 10U;

/// Client and server would wait for each other if all replies to the commands on their way did not fit into
/// the buffers between them (RFC 2920 §3.1): 100 replies are some 10 KB.
constexpr std::size_t smtp_commands_at_once = 100;

/// Where to connect to.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    template <typename Specific>
    explicit SocketAddress(const Specific& specific) : size(sizeof specific) {
        static_assert(sizeof specific <= sizeof storage);
        std::memcpy(&storage, &specific, sizeof specific);
    }
};

SocketAddress address_of(const policy::Listener& listener) {
    if (listener.is_unix()) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (listener.path.size() >= sizeof address.sun_path) {
            throw Error(
                ErrorKind::unavailable,
                fmt::format("the reinjection listener {}: the path is too long", listener.to_string()));
        }
        std::memcpy(address.sun_path, listener.path.data(), listener.path.size());
        return SocketAddress(address);
    }
    sockaddr_in ipv4{};
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(listener.port);
    if (::inet_pton(AF_INET, listener.host.c_str(), &ipv4.sin_addr) == 1) {
        return SocketAddress(ipv4);
    }
    sockaddr_in6 ipv6{};
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(listener.port);
    if (::inet_pton(AF_INET6, listener.host.c_str(), &ipv6.sin6_addr) == 1) {
        return SocketAddress(ipv6);
    }
    throw Error(ErrorKind::unavailable,
                fmt::format("the reinjection listener {} is no address", listener.to_string()));
}

} // namespace

TlsContext make_tls_client_context() {
    TlsContext context(SSL_CTX_new(TLS_client_method()));
    if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) {
        throw Error(ErrorKind::engine, "OpenSSL does not make a TLS context");
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

class SmtpClient::Impl {
public:
    Impl(const policy::Listener& listener, Wait wait) : name_(listener.to_string()), wait_(std::move(wait)) {
        connect(address_of(listener));
    }

    void set_wait(Wait wait) noexcept { wait_ = std::move(wait); }

    void expect_mta(const WayBack& way_back) const { milter::expect_mta(socket_.get(), way_back); }

    SmtpReply read_reply() {
        while (true) {
            if (auto reply = next_reply()) {
                return *std::move(reply);
            }
            read_more();
        }
    }

    std::optional<SmtpReply> reply_in_time() {
        try {
            return read_reply();
        } catch (const OutOfTime&) {
            return std::nullopt;
        }
    }

    SmtpReply hello(std::string_view name) {
        auto reply = command(fmt::format("EHLO {}", name));
        extensions_ = reply.is_positive() ? extensions_in(reply) : SmtpExtensions();
        return reply;
    }

    [[nodiscard]] const SmtpExtensions& extensions() const noexcept { return extensions_; }

    SmtpReply start_tls(SSL_CTX* context) {
        auto reply = command("STARTTLS");
        if (!reply.is_positive()) {
            return reply;
        }
        expect_silence(); // CVE-2011-0411: what was sent in clear must not be read as if it came through TLS
        tls_.reset(SSL_new(context));
        if (!tls_ || SSL_set_fd(tls_.get(), socket_.get()) != 1) {
            throw Error(ErrorKind::engine, "OpenSSL does not make a TLS connection");
        }
        if (repeat_tls("the TLS handshake", [&] { return SSL_connect(tls_.get()); }) == 0) {
            fail("it closed the connection in the TLS handshake");
        }
        extensions_.clear(); // RFC 3207 §4.2: to be asked for again
        return reply;
    }

    SmtpReply command(std::string_view line) { return commands({std::string(line)}).front(); }

    std::vector<SmtpReply> commands(const std::vector<std::string>& lines) {
        const auto at_once = extensions_.count("PIPELINING") != 0 ? smtp_commands_at_once : std::size_t{1};
        std::for_each(lines.begin(), lines.end(), check);
        std::vector<SmtpReply> replies;
        for (std::size_t begin = 0; begin < lines.size(); begin += at_once) {
            const auto end = std::min(begin + at_once, lines.size());
            std::string group;
            for (std::size_t i = begin; i < end; ++i) {
                group += lines[i];
                group += "\r\n";
            }
            expect_silence();
            write(group);
            for (std::size_t i = begin; i < end; ++i) {
                replies.push_back(read_reply());
            }
        }
        return replies;
    }

    void write_content(std::string_view bytes) {
        std::string buffer;
        buffer.reserve(std::min(bytes.size() + bytes.size() / 64, write_octets) + 8);
        while (!bytes.empty()) {
            if (at_line_start_ && bytes.front() == '.') {
                buffer += '.';
            }
            const auto lf = std::min(bytes.find('\n'), bytes.size());
            buffer += bytes.substr(0, lf);
            if (lf > 0) {
                last_was_cr_ = bytes[lf - 1] == '\r';
                at_line_start_ = false;
            }
            if (lf < bytes.size()) {
                buffer += last_was_cr_ ? "\n" : "\r\n";
                last_was_cr_ = false;
                at_line_start_ = true;
            }
            bytes.remove_prefix(std::min(lf + 1, bytes.size()));
            if (buffer.size() >= write_octets) {
                write(buffer);
                buffer.clear();
            }
        }
        write(buffer);
    }

    void finish_content() {
        if (!at_line_start_) {
            write(last_was_cr_ ? "\n" : "\r\n");
            at_line_start_ = true;
            last_was_cr_ = false;
        }
    }

    void write_final_dot() {
        expect_silence();
        write(".\r\n");
    }

    void quit() noexcept {
        try {
            wait_.deadline = Deadline::min(); // what cannot be sent at once is not
            write("QUIT\r\n");
        } catch (const std::exception&) { // NOLINT(bugprone-empty-catch): it was a courtesy
        }
    }

private:
    struct OutOfTime : Error {
        explicit OutOfTime(const std::string& what) : Error(ErrorKind::unavailable, what) {}
    };

    void connect(const SocketAddress& address) {
        const auto family = address.storage.ss_family;
        socket_ = Descriptor(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (!socket_) {
            fail(reason_of(errno));
        }
        if (family != AF_UNIX) {
            const int on = 1; // commands are small and wait for answers: nothing is won by collecting them
            (void)::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        }
        const auto* generic = reinterpret_cast<const sockaddr*>(&address.storage);
        int result = ::connect(socket_.get(), generic, address.size);
        while (result != 0 && errno == EAGAIN) { // a Unix socket whose server has as many waiting as it takes
            pause();
            result = ::connect(socket_.get(), generic, address.size);
        }
        if (result == 0) {
            return;
        }
        if (errno != EINPROGRESS) {
            fail(reason_of(errno));
        }
        wait_for(POLLOUT);
        int error = 0;
        socklen_t size = sizeof error;
        (void)::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            fail(reason_of(error));
        }
    }

    [[noreturn]] void fail(const std::string& why) const {
        throw Error(ErrorKind::unavailable, fmt::format("the reinjection listener {}: {}", name_, why));
    }

    void wait_for(short events) {
        pollfd descriptor{socket_.get(), events, 0};
        while (!poll_for_a_slice(&descriptor, 1, waiting_slice)) {
        }
    }

    /// For a little while, where nothing tells when it is over.
    void pause() {
        constexpr std::chrono::milliseconds little{20};
        (void)poll_for_a_slice(nullptr, 0, little);
    }

    /// Whether one of the descriptors is ready. Throws when the wait is over, or nobody waits any more.
    bool poll_for_a_slice(pollfd* descriptors, nfds_t count, std::chrono::milliseconds slice) {
        const auto now = std::chrono::steady_clock::now();
        if (now >= wait_.deadline) {
            throw OutOfTime(fmt::format("the reinjection listener {}: it did not answer in time", name_));
        }
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(wait_.deadline - now);
        const auto ready = ::poll(descriptors, count, static_cast<int>(std::min(left, slice).count()) + 1);
        if (ready < 0 && errno != EINTR) {
            fail(reason_of(errno));
        }
        if (!wait_.tick()) { // also when it was short: a slow listener makes many of them
            throw Error(ErrorKind::unavailable, "the MTA has left before all copies were ready");
        }
        return ready > 0;
    }

    /// Runs an OpenSSL call until it is done, waiting where it wants to.
    template <typename Call>
    int repeat_tls(std::string_view what, Call&& call) {
        while (true) {
            ERR_clear_error();
            const int result = call();
            if (result > 0) {
                return result;
            }
            switch (SSL_get_error(tls_.get(), result)) {
            case SSL_ERROR_WANT_READ:
                wait_for(POLLIN);
                break;
            case SSL_ERROR_WANT_WRITE:
                wait_for(POLLOUT);
                break;
            case SSL_ERROR_ZERO_RETURN:
                return 0;
            default:
                fail(fmt::format("{} failed", what));
            }
        }
    }

    void write(std::string_view bytes) {
        while (!bytes.empty()) {
            bytes.remove_prefix(tls_ ? write_tls(bytes) : write_clear(bytes));
        }
    }

    std::size_t write_tls(std::string_view bytes) {
        const auto octets = static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX));
        const int written =
            repeat_tls("writing through TLS", [&] { return SSL_write(tls_.get(), bytes.data(), octets); });
        if (written == 0) {
            fail("it closed the connection");
        }
        return static_cast<std::size_t>(written);
    }

    std::size_t write_clear(std::string_view bytes) {
        while (true) {
            const auto written = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (written >= 0) {
                return static_cast<std::size_t>(written);
            }
            if (errno == EAGAIN || errno == EWOULDBLOCK) {
                wait_for(POLLOUT);
            } else if (errno != EINTR) {
                fail(reason_of(errno));
            }
        }
    }

    /// At least one octet more for next_reply().
    void read_more() {
        std::array<char, read_octets> buffer{};
        int octets = 0;
        if (tls_) {
            octets = repeat_tls("reading through TLS", [&] {
                return SSL_read(tls_.get(), buffer.data(), static_cast<int>(buffer.size()));
            });
        } else {
            octets = read_clear(buffer);
        }
        if (octets == 0) {
            fail("it closed the connection");
        }
        replies_.add({buffer.data(), static_cast<std::size_t>(octets)});
    }

    int read_clear(std::array<char, read_octets>& buffer) {
        while (true) {
            const auto octets = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
            if (octets >= 0) {
                return static_cast<int>(octets);
            }
            if (errno == EAGAIN || errno == EWOULDBLOCK) {
                wait_for(POLLIN);
            } else if (errno != EINTR) {
                fail(reason_of(errno));
            }
        }
    }

    std::optional<SmtpReply> next_reply() {
        try {
            return replies_.next();
        } catch (const Error& error) {
            throw Error(error.kind(), fmt::format("the reinjection listener {}: {}", name_, error.what()));
        }
    }

    /// A reply that nobody asked for would be taken for the answer to what is said next.
    void expect_silence() const {
        if (replies_.has_unread()) {
            throw Error(ErrorKind::malformed,
                        fmt::format("the reinjection listener {} answers before it was asked", name_));
        }
    }

    static void check(std::string_view line) {
        if (std::any_of(line.begin(), line.end(), is_control)) {
            throw Error(ErrorKind::malformed,
                        fmt::format("a control character in the envelope: {}", printable(line)));
        }
    }

    std::string name_;
    Wait wait_;
    Descriptor socket_;
    Tls tls_;
    SmtpExtensions extensions_;
    SmtpReplyReader replies_;
    bool at_line_start_ = true;
    bool last_was_cr_ = false;
};

SmtpClient::SmtpClient(const policy::Listener& listener, Wait wait)
    : impl_(std::make_unique<Impl>(listener, std::move(wait))) {}
SmtpClient::~SmtpClient() = default;
SmtpClient::SmtpClient(SmtpClient&&) noexcept = default;
SmtpClient& SmtpClient::operator=(SmtpClient&&) noexcept = default;

void SmtpClient::set_wait(Wait wait) noexcept {
    impl_->set_wait(std::move(wait));
}
void SmtpClient::expect_mta(const WayBack& way_back) const {
    impl_->expect_mta(way_back);
}
SmtpReply SmtpClient::read_reply() {
    return impl_->read_reply();
}
std::optional<SmtpReply> SmtpClient::reply_in_time() {
    return impl_->reply_in_time();
}
SmtpReply SmtpClient::hello(std::string_view name) {
    return impl_->hello(name);
}
const SmtpExtensions& SmtpClient::extensions() const noexcept {
    return impl_->extensions();
}
SmtpReply SmtpClient::start_tls(SSL_CTX* context) {
    return impl_->start_tls(context);
}
SmtpReply SmtpClient::command(std::string_view line) {
    return impl_->command(line);
}
std::vector<SmtpReply> SmtpClient::commands(const std::vector<std::string>& lines) {
    return impl_->commands(lines);
}
void SmtpClient::write_content(std::string_view bytes) {
    impl_->write_content(bytes);
}
void SmtpClient::finish_content() {
    impl_->finish_content();
}
void SmtpClient::write_final_dot() {
    impl_->write_final_dot();
}
void SmtpClient::quit() noexcept {
    impl_->quit();
}

} // namespace lockbox::milter
