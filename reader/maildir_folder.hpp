// One Maildir that is open, and the files in it.
#pragma once

#include "base/descriptor.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::reader {

/// How often a message is looked for under another name, when mail programs change its flags in between.
constexpr int renames_followed_max = 8;

/// A directory that is not followed as a link. Throws Error(no_input).
[[nodiscard]] Descriptor open_directory(const std::filesystem::path& path);

/// The names in a directory, "." and ".." too; `path` is for errors. Throws Error(io).
[[nodiscard]] std::vector<std::string> names_in(int directory, const std::filesystem::path& path);

/// Renames unless the new name is taken. errno tells why not.
[[nodiscard]] bool rename_to_free_name(int from, const std::string& name, int to,
                                       const std::string& new_name);

/// A file of a Maildir: "cur" or "new", and its name there.
struct MaildirPlace {
    bool is_new = false;
    std::string name;

    /// Of "cur/NAME".
    [[nodiscard]] static MaildirPlace parse(std::string_view path);
    [[nodiscard]] std::string to_string() const;
};

/// One Maildir, open: what happens in it happens there although its path is renamed or replaced by a link.
class MaildirFolder {
public:
    /// Throws Error(no_input).
    explicit MaildirFolder(std::filesystem::path path);
    /// One fsync() for all renames: until then each is the old or the new message.
    ~MaildirFolder();
    MaildirFolder(const MaildirFolder&) = delete;
    MaildirFolder& operator=(const MaildirFolder&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    [[nodiscard]] int tmp() const noexcept { return tmp_.get(); }
    [[nodiscard]] int directory(const MaildirPlace& place) const noexcept {
        return place.is_new ? new_.get() : cur_.get();
    }
    [[nodiscard]] std::string path_of(const MaildirPlace& place) const;
    void note_change() noexcept { is_changed_ = true; }

    /// Keeps other runs out, and removes what a killed one left. Throws Error(busy).
    void take();

    /// Where the message with this unique part is now.
    [[nodiscard]] std::optional<MaildirPlace> find(const std::string& unique) const;

private:
    std::filesystem::path path_;
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
    TemporaryMessage(const MaildirFolder& folder, std::string_view bytes, const struct stat& model,
                     bool keeps_owner);
    ~TemporaryMessage() { remove(); }
    TemporaryMessage(const TemporaryMessage&) = delete;
    TemporaryMessage& operator=(const TemporaryMessage&) = delete;

    [[nodiscard]] const char* name() const noexcept { return name_.c_str(); }
    void was_moved() noexcept { is_here_ = false; }

private:
    void keep_owner(int file, const struct stat& model) const;
    void check(bool succeeded) const;
    void remove() noexcept;

    int directory_;
    std::string path_;
    std::string name_;
    bool is_here_ = true;
};

} // namespace lockbox::reader
