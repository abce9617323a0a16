#include "reader/mbox_rewrite.hpp"

#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "reader/in_order.hpp"
#include "reader/mbox_lock.hpp"
#include "reader/same_file.hpp"
#include "reader/unfinished_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace lockbox::reader {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t copy_buffer_octets = 1U << 18U;

struct Task {
    MboxMessage stored;
    std::size_t number = 0;
    std::size_t octets_before_next = 0;
};

struct Result {
    MboxMessage stored;
    Change change;
    std::size_t octets_before_next = 0;
};

std::size_t octets_of(const MboxMessage& message) noexcept {
    return message.separator.size() + message.quoted.size() + message.end.size();
}

Result judge(Task&& task, const Worker& worker, const std::string& name) {
    Result result{std::move(task.stored), {}, task.octets_before_next};
    if (result.stored.is_rest()) {
        return result;
    }
    StoredMessage message;
    message.name = fmt::format("{}:{}", name, task.number);
    if (result.stored.is_continued) {
        message.refusal = fmt::format("it is larger than {} octets", mailbox_message_octets_max);
    } else {
        message.bytes = unquote_mbox(result.stored.quoted);
    }
    result.change = worker(message);
    return result;
}

void write_result(const Result& result, const ByteSink& sink) {
    const auto& stored = result.stored;
    sink(stored.separator);
    if (result.change.message) {
        const bool has_crlf = stored.separator.ends_with("\r\n");
        write_mbox_message(result.change.message->expose(), has_crlf ? "\r\n" : "\n", sink);
    } else {
        sink(stored.quoted);
    }
    sink(stored.end);
}

[[noreturn]] void throw_changed(const fs::path& path) {
    throw Error(ErrorKind::busy, fmt::format("{} was changed by another program meanwhile", path.string()),
                "it was left as it is; try again when no other program changes it");
}

/// Copies what stands behind the first `from` octets of one file to the end of another. Returns how many
/// octets there are now.
std::size_t copy_tail(int from_fd, std::size_t from, int to_fd, const fs::path& path) {
    std::string buffer(copy_buffer_octets, '\0');
    for (;;) {
        const auto count = ::pread(from_fd, buffer.data(), buffer.size(), static_cast<off_t>(from));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            throw Error(ErrorKind::io, fmt::format("cannot read {}: {}", path.string(), reason_of(errno)));
        }
        if (count == 0) {
            return from;
        }
        write_all(to_fd, std::string_view(buffer).substr(0, static_cast<std::size_t>(count)), path.string());
        from += static_cast<std::size_t>(count);
    }
}

} // namespace

ByteSource bytes_of(int fd, std::string name) {
    return [fd, name = std::move(name)](char* buffer, std::size_t size) {
        return read_some(fd, buffer, size, name);
    };
}

std::size_t rewrite_mbox(const ByteSource& source, const ByteSink& sink, const MboxRun& run) {
    std::vector<InOrder<Task, Result>::Work> work;
    for (const auto& worker : run.workers) {
        work.push_back([&worker, &run](Task&& task) { return judge(std::move(task), worker, run.name); });
    }
    MboxReader reader(source, run.name);
    std::size_t number = 0;
    std::size_t octets = 0;
    std::size_t changed = 0;
    InOrder<Task, Result> threads(std::move(work));
    threads.run(
        [&]() -> std::optional<Task> {
            auto message = reader.next();
            if (!message) {
                return std::nullopt;
            }
            number += message->is_rest() ? 0U : 1U;
            octets += octets_of(*message);
            return Task{std::move(*message), number, octets};
        },
        [](const Task& task) { return octets_of(task.stored); },
        [&](Result&& result) {
            write_result(result, sink);
            changed += result.change.message ? 1U : 0U;
            if (result.change.done) {
                result.change.done();
            }
            if (run.progress) {
                run.progress(result.octets_before_next);
            }
        });
    return changed;
}

void rewrite_mbox_to(const ByteSource& source, const fs::path& output, const MboxRun& run) {
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(output, ignored))) {
        throw Error(ErrorKind::io, fmt::format("cannot write {}: it exists already", output.string()),
                    "give --output another name, or remove it first");
    }
    UnfinishedFile file(output);
    (void)rewrite_mbox(
        source, [&](std::string_view bytes) { file.write(bytes); }, run);
    file.finish(false);
}

void rewrite_mbox_in_place(const fs::path& path, const MboxRun& run) {
    std::error_code error;
    auto target = fs::canonical(path, error); // a symbolic link stays one
    if (error) {
        throw Error(ErrorKind::no_input, fmt::format("cannot read {}: {}", path.string(), error.message()));
    }
    std::optional<MboxLock> lock(std::in_place, target);
    const auto before = status_of(lock->get(), target);
    UnfinishedFile file(target);
    std::size_t octets = 0;
    const auto source = [&](char* buffer, std::size_t size) {
        const auto count = read_some(lock->get(), buffer, size, target.string());
        octets += count;
        return count;
    };
    if (rewrite_mbox(
            source, [&](std::string_view bytes) { file.write(bytes); }, run) == 0) {
        return;
    }
    // fsync() before the last look at the old file: it takes long, and nothing of that length may follow.
    file.sync();
    const auto after = status_of(lock->get(), target);
    const auto size = static_cast<std::size_t>(after.st_size);
    if (size < octets ||
        (size == octets && after.st_size == before.st_size && !is_same_time(after.st_mtim, before.st_mtim))) {
        throw_changed(target);
    }
    struct stat named {};
    if (::stat(target.c_str(), &named) != 0 || !is_same_file(named, after)) {
        throw_changed(target);
    }
    octets = copy_tail(lock->get(), octets, file.get(), target);
    file.take_after(after);
    file.lock();
    file.finish(true);
    // Who had the old file open by then, and waited for its lock or for nobody, has appended to a file
    // without a name: that belongs below what is there now.
    lock->give_way();
    if (copy_tail(lock->get(), octets, file.get(), target) != octets && ::fsync(file.get()) != 0) {
        throw Error(ErrorKind::io, fmt::format("cannot write {}: {}", target.string(), reason_of(errno)));
    }
}

} // namespace lockbox::reader
