// Base64 as armor and MIME bodies have it: lines of 64 characters (RFC 9580 §6.3 permits 76, RFC 2045 §6.8
// too; S/MIME programs write 64).
#pragma once

#include <string>
#include <string_view>

namespace lockbox::mail {

/// Octets that one line of base64 stands for.
constexpr std::size_t base64_line_bytes = 48;
/// Characters of that line, CRLF included.
constexpr std::size_t base64_line_octets = 64 + 2;

/// How long `octets` become in base64, line ends included.
[[nodiscard]] constexpr std::size_t base64_lines_octets(std::size_t octets) noexcept {
    return (octets + 2) / 3 * 4 + (octets + base64_line_bytes - 1) / base64_line_bytes * 2;
}

/// Writes base64 with CRLF line ends while bytes come in.
class Base64LineWriter {
public:
    /// `out` must outlive the writer.
    explicit Base64LineWriter(std::string& out) : out_(out) {}
    void write(std::string_view bytes);
    /// The last line. To be called once, at the end.
    void finish();

private:
    void encode(std::string_view lines);
    std::string& out_;
    std::string pending_; ///< less than one line
};

} // namespace lockbox::mail
