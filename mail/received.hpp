// Received mail taken apart with GMime: for importing and opening. Sealing never comes here.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::mail {

constexpr unsigned received_depth_max = 32; // deeper nesting is an attack on the reader, not mail
constexpr std::size_t received_parts_max = 1000;

/// A leaf of the MIME tree.
struct ReceivedPart {
    std::string media_type; ///< lower case: "application/pgp-keys"
    std::string file_name;  ///< decoded, UTF-8; may be empty; not to be used as a path
    std::string bytes;      ///< transfer encoding removed, charset untouched
};

/// All leaves in order, of nested messages too. Throws Error(too_large) beyond the limits above.
[[nodiscard]] std::vector<ReceivedPart> received_parts(std::string_view message);

} // namespace lockbox::mail
