#include "crypto/announced_output.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

namespace lockbox::crypto {

void AnnouncedOutput::write(std::string_view bytes) {
    if (bytes.size() > octets_to_come_) {
        throw Error(ErrorKind::engine,
                    fmt::format("the sealed message would be {} octets longer than it says; this is a defect "
                                "of Lockbox",
                                bytes.size() - octets_to_come_));
    }
    octets_to_come_ -= bytes.size();
    output_(bytes);
}

void AnnouncedOutput::finish() const {
    if (octets_to_come_ != 0) {
        throw Error(ErrorKind::engine,
                    fmt::format("the sealed message would be {} octets shorter than it says; this is a "
                                "defect of Lockbox",
                                octets_to_come_));
    }
}

} // namespace lockbox::crypto
