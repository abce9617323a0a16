// Opening the messages of Maildirs: in their own places, or into new Maildirs.
#pragma once

#include "reader/change.hpp"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace lockbox::reader {

/// In a new Maildir until it is complete: which run it is of, and what became of each message so far.
constexpr const char* unfinished_record = ".lockbox-unfinished";

/// What is done with the messages of all Maildirs below a directory and who is told. They are called by their
/// paths from there: ".Sent/cur/1700000000.M1P2.host:2,S".
struct MaildirRun {
    std::vector<Worker> workers; ///< one thread each; not empty
    /// Called once, before the first message is opened.
    std::function<void(std::size_t messages)> found;
    /// About what is no message, or is none any more. `sentence` says what was done.
    std::function<void(const std::string& name, const std::string& sentence)> warn;
    /// A message that an earlier run has dealt with, by the note of its Change.
    std::function<void(const std::string& note)> done_before;
};

// Each throws Error(no_input) where there is no Maildir, Error(io) where the disk is full or broken, and what
// workers throw. Then, and where the process is killed, each message is what it was or what it was to become;
// the next run does the rest.

/// Changes nothing.
void read_maildirs(const std::filesystem::path& root, const MaildirRun& run);

/// Puts each changed message where it was: under the same name but for the sizes in it, with the mode, owner
/// and times of the old file. A message that got other flags meanwhile is followed; one that was removed
/// stays so. Files that a killed run left in tmp are removed. Throws Error(busy) where another lockbox works
/// there.
void rewrite_maildirs_in_place(const std::filesystem::path& root, const MaildirRun& run);

/// Makes `output`, which must not exist or be empty, with the same folders and the same messages, changed or
/// not, under the same names. An unfinished output has a record in it (unfinished_record): a run with the
/// same `root` goes on there with what is missing. Throws Error(io) where `output` is something else,
/// Error(busy) where another lockbox writes it, and Error(usage) where one of both is inside of the other.
void rewrite_maildirs_to(const std::filesystem::path& root, const std::filesystem::path& output,
                         const MaildirRun& run);

} // namespace lockbox::reader
