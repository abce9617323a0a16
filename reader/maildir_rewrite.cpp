#include "reader/maildir_rewrite.hpp"

#include "base/error.hpp"
#include "reader/in_order.hpp"
#include "reader/maildir.hpp"
#include "reader/maildir_target.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

namespace lockbox::reader {
namespace {

namespace fs = std::filesystem;

class Nowhere : public MaildirTarget {
public:
    void enter(MaildirFolder& /*folder*/, const fs::path& /*relative*/) override {}
    std::optional<std::string> note_of(const fs::path& /*relative*/, const MaildirPlace& /*place*/) override {
        return std::nullopt;
    }
    bool put(const MaildirResult& /*result*/) override { return true; }
    void finish() override {}
};

/// Reads the messages of all folders in order.
class Reading {
public:
    Reading(const fs::path& root, const MaildirRun& run, MaildirTarget& target)
        : root_(root), run_(run), target_(target), folders_(find_maildirs(root)) {
        if (folders_.empty()) {
            throw Error(ErrorKind::no_input, fmt::format("there is no Maildir in {}", root.string()),
                        "a Maildir has the directories cur, new and tmp");
        }
        std::size_t count = 0;
        for (const auto& folder : folders_) {
            listings_.push_back(list_maildir(folder.empty() ? root_ : root_ / folder));
            count += listings_.back().messages.size();
        }
        if (run_.found) {
            run_.found(count);
        }
    }

    std::optional<MaildirTask> next() {
        while (folder_at_ < folders_.size()) {
            const auto& relative = folders_[folder_at_];
            const auto& listing = listings_[folder_at_];
            if (!folder_) {
                enter(relative, listing);
            }
            while (message_at_ < listing.messages.size()) {
                const auto& name = listing.messages[message_at_++];
                if (const auto note = target_.note_of(relative, MaildirPlace::parse(name))) {
                    if (run_.done_before) {
                        run_.done_before(*note);
                    }
                    continue;
                }
                MaildirTask task;
                task.folder = folder_;
                task.relative = relative;
                task.place = MaildirPlace::parse(name);
                task.message.name = (relative / name).string();
                if (read(task)) {
                    return task;
                }
                warn(task.message.name, "it is not there any more");
            }
            folder_.reset();
            message_at_ = 0;
            ++folder_at_;
        }
        return std::nullopt;
    }

    void warn(const std::string& name, const std::string& sentence) const {
        if (run_.warn) {
            run_.warn(name, sentence);
        }
    }

private:
    void enter(const fs::path& relative, const MaildirListing& listing) {
        folder_ = std::make_shared<MaildirFolder>(relative.empty() ? root_ : root_ / relative);
        target_.enter(*folder_, relative);
        for (const auto& stranger : listing.strangers) {
            warn((relative / stranger).string(), "it is not a regular file: left alone");
        }
    }

    /// False: it is not there any more.
    static bool read(MaildirTask& task) {
        const auto unique = unique_part(task.place.name);
        for (int renames = 0; renames < renames_followed_max; ++renames) {
            const auto file = open(task);
            if (file) {
                read(task, file.get());
                return true;
            }
            if (errno != ENOENT) {
                task.message.refusal = fmt::format("it cannot be read: {}", reason_of(errno));
                return true;
            }
            auto place = task.folder->find(unique);
            if (!place) {
                return false;
            }
            task.place = std::move(*place);
        }
        return false;
    }

    /// Reading leaves no trace where the file is the reader's own.
    static Descriptor open(const MaildirTask& task) {
        constexpr int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
        const int directory = task.folder->directory(task.place);
        Descriptor file(::openat(directory, task.place.name.c_str(), flags | O_NOATIME));
        return file || errno != EPERM ? std::move(file)
                                      : Descriptor(::openat(directory, task.place.name.c_str(), flags));
    }

    static void read(MaildirTask& task, int fd) {
        if (::fstat(fd, &task.status) != 0 || !S_ISREG(task.status.st_mode)) {
            task.message.refusal = "it cannot be read: it is not a regular file";
            return;
        }
        const auto size = static_cast<std::size_t>(task.status.st_size);
        if (size > mailbox_message_octets_max) {
            task.message.refusal = fmt::format("it is larger than {} octets", mailbox_message_octets_max);
            return;
        }
        auto& bytes = task.message.bytes;
        bytes.resize(size);
        std::size_t count = 0;
        while (count < size) {
            const auto more = read_some(fd, bytes.data() + count, size - count, task.message.name);
            if (more == 0) {
                break;
            }
            count += more;
        }
        bytes.resize(count);
    }

    fs::path root_;
    const MaildirRun& run_;
    MaildirTarget& target_;
    std::vector<fs::path> folders_;
    std::vector<MaildirListing> listings_;
    std::shared_ptr<MaildirFolder> folder_;
    std::size_t folder_at_ = 0;
    std::size_t message_at_ = 0;
};

void rewrite(const fs::path& root, const MaildirRun& run, MaildirTarget& target) {
    Reading reading(root, run, target);
    std::vector<InOrder<MaildirTask, MaildirResult>::Work> work;
    for (const auto& worker : run.workers) {
        work.push_back([&worker](MaildirTask&& task) {
            auto change = worker(task.message);
            return MaildirResult{std::move(task), std::move(change)};
        });
    }
    target.begin();
    InOrder<MaildirTask, MaildirResult> threads(std::move(work));
    threads.run(
        [&] { return reading.next(); }, [](const MaildirTask& task) { return task.message.bytes.size(); },
        [&](MaildirResult&& result) {
            if (!target.put(result)) {
                reading.warn(result.task.message.name, "it was removed or changed meanwhile: left alone");
            } else if (result.change.done) {
                result.change.done();
            }
        });
    target.finish();
}

} // namespace

void read_maildirs(const fs::path& root, const MaildirRun& run) {
    Nowhere target;
    rewrite(root, run, target);
}

void rewrite_maildirs_in_place(const fs::path& root, const MaildirRun& run) {
    rewrite(root, run, *maildirs_in_place());
}

void rewrite_maildirs_to(const fs::path& root, const fs::path& output, const MaildirRun& run) {
    rewrite(root, run, *new_maildirs(root, output));
}

} // namespace lockbox::reader
