#include "policy/completion.hpp"

#include "base/ascii.hpp"

#include <fstream>
#include <utility>

namespace lockbox::policy {

std::optional<std::string> read_mail_name(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::string line(mail::domain_octets_max + 1, '\0');
    file.read(line.data(), static_cast<std::streamsize>(line.size()));
    line.resize(static_cast<std::size_t>(file.gcount()));
    return mail::normalised_domain(trim(line.substr(0, line.find('\n'))));
}

Completion completion_for(const Policy& policy, const Origin& origin, std::string resolved) {
    const auto& configured = policy.default_domain ? policy.default_domain : policy.mail_name;
    return {std::move(resolved),
            configured ? *configured : mail::normalised_domain(origin.mta_name).value_or(std::string())};
}

} // namespace lockbox::policy
