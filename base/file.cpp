#include "base/file.hpp"

#include "base/descriptor.hpp"
#include "base/error.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <system_error>

namespace lockbox {
namespace {

/// Unlinks its file unless renamed.
class TemporaryFile {
public:
    explicit TemporaryFile(const std::filesystem::path& beside)
        : target_(beside), path_(beside.string() + ".XXXXXX"), fd_(::mkostemp(path_.data(), O_CLOEXEC)) {
        if (fd_.get() < 0) {
            throw Error(ErrorKind::io,
                        fmt::format("cannot write {}: {}", target_.string(), reason_of(errno)));
        }
    }
    ~TemporaryFile() {
        if (!renamed_) {
            ::unlink(path_.c_str());
        }
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    void write(std::string_view bytes) { write_all(fd_.get(), bytes, target_.string()); }
    void rename() {
        check(::fsync(fd_.get()) == 0);
        check(fd_.close() == 0);
        check(::rename(path_.c_str(), target_.c_str()) == 0);
        renamed_ = true;
        const auto parent = target_.parent_path();
        const Descriptor directory(
            ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (directory.get() >= 0) {
            (void)::fsync(directory.get());
        }
    }

private:
    void check(bool succeeded) const {
        if (!succeeded) {
            throw Error(ErrorKind::io,
                        fmt::format("cannot write {}: {}", target_.string(), reason_of(errno)));
        }
    }
    std::filesystem::path target_;
    std::string path_;
    Descriptor fd_;
    bool renamed_ = false;
};

} // namespace

std::string read_stream(std::istream& in, const std::string& name, std::size_t octets_max) {
    constexpr std::size_t piece = 1U << 16U;
    std::string bytes;
    std::string buffer(piece, '\0');
    while (in) {
        in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
        const auto count = static_cast<std::size_t>(in.gcount());
        if (count > octets_max - bytes.size()) {
            throw Error(ErrorKind::too_large, fmt::format("{} is larger than {} octets", name, octets_max));
        }
        bytes.append(buffer, 0, count);
    }
    if (in.bad()) {
        throw Error(ErrorKind::io, fmt::format("cannot read {}", name));
    }
    return bytes;
}

std::string read_file(const std::filesystem::path& path, std::size_t octets_max) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
        throw Error(ErrorKind::no_input, fmt::format("cannot read {}: it is a directory", path.string()));
    }
    errno = 0;
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        throw Error(ErrorKind::no_input,
                    fmt::format("cannot read {}: {}", path.string(), reason_of(errno != 0 ? errno : EIO)));
    }
    return read_stream(in, path.string(), octets_max);
}

void write_atomically(const std::filesystem::path& path, std::string_view bytes) {
    TemporaryFile file(path);
    file.write(bytes);
    file.rename();
}

TemporaryDirectory::TemporaryDirectory() {
    const char* parent = std::getenv("TMPDIR"); // NOLINT(concurrency-mt-unsafe): nobody sets the environment
    std::string name =
        std::string(parent != nullptr && *parent != '\0' ? parent : "/tmp") + "/lockbox.XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) {
        throw Error(ErrorKind::io, fmt::format("cannot make a directory {}: {}", name, reason_of(errno)));
    }
    path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored; // nobody can be told, and the directory holds nothing secret
    std::filesystem::remove_all(path_, ignored);
}

} // namespace lockbox
