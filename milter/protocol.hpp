// The milter protocol as Postfix and Sendmail speak it, version 2 to 6: packets in both directions, and what
// is in them. There is no RFC: Sendmail's include/libmilter/mfdef.h has the letters and numbers, its
// libmilter and Postfix's src/milter/milter8.c what they mean.
#pragma once

#include "mail/header.hpp"
#include "mail/header_edits.hpp"
#include "milter/verdict.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockbox::milter::protocol {

constexpr std::uint32_t version_min = 2;
constexpr std::uint32_t version_max = 6;

/// What the MTA asks for.
enum class Command : char {
    negotiate = 'O',
    macros = 'D', ///< for the command that follows it
    connect = 'C',
    hello = 'H',
    mail = 'M',
    recipient = 'R',
    data = 'T',
    header_field = 'L',
    end_of_header = 'N',
    body = 'B',
    end_of_message = 'E',  ///< may bring the last piece of the body
    unknown = 'U',         ///< an SMTP command that the MTA does not know
    abort = 'A',           ///< this message ends without a verdict; there may be others
    next_connection = 'K', ///< this SMTP session ends, another one comes on the same connection
    quit = 'Q',
};

/// What a milter does to a message (SMFIF_…), as it is negotiated.
namespace action {
constexpr std::uint32_t add_headers = 0x01;
constexpr std::uint32_t change_body = 0x02;
constexpr std::uint32_t change_headers = 0x10;
constexpr std::uint32_t choose_macros = 0x100;
} // namespace action

/// Steps that are left out, or have no reply, and other manners (SMFIP_…).
namespace step {
constexpr std::uint32_t no_end_of_header = 0x40;
constexpr std::uint32_t no_reply_to_header = 0x80;
constexpr std::uint32_t no_data = 0x200;
constexpr std::uint32_t no_reply_to_recipient = 0x8000;
constexpr std::uint32_t no_reply_to_body = 0x80000;
constexpr std::uint32_t leading_space =
    0x100000; ///< header values come and go with their leading white space
} // namespace step

/// Of one packet from the MTA. MTAs keep to 65,535 octets of data; more is not what they agreed to.
constexpr std::size_t packet_octets_max = 1U << 20U;
/// Of one packet to the MTA (MILTER_CHUNK_SIZE).
constexpr std::size_t chunk_octets_max = 65'535;

struct Packet {
    Command command; ///< may be a letter that has no name here
    std::string_view data;
};

/// Bytes in, packets out.
class PacketReader {
public:
    /// Where the next bytes go: at least 64 KiB. What next() gave is gone then.
    [[nodiscard]] std::span<char> room();
    /// As many have come there.
    void came(std::size_t octets) noexcept { end_ += octets; }
    /// The next whole packet, valid until room(); nullopt: there is none yet. Throws Error(malformed) for one
    /// that is empty or longer than packet_octets_max; nothing can be read afterwards.
    [[nodiscard]] std::optional<Packet> next();

private:
    std::string buffer_;
    std::size_t begin_ = 0; ///< of what was not read yet
    std::size_t end_ = 0;
};

/// What both sides can do, or will.
struct Negotiation {
    std::uint32_t version = 0;
    std::uint32_t actions = 0;
    std::uint32_t steps = 0;
    bool operator==(const Negotiation&) const = default;
};
/// Throws Error(malformed).
[[nodiscard]] Negotiation read_negotiation(std::string_view data);

/// Who has connected to the MTA.
struct Client {
    std::string name;
    std::string address; ///< IPv4 or IPv6 in its usual form; empty: neither
    bool operator==(const Client&) const = default;
};
/// Throws Error(malformed).
[[nodiscard]] Client read_client(std::string_view data);

/// Texts that each end with NUL. Throws Error(malformed) where the last one does not.
[[nodiscard]] std::vector<std::string> read_texts(std::string_view data);

/// A header field as the MTA shows it: what stands before the colon and behind it.
struct NameAndValue {
    std::string name;
    std::string value;

    bool operator==(const NameAndValue&) const = default;
};
/// Throws Error(malformed).
[[nodiscard]] NameAndValue read_header_field(std::string_view data);

/// Macros by the command that they came for, of which a later one of a message counts before an earlier one.
class Macros {
public:
    /// The data of Command::macros; replaces what was known for that command. Throws Error(malformed).
    void take(std::string_view data);
    /// Forgets what belongs to a message.
    void end_message();
    /// Of a name without braces; empty: not known.
    [[nodiscard]] std::string_view get(std::string_view name) const noexcept;

private:
    struct Stage {
        Command command;
        std::vector<std::pair<std::string, std::string>> values; ///< by names without braces
    };
    std::vector<Stage> stages_; ///< in the order of the commands
};

// Packets to the MTA: each is appended to `out`.

/// `macros`: commands with the macros that are wanted for them; empty where the MTA does not take wishes.
void write_negotiation(std::string& out, const Negotiation& agreed,
                       std::span<const std::pair<Command, std::string_view>> macros);
void write_continue(std::string& out);
void write_discard(std::string& out);
/// The verdict is still to come.
void write_progress(std::string& out);
/// A refusal, for now or for good, in the words of reply_lines().
void write_reply(std::string& out, const Reply& reply);
/// False: a field is longer than the MTA takes; `out` is then of no use.
[[nodiscard]] bool write_edits(std::string& out, const mail::HeaderEdits& edits, bool leading_space);
/// One piece of the new body; the pieces follow each other without any other packet between them (Postfix:
/// "body replacement requests can't currently be mixed with other requests").
void write_body_piece(std::string& out, std::string_view piece);

} // namespace lockbox::milter::protocol
