// Attachments: names that are safe to use, and files that overwrite nothing.
#pragma once

#include "mail/entity.hpp"

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::reader {

/// Of a file name; file systems allow 255.
constexpr std::size_t file_name_octets_max = 200;
/// Files of one name in one directory: "a.pdf", "a-2.pdf", …
constexpr unsigned same_names_max = 10'000;

/// A name for one file, whatever a stranger asks for: no directory, no leading dot or dash, no control,
/// bidirectional or invisible character, none that shells or other systems treat specially; not too long, its
/// suffix kept. `fallback` where nothing is left.
[[nodiscard]] std::string safe_file_name(std::string_view name, std::string_view fallback);

struct Attachment {
    std::string number; ///< as mail::Entity::number
    std::string name;   ///< safe, see above
    std::string media_type;
    std::size_t octets = 0; ///< decoded
    const mail::Entity* entity = nullptr;
};

/// Leaves that are attachments, have a name or are no text, in order, and HTML that stands beside another
/// alternative; of an embedded message the message itself.
[[nodiscard]] std::vector<Attachment> attachments_in(const mail::Entity& root);

/// Writes into an existing directory, mode 0600, never over a file or through a symbolic link. Returns the
/// path. Throws Error(io) naming it; of a failed write nothing is left.
std::filesystem::path save(const Attachment& attachment, const std::filesystem::path& directory);

/// "512 octets", "1.4 KiB", "23 MiB".
[[nodiscard]] std::string size_in_words(std::size_t octets);

} // namespace lockbox::reader
