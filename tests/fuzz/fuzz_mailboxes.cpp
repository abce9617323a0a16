// What a page shows of an address field and what a signature is compared with are the same value. Where the
// field is understood, GMime reads the same mailboxes in it.
#include "base/ascii.hpp"
#include "mail/gmime.hpp"
#include "mail/header.hpp"
#include "mail/mailboxes.hpp"
#include "reader/domain_text.hpp"
#include "reader/header_text.hpp"
#include "reader/signature.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <string>

using namespace lockbox;

namespace {

std::string on_one_line(std::string_view text) {
    std::string line(text);
    std::replace_if(
        line.begin(), line.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
    return line;
}

bool is_of_sender(const mail::Address& address, const std::string& from) {
    mail::HeaderSection header;
    header.add("From", from);
    std::vector<reader::Signature> signatures(1);
    signatures.front().addresses.push_back(address);
    reader::compare_with_header(signatures, header);
    return signatures.front().is_of_sender;
}

void compare_with_page(const std::string& from) {
    const auto shown = reader::header_addresses(from);
    const auto only = mail::mailboxes_in(from).only();
    for (const auto& address : mail::addresses_in(from)) {
        fuzz::require(is_of_sender(address, from) == (only && only->address.folded() == address.folded()));
    }
    if (only) {
        const auto address = reader::shown_address(only->address);
        fuzz::require(shown == address || shown.ends_with(" <" + address + '>'));
        const auto again = mail::mailboxes_in(shown).only();
        fuzz::require(again && again->address == only->address);
    }
}

/// GMime's parser is written for mail as it is, and so reads more than the grammar has.
void compare_with_gmime(const std::string& from) {
    const auto only = mail::mailboxes_in(from).only();
    if (!only || !all_ascii(from) || from.find("=?") != std::string::npos) {
        return;
    }
    mail::start_gmime();
    const mail::GObjectHandle<InternetAddressList> list(internet_address_list_parse(nullptr, from.c_str()));
    fuzz::require(list && internet_address_list_length(list.get()) == 1);
    auto* const first = internet_address_list_get_address(list.get(), 0);
    fuzz::require(INTERNET_ADDRESS_IS_MAILBOX(first)); // NOLINT: GObject's macro
    const auto* const text = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(first)); // NOLINT
    const auto same = mail::mailboxes_in(text != nullptr ? text : "").only(); // words and dots may be mixed
    fuzz::require(same && same->address == only->address);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text(data, size);
    const auto folded = mail::mailboxes_in(text);
    fuzz::require(!folded.understood || mail::mailboxes_in(mail::unfold(text)).groups == folded.groups);
    compare_with_page(on_one_line(text));
    compare_with_gmime(on_one_line(text));
    return 0;
}
