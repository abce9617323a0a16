// What is in a mailbox, for `lockbox read`: a list, or one message of it.
#pragma once

#include "cli/mailbox.hpp"
#include "cli/output.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace lockbox::cli {

/// A mailbox that is read and left as it is.
struct Mailbox {
    PathKind kind = PathKind::mbox; ///< mbox or maildir
    std::string path;               ///< "-": standard input, an mbox
    std::string beginning;          ///< of standard input, what was read of it already
};

/// "1" and more. Throws Error(usage).
[[nodiscard]] std::size_t parse_message_number(std::string_view text);

/// The message of that number: in an mbox as they stand, in Maildirs as lists have them, folder by folder and
/// in each in the order of delivery. Throws Error(no_input) that says how many there are, and
/// Error(too_large) for a message beyond reader::mailbox_message_octets_max.
[[nodiscard]] std::string message_of(const Invocation& invocation, const Mailbox& mailbox,
                                     std::size_t number);

/// One line for each message: number, date, how it is sealed or signed, From, Subject, cut to the width of
/// the terminal, or to 80 columns. Nothing is opened for it, so the Subject of a sealed message is the one
/// outside.
void list_messages(const Invocation& invocation, const Mailbox& mailbox);
/// The same as JSON, not cut.
[[nodiscard]] Json json_messages(const Invocation& invocation, const Mailbox& mailbox);

} // namespace lockbox::cli
