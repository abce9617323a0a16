#include "crypto/open.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "mail/content_type.hpp"
#include "mail/protection.hpp"

#include <fmt/format.h>

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

} // namespace

OpenedMessage open(const mail::Message& message) {
    const auto layer = mail::outermost_layer(message.header, message.body);
    if (!mail::is_sealed(layer)) {
        throw_nothing_to_open(message);
    }
    if (layer == mail::Layer::smime_enveloped || layer == mail::Layer::smime_auth_enveloped) {
        throw Error(ErrorKind::malformed,
                    fmt::format("the message is sealed with {}, which this version does not open",
                                mail::describe(layer)),
                    "open it with a mail program or with `openssl cms -decrypt`");
    }
    auto decrypted = decrypt_openpgp(mail::sealed_bytes(message.header, message.body));

    OpenedMessage opened;
    opened.layer = layer;
    opened.recipient_key_ids = std::move(decrypted.recipient_key_ids);
    opened.signatures = std::move(decrypted.signatures);
    if (layer == mail::Layer::openpgp_inline) {
        opened.header = header_for_text(message.header, decrypted.plaintext.expose());
        opened.body = std::move(decrypted.plaintext);
        return opened;
    }
    const auto payload = mail::MessageView::parse(decrypted.plaintext.expose());
    opened.body = Secret(std::string(payload.body));
    auto restored = mail::restore(message.header, payload);
    opened.header = std::move(restored.header);
    opened.header_was_protected = restored.was_protected;
    opened.warnings = std::move(restored.warnings);
    return opened;
}

} // namespace lockbox::crypto
