// What is to become of each message of a mailbox, whatever the mailbox is kept in.
#pragma once

#include "base/secret.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace lockbox::reader {

/// The largest message that is opened: it is in memory, sealed and open, once for each of the --jobs. Mail
/// servers take 10 to 150 MB. A larger one stays as it is.
constexpr std::size_t mailbox_message_octets_max = 256U << 20U;

/// A message of a mailbox.
struct StoredMessage {
    std::string name;    ///< for a person: "archive:7", "cur/1700000000.M1P2.host:2,S"
    std::string bytes;   ///< as it was before the mailbox's own quoting
    std::string refusal; ///< why it cannot be read, `bytes` being empty then; empty: it can
};

struct Change {
    /// What takes its place; null: it stays as it is, to the octet.
    std::shared_ptr<const Secret> message;
    /// A word that is kept with a message in the record of an unfinished output, and given back when a later
    /// run goes on with it. Letters and "-" only.
    std::string note;
    /// Called in the order of the mailbox, on the thread that started the run, when the message has been
    /// dealt with.
    std::function<void()> done;
};

/// Judges messages on a thread of its own.
using Worker = std::function<Change(const StoredMessage&)>;

} // namespace lockbox::reader
