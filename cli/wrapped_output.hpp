// Standard error on a terminal: no word of a message begins a line there.
#pragma once

#include <cstddef>
#include <streambuf>
#include <string>

namespace lockbox::cli {

/// Hands everything on at once, and breaks lines that are longer than the terminal: the next line begins with
/// `continuation`. What Lockbox says there begins with "lockbox: ", and a name of 3000 characters from a
/// message must not reach the first column where the terminal would break the line. Columns are counted as on
/// the page (reader/columns.hpp), so it never breaks too late.
class WrappedOutput : public std::streambuf {
public:
    static constexpr const char* continuation = "  \u2502 ";

    /// `target` must outlive it. `columns` of the terminal, at least 20 are taken.
    WrappedOutput(std::streambuf& target, std::size_t columns);

protected:
    int_type overflow(int_type octet) override;
    int sync() override;

private:
    [[nodiscard]] bool put(const std::string& text);

    std::streambuf& target_;
    std::size_t columns_;
    std::size_t used_ = 0;
    std::string character_; ///< the octets of one that is not complete
};

} // namespace lockbox::cli
