#include "base/error.hpp"
#include "reader/maildir.hpp"
#include "reader/maildir_rewrite.hpp"
#include "reader/maildir_target.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>

namespace lockbox::reader {
namespace {

namespace fs = std::filesystem;

constexpr mode_t directory_mode = 0700;

/// New Maildirs below a new directory.
class NewMaildirs : public MaildirTarget {
public:
    NewMaildirs(fs::path root, fs::path output) : root_(std::move(root)), output_(std::move(output)) {}

    void begin() override {
        check_apart();
        if (::mkdir(output_.c_str(), directory_mode) != 0 && errno != EEXIST) { // EEXIST: the record decides
            throw Error(ErrorKind::io, fmt::format("cannot make {}: {}", output_.string(), reason_of(errno)));
        }
        open_record();
    }

    void enter(MaildirFolder& folder, const fs::path& relative) override {
        const auto path = relative.empty() ? output_ : output_ / relative;
        for (const char* name : {"cur", "new", "tmp"}) {
            make_directories(path / name);
        }
        for (const char* name : {"maildirfolder", "dovecot-keywords", "subscriptions"}) {
            copy_beside(folder.path() / name, path / name);
        }
        MaildirFolder(path).take();
        auto& there = there_[relative];
        for (const auto& message : list_maildir(path).messages) {
            auto place = MaildirPlace::parse(message);
            auto unique = unique_part(place.name);
            there.insert_or_assign(std::move(unique), std::move(place));
        }
    }

    std::optional<std::string> note_of(const fs::path& relative, const MaildirPlace& place) override {
        const auto unique = unique_part(place.name);
        const auto noted = notes_.find(key_of(relative, unique));
        const bool is_there = there_[relative].count(unique) != 0;
        return noted != notes_.end() && is_there ? std::optional(noted->second) : std::nullopt;
    }

    bool put(const MaildirResult& result) override {
        const auto& task = result.task;
        auto& folder = folder_of(task.relative);
        auto place = task.place;
        const auto unique = unique_part(place.name);
        auto& there = there_[task.relative];
        if (const auto half = there.find(unique); half != there.end()) {
            // An earlier run was killed between the message and its line in the record.
            (void)::unlinkat(folder.directory(half->second), half->second.name.c_str(), 0);
            there.erase(half);
        }
        std::string_view bytes = task.message.bytes;
        if (result.change.message) {
            bytes = result.change.message->expose();
            place.name = with_sizes(place.name, sizes_of(bytes));
        } else if (!task.message.refusal.empty()) {
            copy_unread(task, folder);
            record(task.relative, unique, result.change.note);
            return true;
        }
        TemporaryMessage temporary(folder, bytes, task.status, false);
        move(folder, temporary, place);
        record(task.relative, unique, result.change.note);
        return true;
    }

    void finish() override {
        folder_.reset();
        if (::fsync(directory_.get()) != 0 || ::unlinkat(directory_.get(), unfinished_record, 0) != 0) {
            throw Error(ErrorKind::io,
                        fmt::format("cannot write {}: {}", output_.string(), reason_of(errno)));
        }
        (void)::fsync(directory_.get());
    }

private:
    void check_apart() const {
        std::error_code error;
        const auto from = fs::canonical(root_, error);
        const auto to = fs::weakly_canonical(fs::absolute(output_, error), error);
        const auto contains = [](const fs::path& outer, const fs::path& inner) {
            return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
        };
        if (contains(from, to) || contains(to, from)) {
            throw Error(ErrorKind::usage,
                        fmt::format("the output {} and {} are one inside of the other", output_.string(),
                                    root_.string()),
                        "give --output a directory beside it, or open it --in-place");
        }
    }

    void open_record() {
        const auto path = output_ / unfinished_record;
        directory_ = open_directory(output_);
        const auto names = names_in(directory_.get(), output_);
        const bool is_empty = names.size() == 2; // "." and ".."
        const bool has_record = std::find(names.begin(), names.end(), unfinished_record) != names.end();
        if (!is_empty && !has_record) {
            throw Error(ErrorKind::io, fmt::format("cannot write {}: it exists already", output_.string()),
                        "give --output another name, or remove it first");
        }
        record_ = Descriptor(::openat(directory_.get(), unfinished_record,
                                      O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!record_) {
            throw Error(ErrorKind::io, fmt::format("cannot write {}: {}", path.string(), reason_of(errno)));
        }
        if (::flock(record_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            throw Error(ErrorKind::busy, fmt::format("another lockbox writes {}", output_.string()),
                        "try again when it has ended");
        }
        read_record();
    }

    /// The first line names the mailbox that is opened, each other one a message and its note.
    void read_record() {
        const auto path = (output_ / unfinished_record).string();
        const auto head = fmt::format("lockbox decrypt 1\t{}\n", fs::canonical(root_).string());
        std::string bytes;
        std::array<char, 1U << 16U> buffer{};
        while (const auto count = read_some(record_.get(), buffer.data(), buffer.size(), path)) {
            bytes.append(buffer.data(), count);
        }
        const bool has_begun = bytes.find('\n') != std::string::npos;
        if (has_begun && !bytes.starts_with(head)) {
            throw Error(ErrorKind::io,
                        fmt::format("cannot write {}: it is the unfinished output of another mailbox",
                                    output_.string()),
                        fmt::format("{} names it; give --output another name", path));
        }
        // A line without an end was being written when the run was killed.
        bytes.resize(has_begun ? bytes.rfind('\n') + 1 : 0);
        if (::ftruncate(record_.get(), static_cast<off_t>(bytes.size())) != 0) {
            throw Error(ErrorKind::io, fmt::format("cannot write {}: {}", path, reason_of(errno)));
        }
        if (!has_begun) {
            write_all(record_.get(), head, path);
            (void)::fsync(record_.get());
            return;
        }
        std::string_view rest = std::string_view(bytes).substr(head.size());
        while (!rest.empty()) {
            const auto line = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(line.size() + 1);
            if (const auto tab = line.find('\t'); tab != std::string_view::npos) {
                notes_.insert_or_assign(std::string(line.substr(tab + 1)), std::string(line.substr(0, tab)));
            }
        }
    }

    static std::string key_of(const fs::path& relative, const std::string& unique) {
        return (relative / unique).string();
    }

    void record(const fs::path& relative, const std::string& unique, const std::string& note) {
        const auto key = key_of(relative, unique);
        if (key.find('\n') == std::string::npos) { // else it is done again, should there be another run
            write_all(record_.get(), fmt::format("{}\t{}\n", note, key),
                      (output_ / unfinished_record).string());
        }
    }

    static void make_directories(const fs::path& path) {
        std::error_code error;
        fs::create_directories(path, error);
        if (error) {
            throw Error(ErrorKind::io, fmt::format("cannot make {}: {}", path.string(), error.message()));
        }
    }

    /// What else flags and folders are known by. Not the lists of UIDs: these are new messages.
    static void copy_beside(const fs::path& from, const fs::path& to) {
        std::error_code error;
        if (fs::symlink_status(from, error).type() != fs::file_type::regular) {
            return;
        }
        fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
        if (error) {
            throw Error(ErrorKind::io, fmt::format("cannot write {}: {}", to.string(), error.message()));
        }
    }

    MaildirFolder& folder_of(const fs::path& relative) {
        if (folder_relative_ != relative || !folder_) {
            folder_ = std::make_unique<MaildirFolder>(relative.empty() ? output_ : output_ / relative);
            folder_relative_ = relative;
        }
        return *folder_;
    }

    static void move(MaildirFolder& folder, TemporaryMessage& temporary, const MaildirPlace& place) {
        if (!rename_to_free_name(folder.tmp(), temporary.name(), folder.directory(place), place.name)) {
            throw Error(ErrorKind::io,
                        fmt::format("cannot write {}: {}", folder.path_of(place), reason_of(errno)));
        }
        temporary.was_moved();
        folder.note_change();
    }

    /// One that is too large to be opened, in pieces.
    static void copy_unread(const MaildirTask& task, MaildirFolder& folder) {
        const Descriptor from(::openat(task.folder->directory(task.place), task.place.name.c_str(),
                                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (!from || !S_ISREG(task.status.st_mode)) {
            return; // the refusal has been told; there is nothing to copy
        }
        TemporaryMessage temporary(folder, {}, task.status, false);
        {
            const Descriptor to(::openat(folder.tmp(), temporary.name(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
            const auto name = folder.path_of(task.place);
            std::string buffer(1U << 18U, '\0');
            while (const auto count = read_some(from.get(), buffer.data(), buffer.size(), name)) {
                write_all(to.get(), std::string_view(buffer).substr(0, count), name);
            }
            const std::array<timespec, 2> times{task.status.st_atim, task.status.st_mtim};
            if (::futimens(to.get(), times.data()) != 0 || ::fsync(to.get()) != 0) {
                throw Error(ErrorKind::io, fmt::format("cannot write {}: {}", name, reason_of(errno)));
            }
        }
        move(folder, temporary, task.place);
    }

    fs::path root_;
    fs::path output_;
    Descriptor directory_;
    Descriptor record_;
    std::map<std::string, std::string> notes_; ///< by folder and unique part
    /// By folder and unique part: what an earlier run has written.
    std::map<fs::path, std::map<std::string, MaildirPlace>> there_;
    std::unique_ptr<MaildirFolder> folder_;
    fs::path folder_relative_;
};

} // namespace

std::unique_ptr<MaildirTarget> new_maildirs(fs::path root, fs::path output) {
    return std::make_unique<NewMaildirs>(std::move(root), std::move(output));
}

} // namespace lockbox::reader
