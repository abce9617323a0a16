#include "mail/date.hpp"

#include "base/handle.hpp"
#include "mail/gmime.hpp"

#include <string>

namespace lockbox::mail {

std::optional<Time> parse_date(std::string_view field_body) {
    constexpr std::size_t octets_max = 200; // with comments; GMime takes them all
    if (field_body.size() > octets_max) {
        return std::nullopt;
    }
    start_gmime();
    const std::string text(field_body);
    const Handle<GDateTime, g_date_time_unref> date(g_mime_utils_header_decode_date(text.c_str()));
    return date ? std::optional(Time(std::chrono::seconds(g_date_time_to_unix(date.get())))) : std::nullopt;
}

} // namespace lockbox::mail
