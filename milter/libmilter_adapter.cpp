#include "milter/libmilter_adapter.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "milter/mta_text.hpp"

#include <fmt/format.h>
#include <libmilter/mfapi.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

namespace lockbox::milter {
namespace {

/// libmilter has no argument for a user's data before smfi_setpriv(). Set before threads start, never written
/// again.
Shared* shared = nullptr;

/// Of one packet from the MTA. MTAs keep to 65,535 octets, but for a Sendmail with a larger
/// MilterMaxDataSize (64 KiB, 256 KiB or 1 MiB).
constexpr std::size_t packet_octets_max = 1U << 20U;
/// smfi_replacebody() takes an int, and cuts into chunks itself.
constexpr std::size_t body_piece_octets = 1U << 20U;

constexpr unsigned long actions_needed = SMFIF_CHGHDRS | SMFIF_ADDHDRS | SMFIF_CHGBODY;
/// Taken up where the MTA offers them.
constexpr unsigned long steps_wished = SMFIP_HDR_LEADSPC | SMFIP_NR_HDR;
/// Each reply costs a way there and back and, in libmilter, a change of threads. On TCP they are worth it:
/// the MTA's small packets wait for each other otherwise, 40 ms a message.
constexpr unsigned long steps_on_unix_sockets = SMFIP_NR_RCPT | SMFIP_NR_BODY | SMFIP_NODATA | SMFIP_NOEOH;

/// What is needed, whatever milter_*_macros in main.cf and sendmail.cf say.
constexpr std::array<std::pair<int, const char*>, 6> macros_wanted{{
    {SMFIM_CONNECT, "j _ {daemon_name} {client_addr}"},
    {SMFIM_HELO, "{tls_version}"},
    {SMFIM_ENVFROM, "i {auth_authen} {tls_version} {mail_addr}"},
    {SMFIM_ENVRCPT, "{nbadrcpts} {nrcpts} {rcpt_addr}"},
    {SMFIM_EOM, "i {nbadrcpts} {rcpt_addr}"},
    // Sendmail 8.17 takes the wish for the end of the message only together with one for the end of the
    // header.
    {SMFIM_EOH, "i"},
}};

/// A connection: the recorder, and what was negotiated with its MTA. libmilter runs the callbacks of one
/// connection one after the other, but on different threads.
struct Connection {
    explicit Connection(Shared& common)
        : session(*common.filter, common.expected), descriptor(*common.descriptors) {}
    Session session;
    AcceptedDescriptors::Search descriptor;
    Slots::Held answered;       ///< of Shared::answered, from a verdict to the MTA's next step
    bool leading_space = false; ///< header values come and go with their leading white space
    unsigned long steps = 0;    ///< as agreed: of these SMFIP_NR_* the MTA waits for no reply
};

Connection* connection_of(SMFICTX* ctx) noexcept {
    return static_cast<Connection*>(smfi_getpriv(ctx));
}

std::string text_of(const char* text) {
    return text != nullptr ? std::string(text) : std::string();
}

/// Valid until the callback returns; empty: not known.
std::string_view macro(SMFICTX* ctx, const char* name) {
    std::string copy(name);
    const char* value = smfi_getsymval(ctx, copy.data());
    return value != nullptr ? std::string_view(value) : std::string_view();
}

RecipientCount::Macros recipient_macros(SMFICTX* ctx) {
    return {macro(ctx, "{nbadrcpts}"), macro(ctx, "{nrcpts}"), macro(ctx, "{rcpt_addr}")};
}

/// The only one to set a reply: its class must agree with the verdict, or libmilter drops it. Where there is
/// no memory for words, the verdict still holds.
sfsistat reply(SMFICTX* ctx, const Reply& what, sfsistat verdict) noexcept {
    try {
        std::array<char*, reply_lines_max> line{};
        std::vector<std::string> lines;
        for (const auto& text : reply_lines(what.text)) {
            lines.push_back(reply_line_for_mta(text));
        }
        for (std::size_t i = 0; i < lines.size(); ++i) {
            line.at(i) = lines[i].data();
        }
        // The first null ends the list.
        (void)smfi_setmlreply(ctx, what.code.c_str(), what.enhanced_code.c_str(), line[0], line[1], line[2],
                              line[3], line[4], line[5], line[6], line[7], line[8], line[9], line[10],
                              line[11], line[12], line[13], line[14], line[15], line[16], line[17], line[18],
                              line[19], line[20], line[21], line[22], line[23], line[24], line[25], line[26],
                              line[27], line[28], line[29], nullptr);
    } catch (...) { // NOLINT(bugprone-empty-catch)
    }
    return verdict;
}

sfsistat put_off(SMFICTX* ctx) noexcept {
    try {
        return reply(ctx, defer_for_a_fault().reply, SMFIS_TEMPFAIL);
    } catch (...) {
        return SMFIS_TEMPFAIL;
    }
}

void log_failure(const char* stage, const char* what) noexcept {
    try {
        log::error(stage, what);
    } catch (...) { // NOLINT(bugprone-empty-catch): no memory for a log line either
    }
}

/// Runs a callback's work. No exception leaves it: each becomes a log line, and the message is put off, now
/// or, where no reply is wanted now, at its end.
template <typename Work>
sfsistat guard(SMFICTX* ctx, const char* stage, Work&& work) noexcept {
    auto* connection = connection_of(ctx);
    if (connection == nullptr) { // a second connection behind SMFIC_QUIT_NC, which neither MTA sends
        log_failure(stage, "nothing was negotiated on this connection");
        return put_off(ctx);
    }
    try {
        return work(*connection);
    } catch (const std::exception& error) {
        log_failure(stage, error.what());
    } catch (...) {
        log_failure(stage, "unknown exception");
    }
    connection->session.mark_failed();
    return put_off(ctx);
}

/// The same for work that only records: without a reply where the MTA waits for none. What fails then is
/// answered for at the end of the message.
template <typename Work>
sfsistat guard_recording(SMFICTX* ctx, const char* stage, unsigned long no_reply, Work&& work) noexcept {
    const auto answer = guard(ctx, stage, [&](Connection& connection) {
        work(connection);
        return static_cast<sfsistat>(SMFIS_CONTINUE);
    });
    const auto* connection = connection_of(ctx);
    const bool is_silent = connection != nullptr && (connection->steps & no_reply) != 0;
    return is_silent ? static_cast<sfsistat>(SMFIS_NOREPLY) : answer;
}

/// What MAIL and RCPT bring: the address as the client wrote it, and ESMTP parameters.
std::pair<std::string, std::vector<std::string>> path_and_parameters(char** argv) {
    if (argv == nullptr || *argv == nullptr) {
        return {};
    }
    std::vector<std::string> parameters;
    for (auto** argument = argv + 1; *argument != nullptr; ++argument) {
        parameters.emplace_back(*argument);
    }
    return {*argv, std::move(parameters)};
}

enum class Asked {
    yes,
    too_long, ///< a header field is longer than the MTA takes: nothing was asked for
    no,       ///< the MTA has gone
};

/// Asks for everything that a verdict changes: the header, the body, the route. The pieces of the body follow
/// each other without any other packet between them (Postfix: "body replacement requests can't currently be
/// mixed with other requests").
Asked ask_for_changes(SMFICTX* ctx, const Connection& connection, Verdict& verdict) {
    auto edits = edits_for_mta(verdict, connection.leading_space);
    if (!edits.fit()) {
        return Asked::too_long;
    }
    const auto ask = [&](FieldEdit& edit) {
        return (edit.occurrence == 0 ? smfi_addheader(ctx, edit.name.data(), edit.value.data())
                                     : smfi_chgheader(ctx, edit.name.data(), edit.occurrence,
                                                      edit.value.data())) == MI_SUCCESS;
    };
    if (!std::all_of(edits.header.begin(), edits.header.end(), ask)) {
        return Asked::no;
    }
    if (auto* edit = std::get_if<Edit>(&verdict)) {
        auto& body = edit->body;
        for (std::size_t at = 0; at == 0 || at < body.size(); at += body_piece_octets) {
            const auto octets = std::min(body_piece_octets, body.size() - at);
            auto* piece = reinterpret_cast<unsigned char*>(body.data() + at); // NOLINT: libmilter's type
            if (smfi_replacebody(ctx, piece, static_cast<int>(octets)) != MI_SUCCESS) {
                return Asked::no;
            }
        }
    }
    return std::all_of(edits.route.begin(), edits.route.end(), ask) ? Asked::yes : Asked::no;
}

sfsistat answer_for(SMFICTX* ctx, const Verdict& verdict) noexcept {
    if (const auto* defer = std::get_if<Defer>(&verdict)) {
        return reply(ctx, defer->reply, SMFIS_TEMPFAIL);
    }
    if (const auto* refuse = std::get_if<Refuse>(&verdict)) {
        return reply(ctx, refuse->reply, SMFIS_REJECT);
    }
    return std::holds_alternative<Discard>(verdict) ? static_cast<sfsistat>(SMFIS_DISCARD)
                                                    : static_cast<sfsistat>(SMFIS_CONTINUE);
}

/// Tells the MTA every few seconds that the verdict is still to come, or it would give up after its content
/// timeout. False: it has given up all the same. Where Postfix's cleanup(8) dies while it waits for a
/// verdict, smtpd(8) still has the connection, and says that the message has ended.
Tick progress_on(SMFICTX* ctx, Connection& connection) {
    return [ctx, &connection, last = std::chrono::steady_clock::now(), is_there = true]() mutable {
        const auto now = std::chrono::steady_clock::now();
        is_there = is_there && connection.descriptor.mta_waits().value_or(true);
        if (is_there && now - last >= waiting_slice) {
            last = now;
            connection.descriptor.look(AcceptedDescriptors::Search::Mta::may_be_ahead);
            is_there = smfi_progress(ctx) == MI_SUCCESS;
        }
        return is_there;
    };
}

void log_handled(const std::string& queue_id, const Handled& handled, Asked asked) {
    const auto subject = queue_id.empty() ? std::string_view("-") : std::string_view(queue_id);
    if (asked != Asked::yes && goes_on(handled.verdict)) {
        log::error(subject, "deferred",
                   {{"error", asked == Asked::no ? "the MTA has left before the message could be given back"
                                                 : "the MTA takes no header field of that length"}});
        return;
    }
    log::write(handled.level, subject, handled.event, handled.attributes);
    for (const auto& copy : handled.copies) {
        log::info(subject, copy.event, copy.attributes);
    }
}

/// Whether the MTA waits for an answer. One that does not any more would take it for that to its next
/// command, and from then on each answer for that to the command behind: the next message would go on as it
/// is. Where nobody knows, it counts as waiting for a short time alone; one that waits longer gives up in the
/// end, and its client tries again.
bool takes_answer(const Connection& connection, std::chrono::steady_clock::time_point begin) noexcept {
    return connection.descriptor.mta_waits().value_or(std::chrono::steady_clock::now() - begin <
                                                      waiting_slice);
}

sfsistat end_of_message(SMFICTX* ctx, Connection& connection, std::chrono::steady_clock::time_point begin) {
    auto& session = connection.session;
    if (shared->stopping && !session.carries_copy()) {
        return put_off(ctx);
    }
    const auto judged = shared->judged.take_now(1);
    connection.descriptor.look(AcceptedDescriptors::Search::Mta::may_be_ahead);
    const std::string queue_id(macro(ctx, "i"));
    session.count_recipients(recipient_macros(ctx));
    auto handled = session.end(queue_id, progress_on(ctx, connection));
    auto asked =
        takes_answer(connection, begin) ? ask_for_changes(ctx, connection, handled.verdict) : Asked::no;
    if (!takes_answer(connection, begin)) {
        asked = Asked::no;
    }
    if (handled.attempt && asked == Asked::yes) {
        handled.attempt->answered();
    }
    handled.attempt.reset(); // the next try of the message may begin
    const auto answer = asked == Asked::yes ? answer_for(ctx, handled.verdict) : put_off(ctx);
    connection.answered = shared->answered.take_now(1);
    try {
        log_handled(queue_id, handled, asked);
    } catch (const std::exception&) { // NOLINT(bugprone-empty-catch): the verdict counts, not its log line
    }
    return answer;
}

extern "C" {

sfsistat on_negotiate(SMFICTX* ctx, unsigned long actions, unsigned long steps, unsigned long /*unused*/,
                      unsigned long /*unused*/, unsigned long* wanted_actions, unsigned long* wanted_steps,
                      unsigned long* unused_2, unsigned long* unused_3) noexcept {
    if ((actions & actions_needed) != actions_needed) {
        log_failure("negotiate", "this MTA does not let a milter change headers and bodies");
        return SMFIS_REJECT;
    }
    *unused_2 = 0;
    *unused_3 = 0;
    *wanted_actions = actions_needed | (actions & SMFIF_SETSYMLIST);
    *wanted_steps = steps & (steps_wished | (shared->on_unix_socket ? steps_on_unix_sockets : 0UL));
    try {
        auto connection = std::make_unique<Connection>(*shared);
        connection->descriptor.look(AcceptedDescriptors::Search::Mta::waits);
        connection->leading_space = (*wanted_steps & SMFIP_HDR_LEADSPC) != 0;
        connection->steps = *wanted_steps;
        for (const auto& [stage, names] : macros_wanted) {
            std::string copy(names);
            if ((actions & SMFIF_SETSYMLIST) != 0 && smfi_setsymlist(ctx, stage, copy.data()) != MI_SUCCESS) {
                throw Error(ErrorKind::engine, "libmilter takes no list of macros");
            }
        }
        if (smfi_setpriv(ctx, connection.get()) != MI_SUCCESS) {
            throw Error(ErrorKind::engine, "libmilter takes no private data");
        }
        (void)connection.release(); // on_close() has it back
        return SMFIS_CONTINUE;
    } catch (const std::exception& error) {
        log_failure("negotiate", error.what());
    } catch (...) {
        log_failure("negotiate", "unknown exception");
    }
    return SMFIS_REJECT;
}

sfsistat on_connect(SMFICTX* ctx, char* host_name, sockaddr* address) noexcept {
    return guard(ctx, "connect", [&](Connection& connection) {
        connection.descriptor.look(AcceptedDescriptors::Search::Mta::waits);
        connection.session.connect(text_of(host_name), address_from_mta(address));
        return static_cast<sfsistat>(SMFIS_CONTINUE);
    });
}

sfsistat on_hello(SMFICTX* ctx, char* name) noexcept {
    return guard(ctx, "hello", [&](Connection& connection) {
        connection.session.hello(text_of(name));
        return static_cast<sfsistat>(SMFIS_CONTINUE);
    });
}

sfsistat on_mail(SMFICTX* ctx, char** argv) noexcept {
    return guard(ctx, "mail", [&](Connection& connection) {
        connection.answered.release();
        connection.descriptor.look(AcceptedDescriptors::Search::Mta::waits);
        auto& session = connection.session;
        if (shared->stopping && !session.brings_back(macro(ctx, "{daemon_name}"))) {
            return put_off(ctx);
        }
        auto [path, parameters] = path_and_parameters(argv);
        const auto text = [&](const char* name) { return std::string(macro(ctx, name)); };
        const auto refuse = session.begin(std::move(path), std::move(parameters),
                                          {text("{auth_authen}"), text("{tls_version}"),
                                           text("{daemon_name}"), text("j"), text("{mail_addr}")});
        if (refuse) {
            log::warning("-", "refused", {{"reason", refuse->reply.text}, {"client", session.client()}});
            return reply(ctx, refuse->reply, SMFIS_REJECT);
        }
        return static_cast<sfsistat>(SMFIS_CONTINUE);
    });
}

sfsistat on_recipient(SMFICTX* ctx, char** argv) noexcept {
    return guard_recording(ctx, "recipient", SMFIP_NR_RCPT, [&](Connection& connection) {
        auto [path, parameters] = path_and_parameters(argv);
        connection.session.recipient(std::move(path), std::move(parameters), recipient_macros(ctx));
    });
}

/// Registered, as is the end of the header, for TCP sockets only: see steps_on_unix_sockets.
sfsistat on_step_without_content(SMFICTX* ctx) noexcept {
    return guard(ctx, "data", [](Connection&) { return static_cast<sfsistat>(SMFIS_CONTINUE); });
}

sfsistat on_header(SMFICTX* ctx, char* name, char* value) noexcept {
    return guard_recording(ctx, "header", SMFIP_NR_HDR, [&](Connection& connection) {
        connection.session.header_field(field_name_from_mta(text_of(name)),
                                        field_body_from_mta(text_of(value), connection.leading_space));
    });
}

sfsistat on_body(SMFICTX* ctx, unsigned char* chunk, std::size_t octets) noexcept {
    return guard_recording(ctx, "body", SMFIP_NR_BODY, [&](Connection& connection) {
        connection.session.body({reinterpret_cast<const char*>(chunk), octets}); // NOLINT: libmilter's type
    });
}

sfsistat on_end_of_message(SMFICTX* ctx) noexcept {
    const auto begin = std::chrono::steady_clock::now();
    const auto answer = guard(ctx, "end of message",
                              [&](Connection& connection) { return end_of_message(ctx, connection, begin); });
    auto* connection = connection_of(ctx);
    if (connection == nullptr) {
        return answer;
    }
    connection->session.reset();
    if (takes_answer(*connection, begin)) {
        return answer;
    }
    (void)connection->descriptor.hang_up();
    return SMFIS_NOREPLY;
}

/// The message ends without a verdict: the client has begun another one, or the MTA has gone.
sfsistat on_abort(SMFICTX* ctx) noexcept {
    if (auto* connection = connection_of(ctx)) {
        connection->answered.release();
        connection->session.reset();
    }
    return SMFIS_CONTINUE;
}

/// May come before anything else did: then there is nothing to end.
sfsistat on_close(SMFICTX* ctx) noexcept {
    const std::unique_ptr<Connection> connection(connection_of(ctx));
    (void)smfi_setpriv(ctx, nullptr);
    return SMFIS_CONTINUE;
}

} // extern "C"

/// A unix socket is for this user alone until it has its owner and mode.
class UmaskForNobodyElse {
public:
    UmaskForNobodyElse() noexcept : before_(::umask(0177)) {}
    ~UmaskForNobodyElse() { (void)::umask(before_); }
    UmaskForNobodyElse(const UmaskForNobodyElse&) = delete;
    UmaskForNobodyElse& operator=(const UmaskForNobodyElse&) = delete;

private:
    mode_t before_;
};

} // namespace

void register_with_libmilter(Shared& common) {
    shared = &common;
    std::string name = "lockbox-milter";
    smfiDesc description{};
    description.xxfi_name = name.data();
    description.xxfi_version = SMFI_VERSION;
    description.xxfi_flags = actions_needed | SMFIF_SETSYMLIST;
    description.xxfi_negotiate = on_negotiate;
    description.xxfi_connect = on_connect;
    description.xxfi_helo = on_hello;
    description.xxfi_envfrom = on_mail;
    description.xxfi_envrcpt = on_recipient;
    description.xxfi_data = on_step_without_content;
    description.xxfi_header = on_header;
    description.xxfi_eoh = on_step_without_content;
    description.xxfi_body = on_body;
    description.xxfi_eom = on_end_of_message;
    description.xxfi_abort = on_abort;
    description.xxfi_close = on_close;
    if (smfi_register(description) != MI_SUCCESS || // copies the description, its name too
        smfi_settimeout(static_cast<int>(idle_max.count())) != MI_SUCCESS) {
        throw Error(ErrorKind::engine, "libmilter does not take the callbacks");
    }
    (void)smfi_setmaxdatasize(packet_octets_max); // returns the size before
}

int listen(const std::string& socket) {
    const auto before = listening_descriptors();
    auto notation = socket;
    {
        const UmaskForNobodyElse umask;
        if (smfi_setconn(notation.data()) != MI_SUCCESS || smfi_opensocket(/*rmsocket=*/true) != MI_SUCCESS) {
            throw Error(ErrorKind::unavailable, fmt::format("libmilter cannot listen on {}", socket),
                        "the system's log has libmilter's own words");
        }
    }
    for (const int fd : listening_descriptors()) {
        if (std::find(before.begin(), before.end(), fd) == before.end()) {
            return fd;
        }
    }
    throw Error(ErrorKind::engine, "libmilter listens, and the kernel does not show on which descriptor");
}

void serve() {
    if (smfi_main() != MI_SUCCESS) {
        throw Error(ErrorKind::engine, "libmilter has ended with an error; the system's log has its words");
    }
}

} // namespace lockbox::milter
