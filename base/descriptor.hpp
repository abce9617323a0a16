// File descriptors with an owner, and what the system says of them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace lockbox {

/// Closed on destruction.
class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int fd) noexcept : fd_(fd) {}
    ~Descriptor() { close(); }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
    /// Returns what close(2) does: some file systems tell only then that the disk is full.
    int close() noexcept;

private:
    int fd_ = -1;
};

/// An errno in words: "No such file or directory".
[[nodiscard]] std::string reason_of(int error);

/// All of it. Throws Error(io) "cannot write NAME: …".
void write_all(int fd, std::string_view bytes, const std::string& name);

/// Up to `size` octets; 0 at the end. Throws Error(io) "cannot read NAME: …".
[[nodiscard]] std::size_t read_some(int fd, char* buffer, std::size_t size, const std::string& name);

} // namespace lockbox
