#include "base/descriptor.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace lockbox {

int Descriptor::close() noexcept {
    return fd_ >= 0 ? ::close(std::exchange(fd_, -1)) : 0;
}

std::string reason_of(int error) {
    return std::error_code(error, std::generic_category()).message();
}

void write_all(int fd, std::string_view bytes, const std::string& name) {
    while (!bytes.empty()) {
        const auto written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            throw Error(ErrorKind::io, fmt::format("cannot write {}: {}", name, reason_of(errno)));
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

std::size_t read_some(int fd, char* buffer, std::size_t size, const std::string& name) {
    for (;;) {
        const auto count = ::read(fd, buffer, size);
        if (count >= 0) {
            return static_cast<std::size_t>(count);
        }
        if (errno != EINTR) {
            throw Error(ErrorKind::io, fmt::format("cannot read {}: {}", name, reason_of(errno)));
        }
    }
}

} // namespace lockbox
