// What a message shows on a terminal: whatever it says, nothing steers the terminal, and no line begins as
// those of Lockbox do.
#include "base/ascii.hpp"
#include "mail/charset.hpp"
#include "mail/encoded_words.hpp"
#include "mail/entity.hpp"
#include "reader/attachment.hpp"
#include "reader/calendar_text.hpp"
#include "reader/card_text.hpp"
#include "reader/domain_text.hpp"
#include "reader/flowed.hpp"
#include "reader/harmless.hpp"
#include "reader/header_text.hpp"
#include "reader/html_text.hpp"
#include "reader/page.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <string>
#include <string_view>

using namespace lockbox;
using namespace lockbox::reader;
using mail::to_utf8;

namespace {

bool steers_nothing(std::string_view text) {
    return is_utf8(text) && std::none_of(text.begin(), text.end(),
                                         [](char c) { return is_control(c) && c != '\n' && c != '\t'; });
}

/// A page on which the text stands wherever text of a message can stand.
std::string page_of(std::string_view text, std::size_t width) {
    const MessageWords words(text);
    Page page({width, false, Ambiguous::narrow});
    page.say("Protection"_own, "none"_own);
    page.say("Signature"_own, "of"_own, words);
    page.field("Subject"_own, words);
    page.field("Attachment"_own, "1"_own, words);
    page.heading("Text"_own);
    page.text(words);
    page.say("Protection"_own, "none"_own);
    return page.take();
}

/// Each line begins with the mark or the bar, and fits; the mark stands nowhere else.
void require_marked(std::string_view page, std::size_t width) {
    const auto mark = own_mark.substr(0, own_mark.find(' '));
    while (!page.empty()) {
        const auto end = page.find('\n');
        fuzz::require(end != std::string_view::npos);
        const auto line = page.substr(0, end);
        fuzz::require(line.starts_with(mark) || line.starts_with(message_bar));
        fuzz::require(line.find(mark, 1) == std::string_view::npos);
        fuzz::require(line.find('\t') == std::string_view::npos);
        fuzz::require(columns_of(line, Ambiguous::narrow) <= width);
        page.remove_prefix(end + 1);
    }
}

void require_harmless(std::string_view text) {
    const auto shown = harmless(text);
    fuzz::require(steers_nothing(shown));
    fuzz::require(harmless(shown) == shown);
    for (const std::size_t width : {20U, 47U, 80U, 200U}) {
        require_marked(page_of(text, width), width);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text(data, size);
    require_harmless(text);
    require_harmless(html_to_text(text).text);
    require_harmless(unflowed(text, false));
    if (const auto calendar = calendar_text(text)) {
        require_harmless(calendar->text);
    }
    require_harmless(card_text(text).value_or(""));
    require_harmless(to_utf8(text, "").text);
    for (const auto* const charset : {"utf-8", "iso-2022-jp", "shift_jis", "utf-16", "gb18030"}) {
        require_harmless(to_utf8(text, charset).text);
    }
    fuzz::require(steers_nothing(header_text(text)));
    fuzz::require(header_text(text).find('\n') == std::string::npos);
    fuzz::require(steers_nothing(header_addresses(text)));
    require_harmless(mail::decoded_words(text));
    const auto domain = shown_domain(text);
    fuzz::require(is_utf8(domain) && shown_domain(domain) == domain);
    const auto name = safe_file_name(text, "fallback");
    fuzz::require(!name.empty() && name.size() <= file_name_octets_max && steers_nothing(name));
    fuzz::require(name.find('/') == std::string::npos && name.front() != '.' && name.front() != '-');
    return 0;
}
