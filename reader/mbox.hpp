// The mbox format (RFC 4155): messages behind each other, each below a line that begins with "From ".
#pragma once

#include "reader/change.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace lockbox::reader {

/// Fills a buffer; 0 octets: the end. Throws Error(io).
using ByteSource = std::function<std::size_t(char* buffer, std::size_t size)>;
/// Takes bytes. Throws Error(io).
using ByteSink = std::function<void(std::string_view bytes)>;

/// How an mbox begins, and each message in it.
constexpr std::string_view mbox_separator = "From ";

/// A message as it stands in the file: `separator`, `quoted` and `end` behind each other are its octets.
struct MboxMessage {
    std::string separator; ///< the "From " line with its line end
    std::string quoted;    ///< the message, lines that begin with "From " behind a ">"
    std::string end;       ///< the empty line below it; empty where the file has none
    /// It is longer than the limit, and this is not the end of it: the rest follows in further ones without a
    /// separator.
    bool is_continued = false;
    [[nodiscard]] bool is_rest() const noexcept { return separator.empty(); }
};

/// Cuts an mbox at each "From " line with an empty line above it. Content-Length (of the variants mboxcl and
/// mboxcl2) is ignored: it is wrong as soon as some program has edited the file, and a message of mboxcl2
/// that is cut at a line of its own text is written again just as it was.
class MboxReader {
public:
    /// `name` stands for it in error texts.
    MboxReader(ByteSource source, std::string name,
               std::size_t message_octets_max = mailbox_message_octets_max);

    /// nullopt: the end. Throws Error(malformed) where the file does not begin with "From ".
    [[nodiscard]] std::optional<MboxMessage> next();
    /// All that was read from the source.
    [[nodiscard]] std::size_t octets_read() const noexcept { return octets_read_; }

private:
    void begin();
    bool fill();
    [[nodiscard]] std::string read_separator();
    [[nodiscard]] MboxMessage read_message(std::string separator, std::size_t octets_max);

    ByteSource source_;
    std::string name_;
    std::size_t message_octets_max_;
    std::string buffer_;
    std::size_t at_ = 0; ///< what is before it was given away
    std::size_t octets_read_ = 0;
    bool is_at_end_ = false;
    bool has_begun_ = false;
    bool is_within_message_ = false;
};

/// The message without the quoting of mboxrd: one ">" less before "From ". The same is right for mboxo, but
/// for a line that its sender began with ">From ", which mboxo does not tell from a quoted one. With it back
/// in its old state a signature over the message can be verified.
[[nodiscard]] std::string unquote_mbox(std::string_view quoted);

/// Writes a message to be kept below a separator: quoted as mboxrd, with a line end behind its last line, and
/// without the fields Content-Length and Lines, which other programs would find the next message by.
void write_mbox_message(std::string_view message, std::string_view line_end, const ByteSink& sink);

} // namespace lockbox::reader
