#include "crypto/open.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "mail/address.hpp"
#include "mail/content_type.hpp"
#include "mail/line_ends.hpp"
#include "mail/protection.hpp"

#include <algorithm>
#include <optional>

namespace lockbox::crypto {
namespace {

[[noreturn]] void throw_nothing_to_open(const mail::Message& message) {
    if (message.body.find("-----BEGIN PGP MESSAGE-----") != std::string::npos) {
        throw Error(ErrorKind::nothing_to_open,
                    "the message is not sealed as a whole: it has OpenPGP data in it beside readable text",
                    "`lockbox inspect` shows its structure; save the OpenPGP part and open that with `gpg "
                    "--decrypt`");
    }
    throw Error(ErrorKind::nothing_to_open, "the message is not sealed");
}

/// The header section of an inline message describes its armor: the text in it has no transfer encoding any
/// more, and OpenPGP text is UTF-8 (RFC 9580 §5.9) wherever it can be.
mail::HeaderSection header_for_text(const mail::HeaderSection& header, std::string_view text) {
    mail::HeaderSection result;
    if (header.fields().empty()) {
        return result; // armor alone, no message
    }
    const bool eight_bit = !all_ascii(text);
    for (const auto& field : header.fields()) {
        if (equal_ignoring_case(field.name, "Content-Transfer-Encoding")) {
            continue;
        }
        if (equal_ignoring_case(field.name, "Content-Type") && eight_bit && is_utf8(text)) {
            result.add(
                field.name,
                mail::with_parameters(field.body, {"charset"}, "; charset=utf-8").value_or(field.body));
        } else {
            result.add(field.name, field.body);
        }
    }
    if (eight_bit) {
        if (header.count("Content-Type") == 0 && is_utf8(text)) {
            result.add("Content-Type", " text/plain; charset=utf-8");
        }
        if (header.count("MIME-Version") == 0) {
            result.add("MIME-Version", " 1.0");
        }
        result.add("Content-Transfer-Encoding", " 8bit");
    }
    return result;
}

bool is_smime(mail::Layer layer) noexcept {
    return layer == mail::Layer::smime_enveloped || layer == mail::Layer::smime_auth_enveloped;
}

/// Decrypts into what it returns, and fills in what is known of the encryption.
Secret decrypt(const mail::Message& message, const OpenOptions& options, OpenedMessage& opened) {
    const auto bytes = mail::sealed_bytes(message.header, message.body);
    if (!is_smime(opened.layer)) {
        auto decrypted = decrypt_openpgp(bytes);
        opened.integrity = Integrity::authenticated; // or it would have thrown
        opened.recipients = std::move(decrypted.recipient_key_ids);
        opened.signatures = std::move(decrypted.signatures);
        return std::move(decrypted.plaintext);
    }
    auto decrypted =
        options.key_file != nullptr ? decrypt_cms(bytes, *options.key_file) : decrypt_cms_with_gpgsm(bytes);
    opened.integrity = decrypted.integrity;
    opened.content_encryption = decrypted.content_encryption;
    opened.recipients = std::move(decrypted.recipients);
    return std::move(decrypted.plaintext);
}

/// What was signed is in CRLF (RFC 8551 §3.1.1), but who sealed it may have turned that into LF.
std::vector<CmsSignature> verify_entity(const mail::SignedEntity& entity, const OpenOptions& options) {
    auto signatures = verify_detached(entity.content, entity.signature, options.authorities, options.now);
    const bool good = std::any_of(signatures.begin(), signatures.end(),
                                  [](const CmsSignature& signature) { return signature.good; });
    if (!good && !mail::has_only_crlf(entity.content)) {
        const Secret canonical(mail::to_crlf(entity.content));
        return verify_detached(canonical.expose(), entity.signature, options.authorities, options.now);
    }
    return signatures;
}

/// Verifies a signature over all of the payload, and unwraps it where it is a SignedData. nullopt: the
/// payload stays as it is.
std::optional<Secret> verified(const mail::MessageView& payload, const OpenOptions& options,
                               OpenedMessage& opened) {
    if (const auto entity = mail::signed_entity(payload.header, payload.body)) {
        if (entity->signature_type != "application/pgp-signature") {
            opened.smime_signatures = verify_entity(*entity, options);
        }
        return std::nullopt;
    }
    const Secret signed_data(mail::signed_data_bytes(payload.header, payload.body));
    if (signed_data.size() == 0) {
        return std::nullopt;
    }
    auto opaque = verify_opaque(signed_data.expose(), options.authorities, options.now);
    if (!opaque) {
        opened.warnings.emplace_back(
            "the signature around the message is damaged, and the message stays in it");
        return std::nullopt;
    }
    opened.smime_signatures = std::move(opaque->signatures);
    return Secret(std::move(opaque->content));
}

void compare_with_sender(std::vector<CmsSignature>& signatures, const mail::HeaderSection& header) {
    const auto senders = mail::addresses_in(header.first("From").value_or(""));
    for (auto& signature : signatures) {
        signature.is_of_sender =
            header.count("From") == 1 && senders.size() == 1 && signature.is_for(senders.front());
    }
}

} // namespace

OpenedMessage open(const mail::Message& message, const OpenOptions& options) {
    OpenedMessage opened;
    opened.layer = mail::outermost_layer(message.header, message.body);
    if (!mail::is_sealed(opened.layer)) {
        throw_nothing_to_open(message);
    }
    auto plaintext = decrypt(message, options, opened);
    if (opened.layer == mail::Layer::openpgp_inline) {
        opened.header = header_for_text(message.header, plaintext.expose());
        opened.body = std::move(plaintext);
        return opened;
    }
    auto payload = mail::MessageView::parse(plaintext.expose());
    const auto unwrapped = verified(payload, options, opened);
    if (unwrapped) {
        payload = mail::MessageView::parse(unwrapped->expose());
    }
    opened.body = Secret(std::string(payload.body));
    auto restored = mail::restore(message.header, payload);
    opened.header = std::move(restored.header);
    opened.header_was_protected = restored.was_protected;
    opened.warnings.insert(opened.warnings.end(), restored.warnings.begin(), restored.warnings.end());
    compare_with_sender(opened.smime_signatures, opened.header);
    return opened;
}

} // namespace lockbox::crypto
