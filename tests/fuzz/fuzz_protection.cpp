// What sealing takes from the outside, opening brings back; the body survives; nobody in Bcc is seen.
#include "base/ascii.hpp"
#include "mail/layer.hpp"
#include "mail/protection.hpp"
#include "mail/restoration.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace lockbox;
using namespace lockbox::mail;

namespace {

void check_outside(const HeaderSection& outside) {
    fuzz::require(outside.count("Bcc") == 0 && outside.count("Resent-Bcc") == 0);
    fuzz::require(outside.count("MIME-Version") == 1 && outside.count("Content-Type") == 1);
    std::size_t structural = 0;
    for (const auto& field : outside.fields()) {
        structural += is_structural(field.name) ? 1U : 0U;
        fuzz::require(!equal_ignoring_case(field.name, "DKIM-Signature") &&
                      !starts_with_ignoring_case(field.name, "ARC-"));
    }
    fuzz::require(structural == 2);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto original = Message::parse(fuzz::text(data, size));
    const auto layer = outermost_layer(original.header, original.body);
    const auto protection = protect(original.header, original.body);
    const auto payload_bytes = protection.payload_header + original.body + protection.payload_trailer;
    const auto payload = MessageView::parse(payload_bytes);
    const auto outside =
        apply(outer_edits(protection, original.header, {{"Content-Type", " multipart/encrypted"}}),
              original.header);
    check_outside(outside);
    fuzz::require(payload.header.count("Bcc") == 0 && payload.header.count("MIME-Version") >= 1);
    if (protection.payload_trailer.empty()) {
        fuzz::require(payload.body == original.body);
    } else {
        fuzz::require(payload.body.find(original.body) != std::string_view::npos);
    }

    const auto restored = restore(outside, payload);
    fuzz::require(restored.header.count("HP-Outer") == outside.count("HP-Outer"));
    for (const auto* name : {"DKIM-Signature", "ARC-Seal"}) {
        fuzz::require(restored.header.all(name) == original.header.all(name));
    }
    if (original.header.count("MIME-Version") > 0) {
        fuzz::require(restored.header.all("MIME-Version") == original.header.all("MIME-Version"));
    }
    if (is_signed(layer)) {
        fuzz::require(payload.header.count("Subject") == 0);
        return 0;
    }
    for (const auto* name : {"Subject", "Comments", "Keywords"}) {
        fuzz::require(payload.header.all(name) == original.header.all(name));
        fuzz::require(restored.header.all(name) == original.header.all(name));
    }
    fuzz::require(outside.count("Subject") == (original.header.count("Subject") > 0 ? 1U : 0U));
    fuzz::require(outside.first("Subject").value_or("[...]") == "[...]");
    fuzz::require(outside.count("Comments") + outside.count("Keywords") == 0);

    // A reader of an attacker's payload must not fall over it either.
    static_cast<void>(restore(original.header, MessageView::parse(original.body)));
    return 0;
}
