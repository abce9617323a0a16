#include "policy/warnings.hpp"

#include <fmt/format.h>

namespace lockbox::policy {

std::vector<std::string> warnings_of(const Config& config) {
    std::vector<std::string> warnings;
    if (config.reinject && reach_of_socket(config.socket) == SocketReach::this_machine) {
        warnings.push_back(
            fmt::format("with `reinject`, every user of this machine can send mail in anybody's name through "
                        "the socket {}: use a unix socket, which has a group and a mode",
                        config.socket));
    }
    return warnings;
}

} // namespace lockbox::policy
