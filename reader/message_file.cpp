#include "reader/message_file.hpp"

#include "base/error.hpp"
#include "reader/change.hpp"
#include "reader/same_file.hpp"
#include "reader/unfinished_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace lockbox::reader {

MessageFile::MessageFile(const std::filesystem::path& path) {
    std::error_code error;
    path_ = std::filesystem::canonical(path, error);
    if (!error) {
        file_ = Descriptor(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    }
    if (error || !file_) {
        throw Error(ErrorKind::no_input, fmt::format("cannot read {}: {}", path.string(),
                                                     error ? error.message() : reason_of(errno)));
    }
    status_ = status_of(file_.get(), path_);
    if (!S_ISREG(status_.st_mode)) {
        throw Error(ErrorKind::no_input, fmt::format("{} is no file that could be replaced", path.string()));
    }
    constexpr std::size_t buffer_octets = 1U << 16U;
    std::array<char, buffer_octets> buffer{};
    while (const auto count = read_some(file_.get(), buffer.data(), buffer.size(), path_.string())) {
        if (bytes_.size() + count > mailbox_message_octets_max) {
            throw Error(ErrorKind::too_large, fmt::format("{} is larger than {} octets", path.string(),
                                                          mailbox_message_octets_max));
        }
        bytes_.append({buffer.data(), count});
    }
}

void MessageFile::replace(std::string_view bytes) const {
    UnfinishedFile file(path_);
    file.write(bytes);
    file.sync(); // takes long: nothing of that length may follow the last look at the old file
    const auto now = status_of(file_.get(), path_);
    struct stat named {};
    if (::stat(path_.c_str(), &named) != 0 || !is_same_file(named, status_) || !is_unchanged(now, status_)) {
        throw Error(ErrorKind::busy,
                    fmt::format("{} was changed by another program meanwhile", path_.string()),
                    "it was left as it is; try again when no other program changes it");
    }
    file.take_after(now);
    file.finish(true);
}

} // namespace lockbox::reader
