// Armor that was read is written as armor that reads the same.
#include "base/ascii.hpp"
#include "mail/openpgp_packet.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace lockbox;
using namespace lockbox::mail;

namespace {

void check(std::string_view bytes, std::size_t piece) {
    std::string written;
    ArmorWriter writer(written, "PGP MESSAGE", bytes.size());
    const auto reserved = written.capacity();
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        writer.write(bytes.substr(at, piece));
    }
    writer.finish();
    fuzz::require(written.capacity() == reserved);
    const auto read = dearmor(written, "PGP MESSAGE");
    fuzz::require(read && read->bytes == bytes && read->before.empty() && read->after.empty());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text(data, size);
    check(text, size > 0 ? 1 + data[0] : 1);
    if (const auto armor = dearmor(text)) {
        fuzz::require(armor->label.starts_with("PGP "));
        fuzz::require(text.starts_with(armor->before) && text.ends_with(armor->after));
        fuzz::require(armor->before.size() + armor->after.size() < text.size());
        const auto again = dearmor(text, armor->label);
        fuzz::require(again && again->bytes == armor->bytes);
        check(armor->bytes, 48);
    }
    return 0;
}
