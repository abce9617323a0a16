// A small SMTP client (RFC 5321) for one purpose: handing copies back to the MTA's reinjection listener. It
// can hold a transaction just before the final dot, which libraries cannot together with XFORWARD and DSN
// parameters.
#pragma once

#include "base/handle.hpp"
#include "milter/listener_peer.hpp"
#include "milter/smtp_reply.hpp"
#include "milter/wait.hpp"
#include "policy/listener.hpp"

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::milter {

using TlsContext = Handle<SSL_CTX, SSL_CTX_free>;

/// For opportunistic TLS to a listener that is named by the administrator: TLS 1.2 or newer, certificates are
/// not verified (RFC 7435). Throws Error(engine).
[[nodiscard]] TlsContext make_tls_client_context();

/// One connection. Everything throws Error(unavailable) naming the listener when the connection fails, the
/// deadline passes or the MTA that waits for us has gone, and Error(malformed) when what comes is not SMTP;
/// the connection is of no use then. Hangs up on destruction. The process must ignore SIGPIPE: OpenSSL writes
/// to sockets that may be closed.
class SmtpClient {
public:
    /// Connects, and does not yet read the greeting.
    SmtpClient(const policy::Listener& listener, Wait wait);
    ~SmtpClient();
    SmtpClient(SmtpClient&&) noexcept;
    SmtpClient& operator=(SmtpClient&&) noexcept;
    SmtpClient(const SmtpClient&) = delete;
    SmtpClient& operator=(const SmtpClient&) = delete;

    /// Holds for everything that follows.
    void set_wait(Wait wait) noexcept;

    [[nodiscard]] SmtpReply read_reply();

    /// expect_mta() for this connection, behind the greeting. Throws what that does.
    void expect_mta(const WayBack& way_back) const;

    /// nullopt: the deadline has passed, and the connection is as good as before. The reply can still be
    /// waited for.
    [[nodiscard]] std::optional<SmtpReply> reply_in_time();

    /// EHLO; remembers what is offered.
    [[nodiscard]] SmtpReply hello(std::string_view name);
    [[nodiscard]] const SmtpExtensions& extensions() const noexcept;

    /// STARTTLS and the handshake (RFC 3207); EHLO must follow. A reply that is not positive leaves the
    /// connection in clear.
    [[nodiscard]] SmtpReply start_tls(SSL_CTX* context);

    /// `line` without its CRLF. Throws Error(malformed) for a line with control characters in it: nothing
    /// that came with a message becomes a command of its own.
    [[nodiscard]] SmtpReply command(std::string_view line);

    /// One reply for each line; sent many at once where PIPELINING (RFC 2920) is offered. All lines are sent,
    /// whatever the replies to the first are.
    [[nodiscard]] std::vector<SmtpReply> commands(const std::vector<std::string>& lines);

    /// Message bytes after DATA: dots doubled (RFC 5321 §4.5.2), LF without CR made CRLF. To be called for
    /// the pieces of one message in order.
    void write_content(std::string_view bytes);

    /// Ends the last line if it is not ended. What is missing then is the final dot.
    void finish_content();

    /// The final dot, after which the server takes the message or does not: read_reply() tells.
    void write_final_dot();

    /// QUIT (RFC 5321 §4.1.1.10), where a command may be said; without waiting for the answer. Nothing may
    /// follow.
    void quit() noexcept;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace lockbox::milter
