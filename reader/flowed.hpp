// format=flowed (RFC 3676).
#pragma once

#include <string>
#include <string_view>

namespace lockbox::reader {

/// Text with LF line ends whose flowed lines are joined (RFC 3676 §4); each paragraph of a quotation begins
/// with its quote marks and a space. `delete_space`: DelSp=yes. "-- " stays a line of its own (§4.3).
[[nodiscard]] std::string unflowed(std::string_view text, bool delete_space);

} // namespace lockbox::reader
