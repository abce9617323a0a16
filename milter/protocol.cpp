#include "milter/protocol.hpp"

#include "base/error.hpp"
#include "mail/line_ends.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace lockbox::milter::protocol {
namespace {

constexpr std::size_t length_octets = 4;
constexpr std::size_t room_octets = 64U << 10U;

constexpr char reply_continue = 'c';
constexpr char reply_discard = 'd';
constexpr char reply_text = 'y';
constexpr char reply_progress = 'p';
constexpr char edit_add = 'h';
constexpr char edit_change = 'm';
constexpr char edit_body = 'b';

[[noreturn]] void fail(std::string what) {
    throw Error(ErrorKind::malformed, std::move(what));
}

std::uint32_t number_at(std::string_view data, std::size_t at) {
    std::uint32_t number = 0;
    std::memcpy(&number, data.data() + at, sizeof number);
    return ntohl(number);
}

void append_number(std::string& out, std::size_t number) {
    const auto network = htonl(static_cast<std::uint32_t>(number));
    std::array<char, sizeof network> octets{};
    std::memcpy(octets.data(), &network, sizeof network);
    out.append(octets.data(), octets.size());
}

void append_text(std::string& out, std::string_view text) {
    out += text;
    out += '\0';
}

void write_packet(std::string& out, char letter, std::string_view data) {
    append_number(out, data.size() + 1);
    out += letter;
    out += data;
}

std::string_view without_braces(std::string_view name) noexcept {
    return name.size() > 2 && name.front() == '{' && name.back() == '}' ? name.substr(1, name.size() - 2)
                                                                        : name;
}

/// Where a command comes in a conversation; those of a message have the higher numbers.
std::size_t place_of(Command command) noexcept {
    constexpr std::string_view order = "CHMRTNBE";
    return order.find(static_cast<char>(command));
}

/// In its usual form; empty: it is none.
std::string usual_form(int family, const std::string& text) {
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    std::array<char, INET6_ADDRSTRLEN> usual{};
    return ::inet_pton(family, text.c_str(), bytes.data()) == 1 &&
                   ::inet_ntop(family, bytes.data(), usual.data(), usual.size()) != nullptr
               ? std::string(usual.data())
               : std::string();
}

/// MTAs want LF in folds and never CR.
std::string body_for_mta(const std::string& body, bool leading_space) {
    auto value = mail::to_lf(body);
    std::erase(value, '\r');
    if (!leading_space && value.starts_with(' ')) {
        value.erase(0, 1); // the MTA puts one
    }
    return value;
}

bool write_edit(std::string& out, char letter, const std::string& data) {
    write_packet(out, letter, data);
    return data.size() <= chunk_octets_max;
}

} // namespace

std::span<char> PacketReader::room() {
    buffer_.erase(0, begin_);
    end_ -= begin_;
    begin_ = 0;
    if (buffer_.size() < end_ + room_octets) {
        buffer_.resize(end_ + room_octets);
    }
    return std::span(buffer_).subspan(end_);
}

std::optional<Packet> PacketReader::next() {
    const auto rest = std::string_view(buffer_).substr(begin_, end_ - begin_);
    if (rest.size() < length_octets) {
        return std::nullopt;
    }
    const std::size_t length = number_at(rest, 0);
    if (length == 0 || length > packet_octets_max) {
        fail("the MTA sends what is no milter protocol");
    }
    if (rest.size() - length_octets < length) {
        return std::nullopt;
    }
    begin_ += length_octets + length;
    return Packet{static_cast<Command>(rest[length_octets]), rest.substr(length_octets + 1, length - 1)};
}

Negotiation read_negotiation(std::string_view data) {
    constexpr std::size_t octets = 12; // what follows is of later versions
    if (data.size() < octets) {
        fail("the MTA's offer is incomplete");
    }
    return {number_at(data, 0), number_at(data, 4), number_at(data, 8)};
}

Client read_client(std::string_view data) {
    const auto end = data.find('\0');
    if (end == std::string_view::npos || end + 1 >= data.size()) {
        fail("the MTA does not say who has connected");
    }
    Client client{std::string(data.substr(0, end)), {}};
    const char family = data[end + 1];
    const auto rest = data.substr(end + 2);
    constexpr std::size_t port_octets = 2;
    if ((family != '4' && family != '6') || rest.size() < port_octets) {
        return client;
    }
    auto text = std::string(rest.substr(port_octets, rest.substr(port_octets).find('\0')));
    constexpr std::string_view ipv6 = "IPv6:"; // Sendmail puts it before what RFC 5321 §4.1.3 calls a literal
    if (text.starts_with(ipv6)) {
        text.erase(0, ipv6.size());
    }
    client.address = usual_form(family == '4' ? AF_INET : AF_INET6, text);
    return client;
}

std::vector<std::string> read_texts(std::string_view data) {
    std::vector<std::string> texts;
    while (!data.empty()) {
        const auto end = data.find('\0');
        if (end == std::string_view::npos) {
            fail("the MTA sends a text without an end");
        }
        texts.emplace_back(data.substr(0, end));
        data.remove_prefix(end + 1);
    }
    return texts;
}

NameAndValue read_header_field(std::string_view data) {
    auto texts = read_texts(data);
    constexpr std::size_t name_and_value = 2;
    if (texts.size() < name_and_value) {
        fail("the MTA sends half a header field");
    }
    return {std::move(texts[0]), std::move(texts[1])};
}

void Macros::take(std::string_view data) {
    if (data.empty()) {
        fail("the MTA sends macros for nothing");
    }
    const auto command = static_cast<Command>(data.front());
    if (place_of(command) == std::string_view::npos) {
        return; // of a later version
    }
    auto texts = read_texts(data.substr(1));
    std::erase_if(stages_, [&](const Stage& stage) { return stage.command == command; });
    Stage stage{command, {}};
    for (std::size_t i = 0; i + 1 < texts.size(); i += 2) {
        stage.values.emplace_back(std::string(without_braces(texts[i])), std::move(texts[i + 1]));
    }
    const auto later = std::find_if(stages_.begin(), stages_.end(), [&](const Stage& other) {
        return place_of(other.command) > place_of(command);
    });
    stages_.insert(later, std::move(stage));
}

void Macros::end_message() {
    std::erase_if(stages_,
                  [](const Stage& stage) { return place_of(stage.command) >= place_of(Command::mail); });
}

std::string_view Macros::get(std::string_view name) const noexcept {
    for (auto stage = stages_.rbegin(); stage != stages_.rend(); ++stage) {
        for (const auto& [known, value] : stage->values) {
            if (known == name) {
                return value;
            }
        }
    }
    return {};
}

void write_negotiation(std::string& out, const Negotiation& agreed,
                       std::span<const std::pair<Command, std::string_view>> macros) {
    std::string data;
    append_number(data, agreed.version);
    append_number(data, agreed.actions);
    append_number(data, agreed.steps);
    for (const auto& [command, names] : macros) {
        // SMFIM_…: the numbers of the stages for which macros can be chosen.
        constexpr std::string_view order = "CHMRTEN";
        append_number(data, order.find(static_cast<char>(command)));
        append_text(data, names);
    }
    write_packet(out, static_cast<char>(Command::negotiate), data);
}

void write_continue(std::string& out) {
    write_packet(out, reply_continue, {});
}

void write_discard(std::string& out) {
    write_packet(out, reply_discard, {});
}

void write_progress(std::string& out) {
    write_packet(out, reply_progress, {});
}

namespace {

/// MTAs take one of two percent signs away, as libmilter's smfi_setreply() wants them; Sendmail would take a
/// single one for a format.
std::string with_percent_signs_doubled(std::string_view text) {
    std::string doubled;
    for (const char c : text) {
        doubled.append(c == '%' ? 2 : 1, c);
    }
    return doubled;
}

} // namespace

void write_reply(std::string& out, const Reply& reply) {
    std::string text;
    const auto lines = reply_lines(reply.text);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const bool is_last = i + 1 == lines.size();
        text += reply.code + (is_last ? ' ' : '-') + reply.enhanced_code + ' ' +
                with_percent_signs_doubled(lines[i]) + (is_last ? "" : "\r\n");
    }
    text += '\0';
    write_packet(out, reply_text, text);
}

bool write_edits(std::string& out, const mail::HeaderEdits& edits, bool leading_space) {
    for (const auto& change : edits.changes) {
        std::string data;
        append_number(data, change.occurrence);
        append_text(data, change.name);
        append_text(data, change.body ? body_for_mta(*change.body, leading_space) : std::string());
        if (!write_edit(out, edit_change, data)) {
            return false;
        }
    }
    for (const auto& field : edits.appended) {
        std::string data;
        append_text(data, field.name);
        append_text(data, body_for_mta(field.body, leading_space));
        if (!write_edit(out, edit_add, data)) {
            return false;
        }
    }
    return true;
}

void write_body_piece(std::string& out, std::string_view piece) {
    write_packet(out, edit_body, piece);
}

} // namespace lockbox::milter::protocol
