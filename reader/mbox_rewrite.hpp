// Opening the messages of an mbox: into a stream, a new file, or its own place.
#pragma once

#include "reader/change.hpp"
#include "reader/mbox.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace lockbox::reader {

/// What is done with the messages of an mbox and who is told. They are called "NAME:1", "NAME:2", ….
struct MboxRun {
    std::string name;
    std::vector<Worker> workers; ///< one thread each; not empty
    /// Called now and then with the octets of the file that were dealt with; may be empty.
    std::function<void(std::size_t octets)> progress;
};

/// The bytes of an open file from where it stands.
[[nodiscard]] ByteSource bytes_of(int fd, std::string name);

/// Writes each message to `sink` as it is or as it was changed, everything else to the octet; reads and
/// writes as it goes. Returns how many were changed. Throws what source, sink and workers throw.
std::size_t rewrite_mbox(const ByteSource& source, const ByteSink& sink, const MboxRun& run);

/// The same to a new file of mode 0600, which gets its name when it is complete: there is no half of it to go
/// on with, and what a killed run left beside it (".NAME.lockbox") is overwritten. Throws Error(io) where
/// `output` exists, and Error(busy) where another run writes it.
void rewrite_mbox_to(const ByteSource& source, const std::filesystem::path& output, const MboxRun& run);

/// Replaces the file as a whole when all messages were dealt with, under its locks (reader/mbox_lock.hpp),
/// with its mode, owner and times. A run that was killed has changed nothing and is done again from the
/// start. What a program that knows no locks appends meanwhile is kept; where one changes the file otherwise,
/// Error(busy) is thrown and the file is left alone. It is not written at all where no message was changed.
void rewrite_mbox_in_place(const std::filesystem::path& path, const MboxRun& run);

} // namespace lockbox::reader
