// Mailboxes on the disk, and a stand-in for what opens messages: no GnuPG, and done when asked.
#pragma once

#include "base/error.hpp"
#include "base/file.hpp"
#include "reader/change.hpp"
#include "tests/support/catch.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::test {

namespace fs = std::filesystem;

inline void write_bytes(const fs::path& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

inline std::string bytes_of_file(const fs::path& path) {
    return read_file(path, 1U << 30U);
}

/// All files below a directory, by path, and what is in them.
inline std::vector<std::pair<std::string, std::string>> files_below(const fs::path& directory) {
    std::vector<std::pair<std::string, std::string>> files;
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
        if (entry.is_regular_file()) {
            files.emplace_back(fs::relative(entry.path(), directory).string(), bytes_of_file(entry.path()));
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

inline struct stat status_of(const fs::path& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status;
}

/// Mode and the time of last change, to the nanosecond.
inline void set_status(const fs::path& path, mode_t mode, timespec time) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    const std::array<timespec, 2> times{time, time};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times.data(), 0) == 0);
}

/// The error that the work ends in.
inline std::optional<Error> error_of(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error;
    }
    return std::nullopt;
}

/// What a fake worker has seen: what it opened, and what it was told to be done, in order.
struct Record {
    std::mutex mutex; ///< workers write `seen`; `done` is the caller's
    std::vector<std::pair<std::string, std::string>> seen;
    std::vector<std::string> done;
};

constexpr std::string_view sealed_line = "SEALED\n";

/// Opens messages that have the line "SEALED": `opened` takes the place of that line.
inline reader::Change open_sealed(const reader::StoredMessage& message, std::string_view opened) {
    reader::Change change;
    change.note = message.refusal.empty() ? "nothing-to-open" : "damaged";
    const auto at = message.bytes.find(sealed_line);
    if (at != std::string::npos) {
        auto bytes = message.bytes;
        bytes.replace(at, sealed_line.size(), opened);
        change.message = std::make_shared<const Secret>(std::move(bytes));
        change.note = "opened";
    }
    return change;
}

/// `hook` is called with the number of messages done so far, when one more is.
inline reader::Worker fake_worker(Record& record, std::string_view opened = "text\n",
                                  std::function<void(std::size_t)> hook = {}) {
    return [&record, opened, hook = std::move(hook)](const reader::StoredMessage& message) {
        {
            const std::lock_guard lock(record.mutex);
            record.seen.emplace_back(message.name, message.bytes);
        }
        auto change = open_sealed(message, opened);
        change.done = [&record, hook, name = message.name] {
            record.done.push_back(name);
            if (hook) {
                hook(record.done.size());
            }
        };
        return change;
    };
}

/// Runs `work` in a process of its own. Returns what waitpid(2) tells of it.
inline int in_child(const std::function<void()>& work) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        try {
            work();
        } catch (...) {
            ::_exit(99);
        }
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return status;
}

inline bool was_killed(int status) {
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

inline std::size_t entries_in(const fs::path& directory) {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

} // namespace lockbox::test
