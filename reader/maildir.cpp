#include "reader/maildir.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <system_error>

namespace lockbox::reader {
namespace {

namespace fs = std::filesystem;

bool is_directory_itself(const fs::path& path) {
    std::error_code error;
    return fs::symlink_status(path, error).type() == fs::file_type::directory;
}

/// Calls `use` for each entry, in any order.
template <typename Use>
void for_each_entry(const fs::path& directory, Use&& use) {
    std::error_code error;
    fs::directory_iterator entries(directory, error);
    while (!error && entries != fs::directory_iterator()) {
        use(*entries);
        entries.increment(error);
    }
    if (error) {
        throw Error(ErrorKind::no_input,
                    fmt::format("cannot read {}: {}", directory.string(), error.message()));
    }
}

void find_below(const fs::path& root, const fs::path& relative, unsigned depth,
                std::vector<fs::path>& found) {
    const auto directory = relative.empty() ? root : root / relative;
    if (depth > maildir_depth_max) {
        throw Error(ErrorKind::too_large, fmt::format("{} is more than {} directories deep",
                                                      directory.string(), maildir_depth_max));
    }
    const bool is_one = is_maildir(directory);
    if (is_one) {
        found.push_back(relative);
    }
    for_each_entry(directory, [&](const fs::directory_entry& entry) {
        std::error_code error;
        const auto name = entry.path().filename();
        const bool holds_messages = is_one && (name == "cur" || name == "new" || name == "tmp");
        if (!holds_messages && !entry.is_symlink(error) && entry.is_directory(error)) {
            find_below(root, relative / name, depth + 1, found);
        }
    });
}

/// One of the fields that names carry behind the unique part: ",S=1234".
bool is_size_field(std::string_view field) noexcept {
    return (field.starts_with("S=") || field.starts_with("W=")) && field.size() > 2 &&
           std::all_of(field.begin() + 2, field.end(), is_digit);
}

} // namespace

bool is_maildir(const fs::path& directory) {
    return is_directory_itself(directory / "cur") && is_directory_itself(directory / "new") &&
           is_directory_itself(directory / "tmp");
}

std::vector<fs::path> find_maildirs(const fs::path& root) {
    std::vector<fs::path> found;
    find_below(root, {}, 0, found);
    std::sort(found.begin(), found.end());
    return found;
}

MaildirListing list_maildir(const fs::path& maildir) {
    std::set<std::string> messages;
    std::set<std::string> strangers;
    std::map<std::string, int> names_of; // by unique part
    // A message that is renamed while a directory is read may be seen twice, or not at all: so all is read
    // twice, and what has gone is left out where it is there under another name.
    for (const std::string_view place : {"new", "cur", "new", "cur"}) {
        for_each_entry(maildir / place, [&](const fs::directory_entry& entry) {
            const auto name = entry.path().filename().string();
            if (name.starts_with('.')) {
                return;
            }
            std::error_code gone; // then it was a message, and is looked for when it is its turn
            const bool is_stranger = entry.is_symlink(gone) || (!entry.is_regular_file(gone) && !gone);
            auto& list = is_stranger ? strangers : messages;
            if (list.insert(fmt::format("{}/{}", place, name)).second && !is_stranger) {
                ++names_of[unique_part(name)];
            }
        });
    }
    MaildirListing listing;
    for (const auto& message : messages) {
        auto& names = names_of[unique_part(message.substr(message.find('/') + 1))];
        std::error_code error;
        if (names > 1 && !fs::exists(fs::symlink_status(maildir / message, error))) {
            --names;
        } else {
            listing.messages.push_back(message);
        }
    }
    listing.strangers.assign(strangers.begin(), strangers.end());
    return listing;
}

std::string unique_part(std::string_view name) {
    return with_sizes(name.substr(0, name.find(':')), std::nullopt);
}

MaildirSizes sizes_of(std::string_view message) {
    MaildirSizes sizes{message.size(), message.size()};
    char before = '\0';
    for (const char c : message) {
        sizes.octets_with_crlf += c == '\n' && before != '\r' ? 1U : 0U;
        before = c;
    }
    return sizes;
}

std::string with_sizes(std::string_view name, const std::optional<MaildirSizes>& sizes) {
    const auto info = std::min(name.find(':'), name.size());
    auto base = name.substr(0, info);
    auto comma = std::min(base.find(','), base.size());
    std::string changed(base.substr(0, comma));
    while (comma < base.size()) {
        base.remove_prefix(comma + 1);
        comma = std::min(base.find(','), base.size());
        const auto field = base.substr(0, comma);
        if (!is_size_field(field)) {
            changed += fmt::format(",{}", field);
        } else if (sizes) {
            changed += fmt::format(",{}={}", field.front(),
                                   field.front() == 'S' ? sizes->octets : sizes->octets_with_crlf);
        }
    }
    changed += name.substr(info);
    return changed;
}

} // namespace lockbox::reader
