// What a message shows on a terminal: whatever it says, nothing steers the terminal or leaves its indent.
#include "base/ascii.hpp"
#include "mail/entity.hpp"
#include "reader/attachment.hpp"
#include "reader/charset.hpp"
#include "reader/flowed.hpp"
#include "reader/harmless.hpp"
#include "reader/header_text.hpp"
#include "reader/html_text.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <string_view>

using namespace lockbox;
using namespace lockbox::reader;

namespace {

bool steers_nothing(std::string_view text) {
    return is_utf8(text) && std::none_of(text.begin(), text.end(),
                                         [](char c) { return is_control(c) && c != '\n' && c != '\t'; });
}

void require_harmless(std::string_view text) {
    const auto shown = harmless(text);
    fuzz::require(steers_nothing(shown));
    fuzz::require(harmless(shown) == shown);
    const auto lines = indented(shown, "| ", 20);
    fuzz::require(steers_nothing(lines));
    for (std::string_view rest = lines; !rest.empty();) {
        fuzz::require(rest.starts_with("| "));
        const auto end = rest.find('\n');
        fuzz::require(end != std::string_view::npos);
        fuzz::require(display_width(rest.substr(0, end)) <= 20);
        rest.remove_prefix(end + 1);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text(data, size);
    require_harmless(text);
    require_harmless(html_to_text(text));
    require_harmless(unflowed(text, false));
    require_harmless(to_utf8(text, "").text);
    for (const auto* const charset : {"utf-8", "iso-2022-jp", "shift_jis", "utf-16", "gb18030"}) {
        require_harmless(to_utf8(text, charset).text);
    }
    fuzz::require(steers_nothing(header_text(text)));
    fuzz::require(header_text(text).find('\n') == std::string::npos);
    fuzz::require(steers_nothing(header_addresses(text)));
    const auto name = safe_file_name(text, "fallback");
    fuzz::require(!name.empty() && name.size() <= file_name_octets_max && steers_nothing(name));
    fuzz::require(name.find('/') == std::string::npos && name.front() != '.' && name.front() != '-');
    return 0;
}
