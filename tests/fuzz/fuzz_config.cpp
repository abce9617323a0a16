// Any bytes are a configuration, or an error that names its line. What is read is what is printed.
#include "base/error.hpp"
#include "policy/config.hpp"

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string>

namespace {

using namespace lockbox;

constexpr const char* name = "fuzz.conf";

std::optional<policy::Config> read(const std::string& text) {
    std::istringstream in(text);
    try {
        return policy::read_config(in, name);
    } catch (const Error& error) {
        const bool names_line = std::string(error.what()).rfind(std::string(name) + ":", 0) == 0;
        const bool too_large = text.size() > policy::config_octets_max;
        if (error.kind() != ErrorKind::configuration || (!names_line && !too_large)) {
            std::abort();
        }
        return std::nullopt;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    if (const auto config = read(text)) {
        const auto printed = policy::print_config(*config);
        const auto again = read(printed);
        if (!again || policy::print_config(*again) != printed ||
            again->policy.rules != config->policy.rules) {
            std::abort();
        }
    }
    return 0;
}
