// The milter's side of one connection with the MTA: packets become calls of a Session, verdicts become
// packets.
#pragma once

#include "milter/protocol.hpp"
#include "milter/session.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace lockbox::milter {

/// What all connections share: set before the first, never written again but for `stopping`.
struct Shared {
    Filter* filter = nullptr;
    ExpectedCopies* expected = nullptr; ///< null: nothing is handed back
    bool on_unix_socket = false;
    Slots in_flight{Slots::unlimited};
    std::atomic<bool> stopping = false; ///< new messages are put off
};

/// Not to be used by two threads at once. Knows no sockets: what the MTA gets goes to `send`.
class Conversation {
public:
    /// All of it has to go, or false: the MTA has gone.
    using Send = std::function<bool(std::string_view)>;

    /// Whether the MTA, which is waiting for us, still does: it has neither hung up nor said anything since.
    using StillWaits = std::function<bool()>;

    Conversation(
        Shared& shared, Send send, StillWaits still_waits = [] { return true; })
        : shared_(shared), send_(std::move(send)), still_waits_(std::move(still_waits)) {}

    /// Does what a packet asks for. False: the connection ends. What fails while a message is recorded or
    /// judged becomes a log line, and the message is deferred, now or, where no reply is wanted now, at its
    /// end. Throws Error(malformed) for what is no milter protocol: then nothing goes on on this connection.
    [[nodiscard]] bool take(const protocol::Packet& packet);

    /// Sends the replies that wait. To be called when nothing more can be read without waiting: the MTA
    /// waits, too, then. False: it has gone.
    [[nodiscard]] bool flush();

private:
    [[nodiscard]] bool negotiate(std::string_view data);
    void connect(std::string_view data);
    void mail(std::string_view data);
    [[nodiscard]] bool end_of_message(std::string_view last_piece);
    [[nodiscard]] RecipientCount::Macros recipient_macros() const;
    [[nodiscard]] Handled judged(const std::string& queue_id, std::string_view last_piece);
    enum class Sent {
        yes,
        too_long, ///< a header field is longer than the MTA takes: the message was deferred instead
        no,       ///< the MTA has gone, or will be left
    };
    [[nodiscard]] Sent send(const Verdict& verdict) noexcept;
    /// But for a new body. False: a header field is longer than the MTA takes.
    [[nodiscard]] bool write_verdict(const Verdict& verdict);
    [[nodiscard]] bool add_route(const std::optional<Route>& route);
    /// False: the MTA has gone.
    [[nodiscard]] bool send_body(std::string_view body);
    [[nodiscard]] Tick progress();
    void put_off();
    template <typename Work>
    void guarded(const char* stage, std::uint32_t no_reply, Work&& work);

    Shared& shared_;
    Send send_;
    StillWaits still_waits_;
    std::unique_ptr<Session> session_; ///< null: nothing was negotiated
    protocol::Macros macros_;
    std::uint32_t steps_ = 0; ///< as agreed
    std::string out_;         ///< replies that wait
};

} // namespace lockbox::milter
