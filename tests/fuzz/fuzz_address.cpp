// An address that was read is printed as text that reads as the same address.
#include "mail/address.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace lockbox;
using namespace lockbox::mail;

namespace {

void check(const Address& address) {
    fuzz::require(Address::parse(address.to_string()) == address);
    fuzz::require(Address::parse_path('<' + address.to_string() + '>') == address);
    fuzz::require(normalised_domain(address.domain()) == address.domain());
    fuzz::require(address.local_part().size() <= local_part_octets_max &&
                  address.domain().size() <= domain_octets_max);
    const auto folded = Address::parse(address.folded());
    fuzz::require(folded && folded->folded() == address.folded());
    const auto found = addresses_in(address.to_string());
    fuzz::require(found.size() == 1 && found.front() == address);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text(data, size);
    if (const auto address = Address::parse(text)) {
        check(*address);
        fuzz::require(Address::parse_path(text) == address);
    }
    if (const auto address = Address::parse_path(text)) {
        check(*address);
    }
    for (const auto& address : addresses_in(text)) {
        check(address);
    }
    return 0;
}
