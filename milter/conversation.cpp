#include "milter/conversation.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "mail/line_ends.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <utility>

namespace lockbox::milter {
namespace {

using protocol::Command;
namespace action = protocol::action;
namespace step = protocol::step;

constexpr std::uint32_t actions_needed = action::add_headers | action::change_body | action::change_headers;
/// Taken up where the MTA offers them.
constexpr std::uint32_t steps_wished = step::leading_space | step::no_reply_to_header;
/// Each reply costs a way there and back. On TCP they are worth it: the MTA's small packets wait for each
/// other otherwise, 40 ms a message.
constexpr std::uint32_t steps_on_unix_sockets =
    step::no_reply_to_recipient | step::no_reply_to_body | step::no_data | step::no_end_of_header;

/// What is needed, whatever milter_*_macros in main.cf and sendmail.cf say.
constexpr std::array<std::pair<Command, std::string_view>, 6> macros_wanted{{
    {Command::connect, "j _ {daemon_name} {client_addr}"},
    {Command::hello, "{tls_version}"},
    {Command::mail, "i {auth_authen} {tls_version} {mail_addr}"},
    {Command::recipient, "{nbadrcpts} {nrcpts} {rcpt_addr}"},
    {Command::end_of_message, "i {nbadrcpts} {rcpt_addr}"},
    // Sendmail 8.17 takes the wish for the end of the message only together with one for the end of the
    // header.
    {Command::end_of_header, "i"},
}};

/// What waits in memory before it is sent: a body in pieces need not be there twice.
constexpr std::size_t waiting_octets_max = 256U << 10U;

/// What MAIL and RCPT bring: the address as the client wrote it, and ESMTP parameters.
struct Path {
    std::string path;
    std::vector<std::string> parameters;

    static Path read(std::string_view data) {
        auto texts = protocol::read_texts(data);
        if (texts.empty()) {
            return {};
        }
        auto path = std::move(texts.front());
        texts.erase(texts.begin());
        return {std::move(path), std::move(texts)};
    }
};

/// Without the white space before the colon, as Postfix and Sendmail show it. They find a field by that name,
/// too, however it was written. Of a name that is none nobody knows what the MTA would find.
std::string name_of(const protocol::NameAndValue& field) {
    const auto name = mail::field_name(field.name);
    if (!name) {
        throw Error(ErrorKind::malformed,
                    fmt::format("the MTA shows a header field of the name '{}', which is none",
                                printable(field.name)));
    }
    return std::string(*name);
}

/// A header value from the MTA as mail::HeaderField has it: folds are CRLF, the leading space is there.
std::string field_body(std::string_view value, bool leading_space) {
    auto body = mail::to_crlf(value);
    return leading_space || body.empty() ? body : " " + body;
}

} // namespace

bool Conversation::flush() {
    if (out_.empty()) {
        return true;
    }
    const bool sent = send_(out_);
    out_.clear();
    return sent;
}

void Conversation::put_off() {
    protocol::write_reply(out_, defer_for_a_fault().reply);
}

/// Runs what only records; it answers unless `no_reply` was agreed on.
template <typename Work>
void Conversation::guarded(const char* stage, std::uint32_t no_reply, Work&& work) {
    bool done = false;
    try {
        work(*session_);
        done = true;
    } catch (const std::exception& error) {
        log::error(stage, error.what());
    }
    if (!done) {
        session_->mark_failed();
    }
    if ((steps_ & no_reply) == 0) {
        done ? protocol::write_continue(out_) : put_off();
    }
}

bool Conversation::take(const protocol::Packet& packet) {
    if (packet.command == Command::negotiate) {
        return negotiate(packet.data);
    }
    if (packet.command == Command::quit) {
        return false;
    }
    if (session_ == nullptr) {
        throw Error(ErrorKind::malformed, "the MTA begins without an offer");
    }
    switch (packet.command) {
    case Command::macros:
        macros_.take(packet.data);
        break;
    case Command::connect:
        connect(packet.data);
        break;
    case Command::hello: {
        auto name = Path::read(packet.data).path; // of the client, and nothing else
        guarded("hello", 0, [&](Session& session) { session.hello(std::move(name)); });
        break;
    }
    case Command::mail:
        mail(packet.data);
        break;
    case Command::recipient: {
        auto [path, parameters] = Path::read(packet.data);
        guarded("recipient", step::no_reply_to_recipient, [&](Session& session) {
            session.recipient(std::move(path), std::move(parameters), recipient_macros());
        });
        break;
    }
    case Command::header_field: {
        const auto field = protocol::read_header_field(packet.data);
        guarded("header", step::no_reply_to_header, [&](Session& session) {
            session.header_field(name_of(field),
                                 field_body(field.value, (steps_ & step::leading_space) != 0));
        });
        break;
    }
    case Command::body:
        guarded("body", step::no_reply_to_body, [&](Session& session) { session.body(packet.data); });
        break;
    case Command::data:
    case Command::end_of_header:
    case Command::unknown:
        protocol::write_continue(out_);
        break;
    case Command::end_of_message:
        return end_of_message(packet.data);
    case Command::abort:
        session_->reset();
        macros_.end_message();
        break;
    case Command::next_connection:
        session_ = std::make_unique<Session>(*shared_.filter, shared_.in_flight, shared_.expected);
        macros_ = {};
        break;
    case Command::negotiate:
    case Command::quit:
        break;
    default:
        throw Error(ErrorKind::malformed,
                    fmt::format("the MTA sends a command that is unknown here: {}",
                                printable({reinterpret_cast<const char*>(&packet.command), 1})));
    }
    return true;
}

bool Conversation::negotiate(std::string_view data) {
    const auto offer = protocol::read_negotiation(data);
    if (offer.version < protocol::version_min || (offer.actions & actions_needed) != actions_needed) {
        log::error("negotiate", "this MTA does not let a milter change headers and bodies");
        return false;
    }
    protocol::Negotiation agreed;
    agreed.version = std::min(offer.version, protocol::version_max);
    agreed.actions = actions_needed | (offer.actions & action::choose_macros);
    agreed.steps = offer.steps & (steps_wished | (shared_.on_unix_socket ? steps_on_unix_sockets : 0U));
    steps_ = agreed.steps;
    macros_ = {};
    session_ = std::make_unique<Session>(*shared_.filter, shared_.in_flight, shared_.expected);
    const bool chooses = (agreed.actions & action::choose_macros) != 0;
    protocol::write_negotiation(out_, agreed,
                                chooses ? std::span(macros_wanted)
                                        : std::span<const std::pair<Command, std::string_view>>());
    return true;
}

void Conversation::connect(std::string_view data) {
    auto client = protocol::read_client(data);
    guarded("connect", 0,
            [&](Session& session) { session.connect(std::move(client.name), std::move(client.address)); });
}

void Conversation::mail(std::string_view data) {
    if (shared_.stopping && !session_->brings_back()) {
        return put_off();
    }
    auto [path, parameters] = Path::read(data);
    std::optional<Refuse> refuse;
    try {
        const auto macro = [&](std::string_view name) { return std::string(macros_.get(name)); };
        refuse = session_->begin(std::move(path), std::move(parameters),
                                 {macro("auth_authen"), macro("tls_version"), macro("daemon_name"),
                                  macro("j"), macro("mail_addr")});
        if (refuse) {
            log::warning("-", "refused", {{"reason", refuse->reply.text}, {"client", session_->client()}});
        }
    } catch (const std::exception& error) {
        session_->mark_failed();
        log::error("mail", error.what());
        return put_off();
    }
    refuse ? protocol::write_reply(out_, refuse->reply) : protocol::write_continue(out_);
}

/// Adds the field, which is when the MTA looks at it, and takes every field of this name away again, from the
/// last to the first: ours, so that the secret stays here, and those that came with the message.
bool Conversation::add_route(const std::optional<Route>& route) {
    if (!route) {
        return true;
    }
    const std::string name(route_field);
    mail::HeaderEdits removal;
    for (auto occurrence = route->foreign + 1; occurrence > 0; --occurrence) {
        removal.changes.push_back({name, occurrence, std::nullopt});
    }
    const bool leading_space = (steps_ & step::leading_space) != 0;
    return protocol::write_edits(out_, {{}, {{name, route->body}}}, leading_space) &&
           protocol::write_edits(out_, removal, leading_space);
}

bool Conversation::write_verdict(const Verdict& verdict) {
    if (const auto* edit = std::get_if<Edit>(&verdict)) {
        return protocol::write_edits(out_, edit->header, (steps_ & step::leading_space) != 0) &&
               add_route(edit->route);
    }
    if (const auto* pass = std::get_if<Pass>(&verdict)) {
        if (!add_route(pass->route)) {
            return false;
        }
        protocol::write_continue(out_);
    } else if (std::holds_alternative<Discard>(verdict)) {
        protocol::write_discard(out_);
    } else if (const auto* defer = std::get_if<Defer>(&verdict)) {
        protocol::write_reply(out_, defer->reply);
    } else if (const auto* refuse = std::get_if<Refuse>(&verdict)) {
        protocol::write_reply(out_, refuse->reply);
    }
    return true;
}

bool Conversation::send_body(std::string_view body) {
    for (std::size_t at = 0; at == 0 || at < body.size(); at += protocol::chunk_octets_max) {
        protocol::write_body_piece(out_, body.substr(at, protocol::chunk_octets_max));
        if (out_.size() > waiting_octets_max && !flush()) {
            return false;
        }
    }
    protocol::write_continue(out_);
    return true;
}

/// Tells the MTA every few seconds that the verdict is still to come, or it would give up after its content
/// timeout. False: it has given up all the same. Never while a verdict is sent: Postfix takes no other reply
/// between two pieces of a body.
Tick Conversation::progress() {
    return [this, last = std::chrono::steady_clock::now(), is_there = true]() mutable {
        const auto now = std::chrono::steady_clock::now();
        is_there = is_there && still_waits_();
        if (is_there && now - last >= waiting_slice) {
            last = now;
            protocol::write_progress(out_);
            is_there = flush();
        }
        return is_there;
    };
}

Handled Conversation::judged(const std::string& queue_id, std::string_view last_piece) {
    try {
        session_->body(last_piece);
        session_->count_recipients(recipient_macros());
        return session_->end(queue_id, progress());
    } catch (const std::exception& error) {
        return {defer_for_a_fault(), log::Level::error, "deferred", {{"error", error.what()}}, nullptr};
    }
}

/// Never more than one answer: a second one would be taken for that to the next message, which would then go
/// on as it is. So where something fails after the first octet, the connection ends, and the MTA defers the
/// message.
Conversation::Sent Conversation::send(const Verdict& verdict) noexcept {
    try {
        const auto begun = out_.size();
        if (!write_verdict(verdict)) {
            out_.resize(begun);
            put_off();
            return flush() ? Sent::too_long : Sent::no;
        }
        const auto* edit = std::get_if<Edit>(&verdict);
        return (edit == nullptr || send_body(edit->body)) && flush() ? Sent::yes : Sent::no;
    } catch (const std::exception&) {
        return Sent::no;
    }
}

RecipientCount::Macros Conversation::recipient_macros() const {
    return {macros_.get("nbadrcpts"), macros_.get("nrcpts"), macros_.get("rcpt_addr")};
}

bool Conversation::end_of_message(std::string_view last_piece) {
    const std::string queue_id(macros_.get("i"));
    auto handled = judged(queue_id, last_piece);
    const auto sent = send(handled.verdict);
    if (handled.attempt && sent == Sent::yes) {
        handled.attempt->answered();
    }
    handled.attempt.reset(); // the next try of the message may begin
    session_->reset();
    macros_.end_message();
    try {
        const auto subject = queue_id.empty() ? std::string_view("-") : std::string_view(queue_id);
        if (sent == Sent::yes || !goes_on(handled.verdict)) {
            log::write(handled.level, subject, handled.event, handled.attributes);
            for (const auto& copy : handled.copies) {
                log::info(subject, copy.event, copy.attributes);
            }
        } else {
            log::error(subject, "deferred",
                       {{"error", sent == Sent::no ? "the MTA has left before the message could be given back"
                                                   : "the MTA takes no header field of that length"}});
        }
    } catch (const std::exception&) { // NOLINT(bugprone-empty-catch): the verdict counts, not its log line
    }
    return sent != Sent::no;
}

} // namespace lockbox::milter
