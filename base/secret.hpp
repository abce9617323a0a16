// Bytes that are wiped when they are no longer needed.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lockbox {

/// Opened plaintext and the like: wiped on destruction and on growth, not copied, not printable.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string bytes) noexcept : bytes_(std::move(bytes)) {}
    ~Secret();
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret&& other) noexcept;

    /// Appends; when the buffer moves, the old one is wiped first.
    void append(std::string_view bytes);

    [[nodiscard]] std::string_view expose() const noexcept { return bytes_; }
    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }

private:
    void wipe() noexcept;
    std::string bytes_;
};

} // namespace lockbox
