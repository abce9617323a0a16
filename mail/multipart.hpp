// Multipart bodies, cut at their boundary (RFC 2046 §5.1.1).
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace lockbox::mail {

/// More parts are not looked at: nobody sends that many, and each costs time.
constexpr std::size_t parts_max = 1000;

struct Multipart {
    std::string_view preamble;
    std::vector<std::string_view> parts; ///< each without the line end before the delimiter
    std::string_view epilogue;
    bool closed = false; ///< the closing delimiter was there, after no more than parts_max parts
};

[[nodiscard]] Multipart split_multipart(std::string_view body, std::string_view boundary);

} // namespace lockbox::mail
