#include "base/error.hpp"
#include "reader/maildir.hpp"
#include "reader/maildir_target.hpp"
#include "reader/same_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <utility>

namespace lockbox::reader {
namespace {

class InPlace : public MaildirTarget {
public:
    void enter(MaildirFolder& folder, const std::filesystem::path& /*relative*/) override { folder.take(); }
    std::optional<std::string> note_of(const std::filesystem::path& /*relative*/,
                                       const MaildirPlace& /*place*/) override {
        return std::nullopt;
    }
    bool put(const MaildirResult& result) override {
        return !result.change.message || replace(result.task, result.change.message->expose());
    }
    void finish() override {}

private:
    enum class Swap { done, is_gone, is_another };

    static bool replace(const MaildirTask& task, std::string_view bytes) {
        auto& folder = *task.folder;
        TemporaryMessage temporary(folder, bytes, task.status, true);
        const auto unique = unique_part(task.place.name);
        std::optional<MaildirPlace> place = task.place;
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
    static void strip_sizes(MaildirFolder& folder, MaildirPlace& place) {
        const auto directory = folder.directory(place);
        auto stripped = with_sizes(place.name, std::nullopt);
        if (stripped != place.name && rename_to_free_name(directory, place.name, directory, stripped)) {
            place.name = std::move(stripped);
        }
    }

    /// The new message takes the place of the old one in one step that fails where the old one has gone: a
    /// name that a mail program has just given up would otherwise be a second message.
    static Swap take_place(const MaildirFolder& folder, TemporaryMessage& temporary,
                           const MaildirPlace& place, const struct stat& old) {
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

    /// Says the sizes again in the name, if it said them before. A name without them is right, too: so where
    /// somebody renames it in this moment, it stays.
    static void put_sizes(const MaildirFolder& folder, const MaildirPlace& place, std::string_view old_name,
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

} // namespace

std::unique_ptr<MaildirTarget> maildirs_in_place() {
    return std::make_unique<InPlace>();
}

} // namespace lockbox::reader
