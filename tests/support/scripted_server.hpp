// A server on loopback whose side of each conversation is written down in the test.
#pragma once

#include "base/handle.hpp"
#include "policy/listener.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace lockbox::test {

/// The other side has hung up, or has said nothing for too long; a script that throws it hangs up.
struct Gone {};

/// A test that waits for longer waits for ever.
constexpr timeval patience{30, 0};

inline sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

inline void require_call(bool worked, const char* what) {
    if (!worked) {
        throw std::runtime_error(what);
    }
}

/// A certificate that nobody has signed, and its key.
inline Handle<SSL_CTX, SSL_CTX_free> make_tls_server_context() {
    Handle<SSL_CTX, SSL_CTX_free> context(SSL_CTX_new(TLS_server_method()));
    const Handle<EVP_PKEY, EVP_PKEY_free> key(EVP_EC_gen("P-256"));
    const Handle<X509, X509_free> certificate(X509_new());
    require_call(context && key && certificate, "OpenSSL makes no certificate");
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    const std::string_view name = "listener.example";
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.data()),
                               static_cast<int>(name.size()), -1, 0);
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
    require_call(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0 &&
                     SSL_CTX_use_certificate(context.get(), certificate.get()) == 1 &&
                     SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1,
                 "OpenSSL takes no certificate");
    return context;
}

/// The server's side of one connection.
class Conversation {
public:
    explicit Conversation(int fd) : fd_(fd) {
        (void)::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        (void)::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    }
    ~Conversation() {
        tls_.reset();
        ::close(fd_);
    }
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;

    void say(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto octets = tls_ ? SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()))
                                     : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (octets <= 0) {
                throw Gone();
            }
            bytes.remove_prefix(static_cast<std::size_t>(octets));
        }
    }

    /// Everything up to and with `end`.
    std::string hear_until(std::string_view end) {
        std::size_t at = 0;
        while ((at = heard_.find(end, at)) == std::string::npos) {
            at = heard_.size() - std::min(heard_.size(), end.size() - 1);
            hear_more();
        }
        auto text = heard_.substr(0, at + end.size());
        heard_.erase(0, at + end.size());
        return text;
    }

    /// A line without its CRLF.
    std::string hear() {
        auto line = hear_until("\r\n");
        line.resize(line.size() - 2);
        return line;
    }

    /// Everything until the client hangs up.
    std::string hear_the_rest() {
        try {
            while (true) {
                hear_more();
            }
        } catch (const Gone&) {
            return std::exchange(heard_, {});
        }
    }

    /// The client has said more, without having got an answer.
    [[nodiscard]] bool is_spoken_to() const {
        int octets = 0;
        return !heard_.empty() || (::ioctl(fd_, FIONREAD, &octets) == 0 && octets > 0);
    }

    void start_tls(SSL_CTX* context) {
        tls_.reset(SSL_new(context));
        if (!tls_ || SSL_set_fd(tls_.get(), fd_) != 1 || SSL_accept(tls_.get()) != 1) {
            throw Gone();
        }
    }

private:
    void hear_more() {
        std::array<char, 5000> buffer{};
        const auto octets = tls_ ? SSL_read(tls_.get(), buffer.data(), static_cast<int>(buffer.size()))
                                 : ::recv(fd_, buffer.data(), buffer.size(), 0);
        if (octets <= 0) {
            throw Gone();
        }
        heard_.append(buffer.data(), static_cast<std::size_t>(octets));
    }

    int fd_;
    Handle<SSL, SSL_free> tls_;
    std::string heard_;
};

/// Runs the script for every connection, each in a thread of its own. Assertions are for the test's thread: a
/// script writes down what it hears, and the test looks at it after wait().
class ScriptedServer {
public:
    using Script = std::function<void(Conversation& conversation, std::size_t number)>;

    explicit ScriptedServer(Script script, int receive_octets = 0)
        : script_(std::move(script)), fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        (void)std::signal(SIGPIPE, SIG_IGN); // as the daemon does
        if (receive_octets > 0) {
            (void)::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_octets, sizeof receive_octets);
        }
        auto address = loopback(0);
        socklen_t size = sizeof address;
        auto* generic = reinterpret_cast<sockaddr*>(&address);
        require_call(::bind(fd_, generic, size) == 0 && ::listen(fd_, 300) == 0 &&
                         ::getsockname(fd_, generic, &size) == 0,
                     "cannot listen on loopback");
        port_ = ntohs(address.sin_port);
        acceptor_ = std::thread([this] { accept_all(); });
    }
    explicit ScriptedServer(std::function<void(Conversation&)> script, int receive_octets = 0)
        : ScriptedServer([script = std::move(script)](Conversation& conversation,
                                                      std::size_t /*number*/) { script(conversation); },
                         receive_octets) {}
    ~ScriptedServer() {
        wait();
        ::close(fd_);
    }
    ScriptedServer(const ScriptedServer&) = delete;
    ScriptedServer& operator=(const ScriptedServer&) = delete;

    [[nodiscard]] policy::Listener listener() const { return {"127.0.0.1", port_}; }

    /// Takes no new connections beyond those that were made; all scripts have ended when it returns.
    void wait() {
        if (!acceptor_.joinable()) {
            return;
        }
        const int last = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        auto address = loopback(port_);
        auto* generic = reinterpret_cast<sockaddr*>(&address);
        socklen_t size = sizeof address;
        sockaddr_in own = loopback(0);
        auto* own_generic = reinterpret_cast<sockaddr*>(&own);
        require_call(::bind(last, own_generic, size) == 0 && ::getsockname(last, own_generic, &size) == 0,
                     "cannot end the server");
        last_port_ = own.sin_port;
        require_call(::connect(last, generic, size) == 0, "cannot end the server");
        acceptor_.join();
        ::close(last);
        for (auto& thread : conversations_) {
            thread.join();
        }
        conversations_.clear();
    }

private:
    void accept_all() {
        while (true) {
            sockaddr_in client{};
            socklen_t size = sizeof client;
            const int fd = ::accept4(fd_, reinterpret_cast<sockaddr*>(&client), &size, SOCK_CLOEXEC);
            if (fd < 0) {
                return;
            }
            if (client.sin_port == last_port_) {
                ::close(fd);
                return;
            }
            conversations_.emplace_back([this, fd, number = conversations_.size()] {
                Conversation conversation(fd);
                try {
                    script_(conversation, number);
                } catch (const Gone&) { // NOLINT(bugprone-empty-catch): that is how scripts end
                }
            });
        }
    }

    Script script_;
    int fd_;
    std::uint16_t port_ = 0;
    std::atomic<in_port_t> last_port_ = 0; ///< of the client that ends it, as the network has it
    std::thread acceptor_;
    std::vector<std::thread> conversations_; ///< the acceptor's until it has ended
};

} // namespace lockbox::test
