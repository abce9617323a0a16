#include "crypto/seal.hpp"

#include "base/encoding.hpp"
#include "mail/line_ends.hpp"
#include "mail/openpgp_packet.hpp"
#include "mail/protection.hpp"
#include "mail/sealed_form.hpp"

#include <array>

namespace lockbox::crypto {
namespace {

constexpr std::size_t boundary_octets = 16; // 128 bit: no two messages share a boundary

/// PKESKs, framing and MDC beside the payload: what an ECDH, RSA-4096 or ElGamal-4096 recipient takes at
/// most.
constexpr std::size_t recipient_octets_max = 1100;

} // namespace

SealedMessage seal(const mail::HeaderSection& header, std::string_view body, const Recipients& recipients,
                   Sealer& sealer) {
    const auto protection = mail::protect(header, body);
    const auto form = mail::openpgp_mime_form(hex_encode(random_bytes(boundary_octets)));

    const auto canonical = mail::has_only_crlf(body) ? std::string() : mail::to_crlf(body);
    const std::array<std::string_view, 3> payload{
        protection.payload_header, canonical.empty() ? body : canonical, protection.payload_trailer};
    std::size_t octets = recipients.all().size() * recipient_octets_max;
    for (const auto piece : payload) {
        octets += piece.size() + piece.size() / 256; // partial lengths: an octet for every chunk
    }

    SealedMessage sealed;
    sealed.header = mail::outer_edits(protection, header, form.structural);
    const auto armored = octets / 48 * 66 + 200;
    sealed.body.reserve(form.before_armor.size() + armored + form.after_armor.size());
    sealed.body = form.before_armor;
    mail::ArmorWriter armor(sealed.body, "PGP MESSAGE");
    sealer.openpgp.encrypt(recipients, payload, [&](std::string_view packets) { armor.write(packets); });
    armor.finish();
    sealed.body += form.after_armor;
    return sealed;
}

} // namespace lockbox::crypto
