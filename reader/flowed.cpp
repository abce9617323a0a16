#include "reader/flowed.hpp"

#include <algorithm>
#include <cstddef>

namespace lockbox::reader {

std::string unflowed(std::string_view text, bool delete_space) {
    constexpr std::string_view signature_separator = "-- ";
    std::string result;
    result.reserve(text.size());
    std::size_t depth_before = 0;
    bool flows = false; // the line before ends softly
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        const auto depth = std::min(line.find_first_not_of('>'), line.size()); // §4.5
        line.remove_prefix(depth);
        if (line.starts_with(' ')) { // §4.4, space-stuffing
            line.remove_prefix(1);
        }
        const bool is_separator = line == signature_separator;
        const bool joins = flows && depth == depth_before && !is_separator;
        if (flows && !joins) {
            result += '\n';
        }
        if (!joins && depth > 0) {
            result.append(depth, '>');
            result += ' ';
        }
        flows = !is_separator && line.ends_with(' ');
        if (flows && delete_space) {
            line.remove_suffix(1);
        }
        result += line;
        if (!flows) {
            result += '\n';
        }
        depth_before = depth;
    }
    if (flows) {
        result += '\n';
    }
    return result;
}

} // namespace lockbox::reader
