// What sealing takes from the outside, opening brings back; the body survives; nobody in Bcc is seen.
#include "base/ascii.hpp"
#include "mail/layer.hpp"
#include "mail/outer_fields.hpp"
#include "mail/protected_fields.hpp"
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
        fuzz::require(is_structural(field.name) || equal_ignoring_case(field.name, "Subject") ||
                      OuterFields().contains(field.name));
        fuzz::require(!is_domain_signature(field.name));
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
        fuzz::require(payload.header.all(name) == original.header.all(name));
        fuzz::require(restored.header.all(name) == original.header.all(name));
    }
    if (original.header.count("MIME-Version") > 0) {
        fuzz::require(restored.header.all("MIME-Version") == original.header.all("MIME-Version"));
    }
    // Nothing is lost: what is not outside is inside.
    for (const auto& field : original.header.fields()) {
        const bool is_inside_only = !is_structural(field.name) &&
                                    !equal_ignoring_case(field.name, "Subject") &&
                                    !is_blind_copy_field(field.name) && !is_record_of_outside(field.name) &&
                                    !OuterFields().contains(field.name);
        if (is_inside_only) {
            fuzz::require(payload.header.all(field.name) == original.header.all(field.name));
        }
        if (is_inside_only && !is_filter_verdict(field.name) && !is_signed(layer)) {
            fuzz::require(restored.header.all(field.name) == original.header.all(field.name));
        }
    }
    if (is_signed(layer)) {
        fuzz::require(payload.header.count("Subject") == 0);
        return 0;
    }
    fuzz::require(payload.header.all("Subject") == original.header.all("Subject"));
    fuzz::require(restored.header.all("Subject") == original.header.all("Subject"));
    fuzz::require(outside.count("Subject") == (original.header.count("Subject") > 0 ? 1U : 0U));
    fuzz::require(outside.first("Subject").value_or("[...]") == "[...]");

    // A reader of an attacker's payload must not fall over it either.
    static_cast<void>(restore(original.header, MessageView::parse(original.body)));
    return 0;
}
