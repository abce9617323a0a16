#include "reader/maildir_rewrite.hpp"

#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "base/handle.hpp"
#include "reader/in_order.hpp"
#include "reader/maildir.hpp"
#include "reader/same_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace lockbox::reader {
namespace {

namespace fs = std::filesystem;

/// How often a message is looked for under another name, when mail programs change its flags in between.
constexpr int renames_followed_max = 8;
/// How our files in tmp begin.
constexpr std::string_view temporary_prefix = "lockbox.";
constexpr mode_t directory_mode = 0700;

Descriptor open_directory(const fs::path& path) {
    Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory) {
        throw Error(ErrorKind::no_input, fmt::format("cannot read {}: {}", path.string(), reason_of(errno)));
    }
    return directory;
}

/// The names in a directory. Throws Error(io).
std::vector<std::string> names_in(int directory, const fs::path& path) {
    const Handle<DIR, ::closedir> stream(
        ::fdopendir(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
    std::vector<std::string> names;
    errno = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this function's own
    while (const auto* entry = stream ? ::readdir(stream.get()) : nullptr) {
        names.emplace_back(entry->d_name);
    }
    if (errno != 0) {
        throw Error(ErrorKind::io, fmt::format("cannot read {}: {}", path.string(), reason_of(errno)));
    }
    return names;
}

/// A file of a Maildir: "cur" or "new", and its name there.
struct Place {
    bool is_new = false;
    std::string name;

    /// Of "cur/NAME".
    static Place parse(std::string_view path) {
        return {path.starts_with("new/"), std::string(path.substr(path.find('/') + 1))};
    }
    [[nodiscard]] std::string to_string() const { return fmt::format("{}/{}", is_new ? "new" : "cur", name); }
};

/// One Maildir, open: what happens in it happens there although its path is renamed or replaced by a link.
class Folder {
public:
    explicit Folder(fs::path path)
        : path_(std::move(path)), cur_(open_directory(path_ / "cur")), new_(open_directory(path_ / "new")),
          tmp_(open_directory(path_ / "tmp")) {}
    ~Folder() {
        if (is_changed_) { // one fsync() for all renames: until then each is the old or the new message
            (void)::fsync(cur_.get());
            (void)::fsync(new_.get());
        }
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    [[nodiscard]] const fs::path& path() const noexcept { return path_; }
    [[nodiscard]] int tmp() const noexcept { return tmp_.get(); }
    [[nodiscard]] int directory(const Place& place) const noexcept {
        return place.is_new ? new_.get() : cur_.get();
    }
    [[nodiscard]] std::string path_of(const Place& place) const {
        return (path_ / place.to_string()).string();
    }
    void note_change() noexcept { is_changed_ = true; }

    /// Keeps other runs out, and removes what a killed one left. Throws Error(busy).
    void take() {
        if (::flock(tmp_.get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK) {
                throw Error(ErrorKind::busy, fmt::format("another lockbox works in {}", path_.string()),
                            "try again when it has ended");
            }
            return; // no locks on this file system: nobody can tell whose the files in tmp are
        }
        for (const auto& name : names_in(tmp_.get(), path_ / "tmp")) {
            if (name.starts_with(temporary_prefix)) {
                (void)::unlinkat(tmp_.get(), name.c_str(), 0);
            }
        }
    }

    /// Where the message with this unique part is now.
    [[nodiscard]] std::optional<Place> find(const std::string& unique) const {
        // Messages go from new to cur; and one that is renamed while a directory is read may not be seen.
        for (const bool is_new : {true, false, false}) {
            for (auto& name : names_in(is_new ? new_.get() : cur_.get(), path_)) {
                if (!name.starts_with('.') && unique_part(name) == unique) {
                    return Place{is_new, std::move(name)};
                }
            }
        }
        return std::nullopt;
    }

private:
    fs::path path_;
    Descriptor cur_;
    Descriptor new_;
    Descriptor tmp_;
    bool is_changed_ = false;
};

/// A file in tmp, which is removed unless it was moved away.
class TemporaryMessage {
public:
    /// With the mode and the times of `model`, and its owner where that can be. Throws Error(io), also where
    /// the disk is full, and Error(permission) where `keeps_owner` and it cannot be.
    TemporaryMessage(const Folder& folder, std::string_view bytes, const struct stat& model, bool keeps_owner)
        : directory_(folder.tmp()), path_((folder.path() / "tmp").string()),
          name_(fmt::format("{}{}.{}", temporary_prefix, ::getpid(),
                            std::chrono::system_clock::now().time_since_epoch().count())) {
        const Descriptor file(
            ::openat(directory_, name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        check(static_cast<bool>(file));
        try {
            write_all(file.get(), bytes, path_);
            if (keeps_owner) {
                keep_owner(file.get(), model);
            }
            const std::array<timespec, 2> times{model.st_atim, model.st_mtim};
            check(::fchmod(file.get(), model.st_mode & 07777U) == 0 &&
                  ::futimens(file.get(), times.data()) == 0 && ::fsync(file.get()) == 0);
        } catch (...) {
            remove();
            throw;
        }
    }
    ~TemporaryMessage() { remove(); }
    TemporaryMessage(const TemporaryMessage&) = delete;
    TemporaryMessage& operator=(const TemporaryMessage&) = delete;

    [[nodiscard]] const char* name() const noexcept { return name_.c_str(); }
    void was_moved() noexcept { is_here_ = false; }

private:
    void keep_owner(int file, const struct stat& model) const {
        struct stat now {};
        check(::fstat(file, &now) == 0);
        if ((now.st_uid != model.st_uid || now.st_gid != model.st_gid) &&
            ::fchown(file, model.st_uid, model.st_gid) != 0) {
            throw Error(ErrorKind::permission,
                        fmt::format("cannot keep the owner of a message in {}: {}", path_, reason_of(errno)),
                        "--output writes the opened messages to another place");
        }
    }
    void check(bool succeeded) const {
        if (!succeeded) {
            throw Error(ErrorKind::io, fmt::format("cannot write in {}: {}", path_, reason_of(errno)));
        }
    }
    void remove() noexcept {
        if (is_here_) {
            (void)::unlinkat(directory_, name_.c_str(), 0);
            is_here_ = false;
        }
    }

    int directory_;
    std::string path_;
    std::string name_;
    bool is_here_ = true;
};

/// A message that was read.
struct Task {
    std::shared_ptr<Folder> folder;
    fs::path relative; ///< the folder's
    Place place;
    struct stat status {};
    StoredMessage message;
};

struct Result {
    Task task;
    Change change;
};

/// Where results go. Everything is called on one thread, in order.
class Target {
public:
    Target() = default;
    virtual ~Target() = default;
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;
    /// Before everything else.
    virtual void begin() {}
    /// Before the first message of a folder.
    virtual void enter(Folder& folder, const fs::path& relative) = 0;
    /// The note of a message that needs nothing any more.
    virtual std::optional<std::string> note_of(const fs::path& relative, const Place& place) = 0;
    /// False: it was removed meanwhile, or replaced.
    virtual bool put(const Result& result) = 0;
    virtual void finish() = 0;
};

class Nowhere : public Target {
public:
    void enter(Folder& /*folder*/, const fs::path& /*relative*/) override {}
    std::optional<std::string> note_of(const fs::path& /*relative*/, const Place& /*place*/) override {
        return std::nullopt;
    }
    bool put(const Result& /*result*/) override { return true; }
    void finish() override {}
};

/// Renames within a directory unless the new name is taken. errno tells why not.
bool rename_to_free_name(int from, const std::string& name, int to, const std::string& new_name) {
    if (::renameat2(from, name.c_str(), to, new_name.c_str(), RENAME_NOREPLACE) == 0) {
        return true;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return false;
    }
    struct stat taken {}; // file systems that cannot do it in one step: NFS
    if (::fstatat(to, new_name.c_str(), &taken, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return false;
    }
    return ::renameat(from, name.c_str(), to, new_name.c_str()) == 0;
}

class InPlace : public Target {
public:
    void enter(Folder& folder, const fs::path& /*relative*/) override { folder.take(); }
    std::optional<std::string> note_of(const fs::path& /*relative*/, const Place& /*place*/) override {
        return std::nullopt;
    }
    bool put(const Result& result) override {
        return !result.change.message || replace(result.task, result.change.message->expose());
    }
    void finish() override {}

private:
    enum class Swap { done, is_gone, is_another };

    static bool replace(const Task& task, std::string_view bytes) {
        auto& folder = *task.folder;
        TemporaryMessage temporary(folder, bytes, task.status, true);
        const auto unique = unique_part(task.place.name);
        std::optional<Place> place = task.place;
        for (int renames = 0; place && renames < renames_followed_max; ++renames) {
            // A name without sizes is true of the old message and of the new one, so that at no moment, and
            // after no accident, a name tells a wrong size.
            strip_sizes(folder, *place);
            switch (take_place(folder, temporary, *place, task.status)) {
            case Swap::done:
                folder.note_change();
                put_sizes(folder, *place, task.place.name, bytes);
                return true;
            case Swap::is_another:
                return false;
            case Swap::is_gone:
                break;
            }
            place = folder.find(unique);
        }
        return false;
    }

    /// Where it cannot be, the name stays: the swap then finds nothing there or works under the old name.
    static void strip_sizes(Folder& folder, Place& place) {
        const auto directory = folder.directory(place);
        auto stripped = with_sizes(place.name, std::nullopt);
        if (stripped != place.name && rename_to_free_name(directory, place.name, directory, stripped)) {
            place.name = std::move(stripped);
        }
    }

    /// The new message takes the place of the old one in one step that fails where the old one has gone: a
    /// name that a mail program has just given up would otherwise be a second message.
    static Swap take_place(const Folder& folder, TemporaryMessage& temporary, const Place& place,
                           const struct stat& old) {
        const auto directory = folder.directory(place);
        const auto exchange = [&] {
            return ::renameat2(folder.tmp(), temporary.name(), directory, place.name.c_str(),
                               RENAME_EXCHANGE);
        };
        struct stat found {};
        if (exchange() == 0) {
            if (::fstatat(folder.tmp(), temporary.name(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
                is_unchanged(found, old)) {
                return Swap::done; // the old one is removed with the temporary file
            }
            if (exchange() != 0) { // and what came back is somebody's only copy
                (void)rename_to_free_name(folder.tmp(), temporary.name(), directory, place.name);
                temporary.was_moved();
            }
            return Swap::is_another;
        }
        if (errno == ENOENT) {
            return Swap::is_gone;
        }
        if (errno != EINVAL && errno != ENOSYS) {
            throw Error(ErrorKind::io,
                        fmt::format("cannot replace {}: {}", folder.path_of(place), reason_of(errno)));
        }
        // NFS and old file systems have no such step. What is left is a moment between these two calls.
        if (::fstatat(directory, place.name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
            return Swap::is_gone;
        }
        if (!is_unchanged(found, old)) {
            return Swap::is_another;
        }
        if (::renameat(folder.tmp(), temporary.name(), directory, place.name.c_str()) != 0) {
            throw Error(ErrorKind::io,
                        fmt::format("cannot replace {}: {}", folder.path_of(place), reason_of(errno)));
        }
        temporary.was_moved();
        return Swap::done;
    }

    static bool is_unchanged(const struct stat& found, const struct stat& old) noexcept {
        return is_same_file(found, old) && found.st_size == old.st_size &&
               found.st_mtim.tv_sec == old.st_mtim.tv_sec && found.st_mtim.tv_nsec == old.st_mtim.tv_nsec;
    }

    /// Says the sizes again in the name, if it said them before. A name without them is right, too: so where
    /// somebody renames it in this moment, it stays.
    static void put_sizes(const Folder& folder, const Place& place, std::string_view old_name,
                          std::string_view bytes) {
        const auto info = std::min(place.name.find(':'), place.name.size());
        const auto base = old_name.substr(0, old_name.find(':'));
        const auto name = with_sizes(base, sizes_of(bytes)) + place.name.substr(info);
        if (name != place.name) {
            const auto directory = folder.directory(place);
            (void)rename_to_free_name(directory, place.name, directory, name);
        }
    }
};

/// New Maildirs below a new directory.
class Output : public Target {
public:
    Output(const fs::path& root, fs::path output) : root_(root), output_(std::move(output)) {}

    void begin() override {
        check_apart();
        if (::mkdir(output_.c_str(), directory_mode) != 0 && errno != EEXIST) { // EEXIST: the record decides
            throw Error(ErrorKind::io, fmt::format("cannot make {}: {}", output_.string(), reason_of(errno)));
        }
        open_record();
    }

    void enter(Folder& folder, const fs::path& relative) override {
        const auto path = relative.empty() ? output_ : output_ / relative;
        for (const char* name : {"cur", "new", "tmp"}) {
            make_directories(path / name);
        }
        for (const char* name : {"maildirfolder", "dovecot-keywords", "subscriptions"}) {
            copy_beside(folder.path() / name, path / name);
        }
        Folder(path).take();
        auto& there = there_[relative];
        for (const auto& message : list_maildir(path).messages) {
            auto place = Place::parse(message);
            auto unique = unique_part(place.name);
            there.insert_or_assign(std::move(unique), std::move(place));
        }
    }

    std::optional<std::string> note_of(const fs::path& relative, const Place& place) override {
        const auto unique = unique_part(place.name);
        const auto noted = notes_.find(key_of(relative, unique));
        const bool is_there = there_[relative].count(unique) != 0;
        return noted != notes_.end() && is_there ? std::optional(noted->second) : std::nullopt;
    }

    bool put(const Result& result) override {
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

    Folder& folder_of(const fs::path& relative) {
        if (folder_relative_ != relative || !folder_) {
            folder_ = std::make_unique<Folder>(relative.empty() ? output_ : output_ / relative);
            folder_relative_ = relative;
        }
        return *folder_;
    }

    static void move(Folder& folder, TemporaryMessage& temporary, const Place& place) {
        if (!rename_to_free_name(folder.tmp(), temporary.name(), folder.directory(place), place.name)) {
            throw Error(ErrorKind::io,
                        fmt::format("cannot write {}: {}", folder.path_of(place), reason_of(errno)));
        }
        temporary.was_moved();
        folder.note_change();
    }

    /// One that is too large to be opened, in pieces.
    static void copy_unread(const Task& task, Folder& folder) {
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

    const fs::path& root_;
    fs::path output_;
    Descriptor directory_;
    Descriptor record_;
    std::map<std::string, std::string> notes_; ///< by folder and unique part
    /// By folder and unique part: what an earlier run has written.
    std::map<fs::path, std::map<std::string, Place>> there_;
    std::unique_ptr<Folder> folder_;
    fs::path folder_relative_;
};

/// Reads the messages of all folders in order.
class Reading {
public:
    Reading(const fs::path& root, const MaildirRun& run, Target& target)
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

    std::optional<Task> next() {
        while (folder_at_ < folders_.size()) {
            const auto& relative = folders_[folder_at_];
            const auto& listing = listings_[folder_at_];
            if (!folder_) {
                enter(relative, listing);
            }
            while (message_at_ < listing.messages.size()) {
                const auto& name = listing.messages[message_at_++];
                if (const auto note = target_.note_of(relative, Place::parse(name))) {
                    if (run_.done_before) {
                        run_.done_before(*note);
                    }
                    continue;
                }
                Task task;
                task.folder = folder_;
                task.relative = relative;
                task.place = Place::parse(name);
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
        folder_ = std::make_shared<Folder>(relative.empty() ? root_ : root_ / relative);
        target_.enter(*folder_, relative);
        for (const auto& stranger : listing.strangers) {
            warn((relative / stranger).string(), "it is not a regular file: left alone");
        }
    }

    /// False: it is not there any more.
    static bool read(Task& task) {
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
    static Descriptor open(const Task& task) {
        constexpr int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
        const int directory = task.folder->directory(task.place);
        Descriptor file(::openat(directory, task.place.name.c_str(), flags | O_NOATIME));
        return file || errno != EPERM ? std::move(file)
                                      : Descriptor(::openat(directory, task.place.name.c_str(), flags));
    }

    static void read(Task& task, int fd) {
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
    Target& target_;
    std::vector<fs::path> folders_;
    std::vector<MaildirListing> listings_;
    std::shared_ptr<Folder> folder_;
    std::size_t folder_at_ = 0;
    std::size_t message_at_ = 0;
};

void rewrite(const fs::path& root, const MaildirRun& run, Target& target) {
    Reading reading(root, run, target);
    std::vector<InOrder<Task, Result>::Work> work;
    for (const auto& worker : run.workers) {
        work.push_back([&worker](Task&& task) {
            auto change = worker(task.message);
            return Result{std::move(task), std::move(change)};
        });
    }
    target.begin();
    InOrder<Task, Result> threads(std::move(work));
    threads.run([&] { return reading.next(); }, [](const Task& task) { return task.message.bytes.size(); },
                [&](Result&& result) {
                    if (!target.put(result)) {
                        reading.warn(result.task.message.name,
                                     "it was removed or changed meanwhile: left alone");
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
    InPlace target;
    rewrite(root, run, target);
}

void rewrite_maildirs_to(const fs::path& root, const fs::path& output, const MaildirRun& run) {
    Output target(root, output);
    rewrite(root, run, target);
}

} // namespace lockbox::reader
