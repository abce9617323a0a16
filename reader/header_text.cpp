#include "reader/header_text.hpp"

#include "mail/gmime.hpp"
#include "mail/header.hpp"
#include "reader/harmless.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>

namespace lockbox::reader {
namespace {

constexpr std::size_t field_octets_max = 64U << 10U; // a thousand recipients; more nobody reads
constexpr int addresses_shown_max = 100;
/// GMime reads groups in groups and comments in comments, which nobody writes, on the stack.
constexpr std::ptrdiff_t nestings_max = 100;

struct GFree {
    void operator()(char* text) const noexcept { g_free(text); }
};
using GText = std::unique_ptr<char, GFree>;

std::string text_of(GText text) {
    return text ? std::string(text.get()) : std::string();
}

std::string display_name(std::string_view name) {
    const auto text = harmless_line(name);
    return text.find_first_of("@<>,;:\"") == std::string::npos ? text : '"' + text + '"';
}

void append(std::string& out, InternetAddressList* list);

void append(std::string& out, InternetAddress* address) {
    const auto* const raw_name = internet_address_get_name(address);
    const auto name = display_name(raw_name != nullptr ? raw_name : "");
    if (INTERNET_ADDRESS_IS_GROUP(address)) { // NOLINT: GObject's macro
        out += name + ": ";
        append(out, internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address))); // NOLINT
        out += ';';
        return;
    }
    const auto* const addr = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address)); // NOLINT
    const auto mailbox = harmless_line(addr != nullptr ? addr : "");
    out += name.empty() ? mailbox : name + " <" + mailbox + '>';
}

void append(std::string& out, InternetAddressList* list) {
    const auto count = list != nullptr ? internet_address_list_length(list) : 0;
    for (int i = 0; i < count; ++i) {
        if (i == addresses_shown_max) {
            out += ", and " + std::to_string(count - i) + " more";
            return;
        }
        out += i == 0 ? "" : ", ";
        append(out, internet_address_list_get_address(list, i));
    }
}

} // namespace

std::string header_text(std::string_view field_body) {
    mail::start_gmime();
    const auto text = mail::unfold(field_body.substr(0, field_octets_max));
    return harmless_line(text_of(GText(g_mime_utils_header_decode_text(nullptr, text.c_str()))));
}

std::string header_addresses(std::string_view field_body) {
    mail::start_gmime();
    const auto text = mail::unfold(field_body.substr(0, field_octets_max));
    if (std::count(text.begin(), text.end(), ':') > nestings_max ||
        std::count(text.begin(), text.end(), '(') > nestings_max) {
        return header_text(field_body);
    }
    const mail::GObjectHandle<InternetAddressList> list(internet_address_list_parse(nullptr, text.c_str()));
    if (!list || internet_address_list_length(list.get()) == 0) {
        return header_text(field_body);
    }
    std::string result;
    append(result, list.get());
    return result;
}

} // namespace lockbox::reader
