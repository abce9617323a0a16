// Output whose length stands in front of it.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

namespace lockbox::crypto {

/// Hands octets on and holds them to the length that was written before them. A message that is longer or
/// shorter than it says is a defect of ours; it must not be sent.
class AnnouncedOutput {
public:
    using Output = std::function<void(std::string_view)>;

    /// `octets` is the announced length. `output` must outlive this object.
    AnnouncedOutput(std::size_t octets, const Output& output) : octets_to_come_(octets), output_(output) {}

    /// Hands `bytes` on. Throws Error(engine), and hands nothing on, where they are more than what was
    /// announced and has not come yet.
    void write(std::string_view bytes);

    /// Throws Error(engine) where fewer octets came than were announced.
    void finish() const;

private:
    std::size_t octets_to_come_;
    const Output& output_;
};

} // namespace lockbox::crypto
