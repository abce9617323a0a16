#include "milter/libmilter_adapter.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "mail/line_ends.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libmilter/mfapi.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <string>

namespace lockbox::milter {
namespace {

/// libmilter has no argument for a user's data before smfi_setpriv(). Set before threads start, never written
/// again.
Shared* shared = nullptr;

/// smfi_replacebody() takes an int and cuts into chunks itself; the calls must follow each other without any
/// other (Postfix: "body replacement requests can't currently be mixed with other requests").
constexpr std::size_t body_piece_octets = 1U << 20U;

/// The MTA waits for the milter, not the other way round: this only ends connections whose MTA has vanished.
/// Longer than the two hours in which Postfix keeps an idle smtpd.
constexpr int timeout_s = 7210;

constexpr unsigned long actions_needed = SMFIF_CHGHDRS | SMFIF_ADDHDRS | SMFIF_CHGBODY;
constexpr unsigned long steps_wished = SMFIP_HDR_LEADSPC | SMFIP_NR_HDR;
/// Each reply costs a way there and back and, in libmilter, a change of threads: half of what a small message
/// takes. On TCP they are worth it: the MTA's small packets wait for each other otherwise, 40 ms a message.
constexpr unsigned long steps_on_unix_sockets = SMFIP_NR_RCPT | SMFIP_NR_BODY | SMFIP_NODATA | SMFIP_NOEOH;

/// A connection: the recorder, and what was negotiated with its MTA.
struct Connection {
    explicit Connection(Shared& common) : session(*common.filter, common.in_flight, common.expected) {}
    Session session;
    bool leading_space = false; ///< header values come and go with their leading white space
    unsigned long steps = 0;    ///< of these SMFIP_NR_*: the MTA waits for no reply
};

Connection* connection_of(SMFICTX* ctx) noexcept {
    return static_cast<Connection*>(smfi_getpriv(ctx));
}

std::string text_of(const char* text) {
    return text != nullptr ? std::string(text) : std::string();
}

std::string macro(SMFICTX* ctx, const char* name) {
    std::string copy(name);
    return text_of(smfi_getsymval(ctx, copy.data()));
}

/// The only one to set a reply: its class must agree with the verdict, or libmilter drops it.
sfsistat reply(SMFICTX* ctx, const Reply& what, sfsistat verdict) noexcept {
    try {
        auto lines = reply_lines(what.text);
        std::array<char*, reply_lines_max> line{};
        for (std::size_t i = 0; i < lines.size() && i < line.size(); ++i) {
            line[i] = lines[i].data();
        }
        // The first null ends the list.
        (void)smfi_setmlreply(ctx, what.code.c_str(), what.enhanced_code.c_str(), line[0], line[1], line[2],
                              line[3], line[4], line[5], line[6], line[7], line[8], line[9], line[10],
                              line[11], line[12], line[13], line[14], line[15], line[16], line[17], line[18],
                              line[19], line[20], line[21], line[22], line[23], line[24], line[25], line[26],
                              line[27], line[28], line[29], nullptr);
    } catch (...) { // NOLINT(bugprone-empty-catch): without words, the verdict still holds
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

/// Runs a callback's work. No exception leaves it: each becomes a log line, and the message is put off, now
/// or, where no reply is wanted now, at its end.
template <typename Work>
sfsistat guard(SMFICTX* ctx, const char* stage, Work&& work) noexcept {
    auto* connection = connection_of(ctx);
    try {
        if (connection != nullptr) {
            return work(*connection);
        }
        log::error(stage, "the connection was never negotiated");
    } catch (const std::exception& error) {
        if (connection != nullptr) {
            connection->session.mark_failed();
        }
        try {
            log::error(stage, error.what());
        } catch (...) { // NOLINT(bugprone-empty-catch): out of memory for a log line too
        }
    } catch (...) {
        if (connection != nullptr) {
            connection->session.mark_failed();
        }
    }
    return put_off(ctx);
}

/// The same for work that only records: without a reply where the MTA waits for none. What fails then is
/// answered for at the end of the message.
template <typename Work>
sfsistat guard_silent(SMFICTX* ctx, const char* stage, unsigned long no_reply, Work&& work) noexcept {
    const auto answer = guard(ctx, stage, [&](Connection& connection) {
        work(connection);
        return static_cast<sfsistat>(SMFIS_CONTINUE);
    });
    const auto* connection = connection_of(ctx);
    const bool silent = connection != nullptr && (connection->steps & no_reply) != 0;
    return silent ? static_cast<sfsistat>(SMFIS_NOREPLY) : answer;
}

std::vector<std::string> parameters_of(char** argv) {
    std::vector<std::string> parameters;
    for (auto** argument = argv != nullptr && *argv != nullptr ? argv + 1 : nullptr;
         argument != nullptr && *argument != nullptr; ++argument) {
        parameters.emplace_back(*argument);
    }
    return parameters;
}

std::string address_text(const sockaddr* address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address == nullptr) {
        return {};
    }
    const void* bytes = nullptr;
    if (address->sa_family == AF_INET) {
        bytes = &reinterpret_cast<const sockaddr_in*>(address)->sin_addr; // NOLINT: what the family says
    } else if (address->sa_family == AF_INET6) {
        bytes = &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr; // NOLINT
    } else {
        return {};
    }
    return inet_ntop(address->sa_family, bytes, text.data(), text.size()) != nullptr
               ? std::string(text.data())
               : std::string();
}

/// A header value from the MTA as mail::HeaderField has it: folds are CRLF, the leading space is there.
std::string field_body_from_mta(const char* value, bool leading_space) {
    auto body = mail::to_crlf(text_of(value));
    return leading_space || body.empty() ? body : " " + body;
}

/// And back: libmilter wants LF in folds and never CR.
std::string field_body_for_mta(const std::string& body, bool leading_space) {
    auto value = mail::to_lf(body);
    value.erase(std::remove(value.begin(), value.end(), '\r'), value.end());
    if (!leading_space && value.starts_with(' ')) {
        value.erase(0, 1); // the MTA puts one
    }
    return value;
}

bool ask_for_changes(SMFICTX* ctx, const mail::HeaderEdits& edits, bool leading_space) {
    for (const auto& change : edits.changes) {
        auto name = change.name;
        auto value = change.body ? field_body_for_mta(*change.body, leading_space) : std::string();
        auto* argument = change.body ? value.data() : nullptr;
        if (smfi_chgheader(ctx, name.data(), static_cast<int>(change.occurrence), argument) != MI_SUCCESS) {
            return false;
        }
    }
    for (const auto& field : edits.appended) {
        auto name = field.name;
        auto value = field_body_for_mta(field.body, leading_space);
        if (smfi_addheader(ctx, name.data(), value.data()) != MI_SUCCESS) {
            return false;
        }
    }
    return true;
}

/// Adds the field, which is when the MTA looks at it, and takes every field of this name away again, from the
/// last to the first: ours, so that the secret stays here, and those that came with the message.
bool show_route(SMFICTX* ctx, const Route& route, bool leading_space) {
    const std::string name(route_field);
    mail::HeaderEdits removal;
    for (auto occurrence = route.foreign + 1; occurrence > 0; --occurrence) {
        removal.changes.push_back({name, occurrence, std::nullopt});
    }
    return ask_for_changes(ctx, {{}, {{name, route.body}}}, leading_space) &&
           ask_for_changes(ctx, removal, leading_space);
}

bool ask_for_body(SMFICTX* ctx, std::string& body) {
    for (std::size_t at = 0; at == 0 || at < body.size(); at += body_piece_octets) {
        const auto octets = std::min(body_piece_octets, body.size() - at);
        auto* piece = reinterpret_cast<unsigned char*>(body.data() + at);
        if (smfi_replacebody(ctx, piece, static_cast<int>(octets)) != MI_SUCCESS) {
            return false;
        }
    }
    return true;
}

/// Carries a verdict out. Edits that cannot all be asked for end in a 4xx, upon which the MTA throws the
/// message away.
sfsistat apply(SMFICTX* ctx, const Connection& connection, Verdict& verdict) {
    const auto shown = [&](const std::optional<Route>& route) {
        return !route || show_route(ctx, *route, connection.leading_space);
    };
    if (auto* edit = std::get_if<Edit>(&verdict)) {
        const bool asked = ask_for_changes(ctx, edit->header, connection.leading_space) &&
                           shown(edit->route) && ask_for_body(ctx, edit->body);
        return asked ? static_cast<sfsistat>(SMFIS_CONTINUE) : put_off(ctx);
    }
    if (const auto* pass = std::get_if<Pass>(&verdict)) {
        return shown(pass->route) ? static_cast<sfsistat>(SMFIS_CONTINUE) : put_off(ctx);
    }
    if (std::holds_alternative<Discard>(verdict)) {
        return SMFIS_DISCARD;
    }
    if (const auto* defer = std::get_if<Defer>(&verdict)) {
        return reply(ctx, defer->reply, SMFIS_TEMPFAIL);
    }
    if (const auto* refuse = std::get_if<Refuse>(&verdict)) {
        return reply(ctx, refuse->reply, SMFIS_REJECT);
    }
    return SMFIS_CONTINUE;
}

/// Tells the MTA every few seconds that the verdict is still to come, or it would give up after its content
/// timeout. Never while an edit is asked for: Postfix takes no other reply between two pieces of a body.
WhileWaiting progress_on(SMFICTX* ctx) {
    return [ctx, last = std::chrono::steady_clock::now()]() mutable {
        const auto now = std::chrono::steady_clock::now();
        if (now - last >= waiting_slice) {
            last = now;
            (void)smfi_progress(ctx);
        }
    };
}

void ask_for_macros(SMFICTX* ctx) {
    const auto ask = [&](int stage, const char* names) {
        std::string copy(names);
        if (smfi_setsymlist(ctx, stage, copy.data()) != MI_SUCCESS) {
            throw Error(ErrorKind::engine, "the MTA takes no macro list");
        }
    };
    ask(SMFIM_CONNECT, "j _ {daemon_name} {client_addr}");
    ask(SMFIM_HELO, "{tls_version}");
    ask(SMFIM_ENVFROM, "i {auth_authen} {tls_version}");
    ask(SMFIM_ENVRCPT, ""); // none: a packet less for each recipient
    ask(SMFIM_EOM, "i");
}

extern "C" {

sfsistat on_negotiate(SMFICTX* ctx, unsigned long actions, unsigned long steps, unsigned long /*unused*/,
                      unsigned long /*unused*/, unsigned long* wanted_actions, unsigned long* wanted_steps,
                      unsigned long* unused_2, unsigned long* unused_3) noexcept {
    if ((actions & actions_needed) != actions_needed) {
        log::error("negotiate", "this MTA does not let a milter change headers and bodies");
        return SMFIS_REJECT;
    }
    *unused_2 = 0;
    *unused_3 = 0;
    *wanted_actions = actions_needed | (actions & SMFIF_SETSYMLIST);
    *wanted_steps = steps & (steps_wished | (shared->on_unix_socket ? steps_on_unix_sockets : 0UL));
    try {
        auto connection = std::make_unique<Connection>(*shared);
        connection->leading_space = (*wanted_steps & SMFIP_HDR_LEADSPC) != 0;
        connection->steps = *wanted_steps;
        if ((actions & SMFIF_SETSYMLIST) != 0) {
            ask_for_macros(ctx);
        }
        if (smfi_setpriv(ctx, connection.get()) != MI_SUCCESS) {
            return SMFIS_REJECT;
        }
        (void)connection.release(); // owned by libmilter until on_close()
        return SMFIS_CONTINUE;
    } catch (const std::exception& error) {
        log::error("negotiate", error.what());
    } catch (...) {
        log::error("negotiate", "unknown exception");
    }
    return SMFIS_REJECT;
}

sfsistat on_connect(SMFICTX* ctx, char* host_name, sockaddr* address) noexcept {
    return guard(ctx, "connect", [&](Connection& connection) {
        connection.session.connect(text_of(host_name), address_text(address));
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
        if (shared->stopping && !connection.session.brings_back()) {
            connection.session.settle();
            return put_off(ctx);
        }
        Session::Macros macros{macro(ctx, "{auth_authen}"), macro(ctx, "{tls_version}"),
                               macro(ctx, "{daemon_name}"), macro(ctx, "j")};
        const auto refuse = connection.session.begin(text_of(argv != nullptr ? argv[0] : nullptr),
                                                     parameters_of(argv), std::move(macros));
        if (refuse) {
            log::warning("-", "refused",
                         {{"reason", refuse->reply.text}, {"client", connection.session.client()}});
            return reply(ctx, refuse->reply, SMFIS_REJECT);
        }
        return static_cast<sfsistat>(SMFIS_CONTINUE);
    });
}

sfsistat on_recipient(SMFICTX* ctx, char** argv) noexcept {
    return guard_silent(ctx, "recipient", SMFIP_NR_RCPT, [&](Connection& connection) {
        connection.session.recipient(text_of(argv != nullptr ? argv[0] : nullptr), parameters_of(argv));
    });
}

sfsistat on_data(SMFICTX* ctx) noexcept {
    // Registered, as is end of header, for TCP sockets only: see steps_on_unix_sockets.
    return guard(ctx, "data", [](Connection&) { return static_cast<sfsistat>(SMFIS_CONTINUE); });
}

sfsistat on_header(SMFICTX* ctx, char* name, char* value) noexcept {
    return guard_silent(ctx, "header", SMFIP_NR_HDR, [&](Connection& connection) {
        connection.session.header_field(text_of(name), field_body_from_mta(value, connection.leading_space));
    });
}

sfsistat on_end_of_header(SMFICTX* ctx) noexcept {
    return guard(ctx, "end of header", [](Connection&) { return static_cast<sfsistat>(SMFIS_CONTINUE); });
}

sfsistat on_body(SMFICTX* ctx, unsigned char* chunk, std::size_t octets) noexcept {
    return guard_silent(ctx, "body", SMFIP_NR_BODY, [&](Connection& connection) {
        connection.session.body({reinterpret_cast<const char*>(chunk), octets});
    });
}

sfsistat on_end_of_message(SMFICTX* ctx) noexcept {
    return guard(ctx, "end of message", [&](Connection& connection) {
        const auto queue_id = macro(ctx, "i");
        auto handled = connection.session.end(queue_id, progress_on(ctx));
        const auto answer = apply(ctx, connection, handled.verdict);
        if (connection.session.is_unsettled() && smfi_progress(ctx) != MI_SUCCESS) {
            connection.session
                .verdict_was_lost(); // the MTA has given up on this milter, and its client tries again
        }
        connection.session.reset();
        const bool asked = answer == SMFIS_CONTINUE || !goes_on(handled.verdict);
        if (asked) {
            log::write(handled.level, queue_id.empty() ? "-" : queue_id, handled.event, handled.attributes);
        } else {
            log::error(queue_id.empty() ? "-" : queue_id, "deferred",
                       {{"error", "the MTA did not take the changes to the message"}});
        }
        return answer;
    });
}

sfsistat on_abort(SMFICTX* ctx) noexcept {
    if (auto* connection = connection_of(ctx)) {
        connection->session.reset();
        connection->session.settle();
    }
    return SMFIS_CONTINUE;
}

sfsistat on_close(SMFICTX* ctx) noexcept {
    // May come before anything else did: then there is nothing to end.
    const std::unique_ptr<Connection> connection(connection_of(ctx));
    (void)smfi_setpriv(ctx, nullptr);
    return SMFIS_CONTINUE;
}

} // extern "C"

} // namespace

void register_with_libmilter(Shared& common) {
    shared = &common;
    std::string name = "lockbox";
    smfiDesc description{};
    description.xxfi_name = name.data();
    description.xxfi_version = SMFI_VERSION;
    description.xxfi_flags = actions_needed | SMFIF_SETSYMLIST;
    description.xxfi_connect = on_connect;
    description.xxfi_helo = on_hello;
    description.xxfi_envfrom = on_mail;
    description.xxfi_envrcpt = on_recipient;
    description.xxfi_header = on_header;
    description.xxfi_eoh = on_end_of_header;
    description.xxfi_body = on_body;
    description.xxfi_eom = on_end_of_message;
    description.xxfi_abort = on_abort;
    description.xxfi_close = on_close;
    description.xxfi_data = on_data;
    description.xxfi_negotiate = on_negotiate;
    if (smfi_register(description) != MI_SUCCESS) { // copies the description, its name too
        throw Error(ErrorKind::engine, "libmilter does not take the callbacks");
    }
    (void)smfi_settimeout(timeout_s);
}

void listen(const std::string& socket) {
    auto notation = socket;
    if (smfi_setconn(notation.data()) != MI_SUCCESS || smfi_opensocket(/*rmsocket=*/true) != MI_SUCCESS) {
        throw Error(ErrorKind::unavailable, fmt::format("cannot listen on {}", socket),
                    "is another lockbox-milter running, and may this user write to the directory?");
    }
}

void serve() {
    if (smfi_main() != MI_SUCCESS) {
        throw Error(ErrorKind::engine, "libmilter has ended with an error");
    }
}

} // namespace lockbox::milter
