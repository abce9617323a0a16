#include "mail/origination.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "mail/atext.hpp"

#include <fmt/chrono.h>

#include <algorithm>

namespace lockbox::mail {
namespace {

constexpr std::size_t host_octets_max = 255; // RFC 5321 §4.5.3.1.2

/// RFC 5322 §3.2.3: what may stand to the right of a Message-ID's "@".
bool is_dot_atom_text(std::string_view text) noexcept {
    const auto allowed = [](char c) { return is_ascii_atext(c) || c == '.'; };
    return !text.empty() && text.front() != '.' && text.back() != '.' &&
           text.find("..") == std::string_view::npos && std::all_of(text.begin(), text.end(), allowed);
}

/// RFC 5322 §3.3. fmt asks no locale for the names of days and months.
std::string date_time(Time time) {
    return fmt::format("{:%a, %d %b %Y %H:%M:%S} +0000",
                       fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

} // namespace

std::vector<HeaderField> missing_origination_fields(const HeaderSection& header, Time now,
                                                    const std::function<std::string()>& random,
                                                    std::string_view host) {
    std::vector<HeaderField> fields;
    if (header.count("Date") == 0) {
        fields.push_back({"Date", ' ' + date_time(now)});
    }
    if (header.count("Message-ID") == 0) {
        const bool usable = host.size() <= host_octets_max && is_dot_atom_text(host);
        fields.push_back(
            {"Message-ID", fmt::format(" <{}@{}>", hex_encode(random()), usable ? host : "localhost")});
    }
    return fields;
}

} // namespace lockbox::mail
