// Where the messages of Maildirs go that were opened.
#pragma once

#include "reader/change.hpp"
#include "reader/maildir_folder.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace lockbox::reader {

/// A message that was read.
struct MaildirTask {
    std::shared_ptr<MaildirFolder> folder;
    std::filesystem::path relative; ///< the folder's
    MaildirPlace place;
    struct stat status {};
    StoredMessage message;
};

struct MaildirResult {
    MaildirTask task;
    Change change;
};

/// Where results go. Everything is called on one thread, in order.
class MaildirTarget {
public:
    MaildirTarget() = default;
    virtual ~MaildirTarget() = default;
    MaildirTarget(const MaildirTarget&) = delete;
    MaildirTarget& operator=(const MaildirTarget&) = delete;
    /// Before everything else.
    virtual void begin() {}
    /// Before the first message of a folder.
    virtual void enter(MaildirFolder& folder, const std::filesystem::path& relative) = 0;
    /// The note of a message that needs nothing any more.
    virtual std::optional<std::string> note_of(const std::filesystem::path& relative,
                                               const MaildirPlace& place) = 0;
    /// False: it was removed meanwhile, or replaced.
    virtual bool put(const MaildirResult& result) = 0;
    virtual void finish() = 0;
};

/// Each in its own place: see rewrite_maildirs_in_place().
[[nodiscard]] std::unique_ptr<MaildirTarget> maildirs_in_place();

/// New Maildirs in `output`: see rewrite_maildirs_to().
[[nodiscard]] std::unique_ptr<MaildirTarget> new_maildirs(std::filesystem::path root,
                                                          std::filesystem::path output);

} // namespace lockbox::reader
