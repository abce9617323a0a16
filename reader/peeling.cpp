#include "reader/peeling.hpp"

#include "base/ascii.hpp"
#include "crypto/payload_digest.hpp"
#include "mail/layer.hpp"
#include "mail/restoration.hpp"
#include "reader/composition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace lockbox::reader {
namespace {

void append(std::vector<Signature>& to, std::vector<Signature> signatures) {
    std::move(signatures.begin(), signatures.end(), std::back_inserter(to));
}

} // namespace

Peeling::Peeling(Opening& opening, World& world, std::string_view bytes)
    : opening_(opening), world_(world), root_(mail::parse_entity(bytes)), outer_(root_.header) {}

void Peeling::peel() {
    while (take_off_one()) {
    }
    if (world_.is_sealed && !bare_ && !root_is_signed_) {
        drop_legacy_display();
    }
}

bool Peeling::take_off_one() {
    const auto layer = layer_of(root_);
    if (mail::is_sealed(layer) && has_unshown_text(root_)) {
        world_.leaves_text_out = true;
        world_.warnings.emplace_back(
            "text stands around the sealed part, where no mail program shows it; nothing "
            "protects it, and what is opened is without it. In its place the message "
            "stays as it is");
    }
    if (const auto part = only_sealed_part(root_); !part.empty()) {
        go_into(mail::parse_entity(part));
        return true;
    }
    if (auto structure = sealed_structure(root_)) {
        go_into(mail::parse_entity(keep(Secret(std::move(*structure)))));
        return true;
    }
    const auto form = sealed_form(root_);
    if ((form || mail::is_signed(layer)) && world_.layers.size() >= layers_max) {
        throw Error(ErrorKind::too_large,
                    fmt::format("the message has more than {} layers around each other", layers_max));
    }
    if (form) {
        return take_off_seal(*form);
    }
    if (layer == mail::Layer::smime_signed) {
        return take_off_opaque_signature();
    }
    if (layer == mail::Layer::multipart_signed) {
        return take_off_detached_signature();
    }
    if (const auto block = whole_signed_text(root_)) {
        return take_off_signature_of_text(*block);
    }
    if (const auto reason = broken_seal(root_)) {
        throw Error(ErrorKind::malformed, *reason, "`lockbox inspect` shows its structure");
    }
    return false;
}

bool Peeling::take_off_seal(const SealedForm& form) {
    auto decrypted = opening_.decrypt(form);
    const bool authenticated = decrypted.integrity == crypto::Integrity::authenticated;
    auto payload = keep(std::move(decrypted.plaintext));
    bool is_as_sealed = authenticated;
    if (!authenticated) { // before anything is taken for opened
        const auto digested = crypto::check_payload_digest(payload);
        if (digested.digest == crypto::PayloadDigest::wrong) {
            throw Error(
                ErrorKind::malformed,
                "what it opens to is not what was sealed: the digest in it is that of another text, as "
                "when somebody changes a message on its way");
        }
        payload = digested.payload;
        is_as_sealed = digested.digest == crypto::PayloadDigest::right;
    }
    world_.is_sealed = true;
    world_.layers.push_back(
        form.words + (decrypted.content_encryption.empty() ? "" : ", " + decrypted.content_encryption));
    if (world_.recipients.empty()) {
        world_.recipients = std::move(decrypted.recipients);
    }
    for (auto& signature : world_.signatures) {
        signature.is_around_encryption = true;
    }
    append(world_.signatures, std::move(decrypted.signatures));
    if (authenticated) {
        world_.protection = Protection::authenticated;
        unproven_ = false;
    } else if (world_.protection == Protection::none) {
        world_.protection = Protection::without_integrity;
        unproven_ = !is_as_sealed;
    }
    if (form.content == Content::text || (form.content == Content::file && !is_mime_entity(payload))) {
        file_name_ = name_of_encrypted_file(root_.file_name().value_or(""));
        bare_ = form.content;
        return false;
    }
    root_ = mail::parse_entity(payload);
    return true;
}

bool Peeling::take_off_opaque_signature() {
    const Secret signed_data(mail::signed_data_bytes(root_.header, root_.body));
    auto verified = opening_.engine().verify_opaque(signed_data.expose());
    if (!verified) {
        throw Error(ErrorKind::malformed, "the S/MIME signature around the message is damaged");
    }
    take_signatures(std::move(verified->signatures));
    world_.is_opaque = true;
    world_.layers.emplace_back(mail::describe(mail::Layer::smime_signed));
    go_into(mail::parse_entity(keep(Secret(std::move(verified->content)))));
    return true;
}

/// RFC 9580 §7 and §10.3. What is damaged there stays what it is: a text that says it is signed.
bool Peeling::take_off_signature_of_text(const std::string& block) {
    const auto packets = unencrypted_message(block);
    auto verified = packets ? opening_.engine().verify_openpgp_message(*packets)
                            : opening_.engine().verify_clear_signed(block);
    if (!verified) {
        return false;
    }
    take_signatures(std::move(verified->signatures));
    world_.is_opaque = true;
    world_.layers.emplace_back(world_.signatures.empty() ? "neither sealed nor signed, OpenPGP in a text"
                                                         : "signed, OpenPGP in a text");
    (void)keep(Secret(std::move(verified->content)));
    bare_ = Content::text;
    return false;
}

/// The signed part stays in its signature, unless it is sealed: then only what is inside is of use.
bool Peeling::take_off_detached_signature() {
    const auto entity = mail::signed_entity(root_.header, root_.body);
    take_signatures(opening_.verify(*entity));
    world_.layers.emplace_back(mail::describe(mail::Layer::multipart_signed));
    auto inner = mail::parse_entity(entity->content);
    if (sealed_form(inner)) {
        go_into(std::move(inner));
        return true;
    }
    root_is_signed_ = true;
    return false;
}

/// What sealing wrote beside a signature is no part of what is in it.
void Peeling::go_into(mail::Entity inner) {
    outer_ = mail::with_kept_fields(outer_, root_.header);
    root_ = std::move(inner);
}

void Peeling::take_signatures(std::vector<Signature> signatures) {
    if (any_proves_integrity(signatures)) {
        unproven_ = false;
    }
    append(world_.signatures, std::move(signatures));
}

void Peeling::drop_legacy_display() {
    auto display = without_legacy_display(root_);
    if (!display.empty()) {
        root_ = mail::parse_entity(keep(composed(root_.bytes, std::move(display))));
    }
}

} // namespace lockbox::reader
