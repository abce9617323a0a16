// Maildirs as they lie on the disk: https://cr.yp.to/proto/maildir.html, Maildir++ and folders in
// directories.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::reader {

/// Directories inside of directories that are looked into for Maildirs.
constexpr unsigned maildir_depth_max = 32;

/// A directory with cur, new and tmp in it, none of them a symbolic link.
[[nodiscard]] bool is_maildir(const std::filesystem::path& directory);

/// The Maildirs below a directory, as paths from there: "" is the directory itself, ".Sent" a folder of
/// Maildir++, "lists/debian" one in directories. Sorted. Symbolic links are not followed, but `root` may be
/// one. Throws Error(no_input) for what cannot be read, and Error(too_large) where it is deeper than
/// maildir_depth_max.
[[nodiscard]] std::vector<std::filesystem::path> find_maildirs(const std::filesystem::path& root);

/// What is in cur and new of a Maildir, as "cur/NAME" and "new/NAME", sorted: cur before new, and in each in
/// the order of delivery, as names begin with the time. tmp and names that begin with "." are no messages.
struct MaildirListing {
    std::vector<std::string> messages;
    std::vector<std::string> strangers; ///< symbolic links, directories and the like: nobody's message
};

/// Throws Error(no_input).
[[nodiscard]] MaildirListing list_maildir(const std::filesystem::path& maildir);

/// What stays of a file name when flags change: what is before ":", without the sizes (",S=", ",W=") that
/// Dovecot and Courier write into it.
[[nodiscard]] std::string unique_part(std::string_view name);

/// How long a message is, as file names tell it.
struct MaildirSizes {
    std::size_t octets = 0;           ///< of the file: S=
    std::size_t octets_with_crlf = 0; ///< if each of its lines ended in CRLF: W=
};
[[nodiscard]] MaildirSizes sizes_of(std::string_view message);

/// The file name with each size in it set to what is true, or without sizes for nullopt. Dovecot believes
/// them: a wrong one makes it serve a message cut or not at all. A name without them stays as it is.
[[nodiscard]] std::string with_sizes(std::string_view name, const std::optional<MaildirSizes>& sizes);

} // namespace lockbox::reader
