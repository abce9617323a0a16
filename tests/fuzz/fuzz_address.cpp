// An address that was read is printed as text that reads as the same address. A path is read as that address
// or not at all.
#include "mail/address.hpp"
#include "mail/mailboxes.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace lockbox;
using namespace lockbox::mail;

namespace {

void check(const Address& address) {
    fuzz::require(Address::parse(address.to_string()) == address);
    fuzz::require(normalised_domain(address.domain()) == address.domain());
    fuzz::require(address.local_part().size() <= local_part_octets_max &&
                  address.domain().size() <= domain_octets_max);
    const auto folded = Address::parse(address.folded());
    fuzz::require(folded && folded->folded() == address.folded());
    const auto found = mailboxes_in(address.to_string()).only();
    fuzz::require(found && found->address == address && found->name.empty());
}

/// What holds for every path, however strange.
void check_path(std::string_view path) {
    const auto address = Address::parse_path(path);
    if (!address) {
        return;
    }
    check(*address);
    fuzz::require(Address::parse_path('<' + address->to_string() + '>') == address);
    fuzz::require(!address->local_part().empty());
    fuzz::require(address->local_part().find_first_of("%!@") == std::string::npos);
    const auto domain = std::string_view(address->domain());
    fuzz::require(domain.find('.') != std::string_view::npos || domain == "localhost" ||
                  domain.starts_with("[IPv6:"));
    fuzz::require(!domain.ends_with(".uucp"));
    const auto incomplete = incomplete_path(path);
    fuzz::require(!incomplete || incomplete->domain == "localhost");
}

/// An incomplete path gets a domain and is a mailbox.
void check_incomplete(std::string_view path) {
    if (const auto incomplete = incomplete_path(path)) {
        const auto completed = Address::parse_path('<' + incomplete->local_part + "@example.org>");
        fuzz::require(completed && completed->domain() == "example.org");
        check(*completed);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text(data, size);
    if (const auto address = Address::parse(text)) {
        check(*address);
    }
    check_path(text);
    check_path('<' + std::string(text) + '>');
    check_incomplete(text);
    return 0;
}
