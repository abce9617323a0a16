#include "crypto/seal.hpp"

#include "base/encoding.hpp"
#include "crypto/payload_digest.hpp"
#include "mail/base64_lines.hpp"
#include "mail/line_ends.hpp"
#include "mail/openpgp_packet.hpp"
#include "mail/sealed_form.hpp"

#include <array>

namespace lockbox::crypto {
namespace {

constexpr std::size_t boundary_octets = 16; // 128 bit: no two messages share a boundary

/// What one recipient adds beside the payload, with the framing: an OpenPGP ECDH, RSA-4096 or ElGamal-4096
/// key packet, or a CMS RecipientInfo with a long name of its issuer, take at most this.
constexpr std::size_t recipient_octets_max = 1100;

/// A guess from above of the ciphertext's length, to reserve memory.
std::size_t sealed_octets(const Recipients& recipients, std::span<const std::string_view> payload) {
    std::size_t octets = recipients.all().size() * recipient_octets_max;
    for (const auto piece : payload) {
        octets += piece.size() + piece.size() / 256; // partial lengths: some octets for every chunk
    }
    return octets;
}

std::vector<mail::HeaderField> write_openpgp(const Recipients& recipients,
                                             std::span<const std::string_view> payload, Sealer& sealer,
                                             std::string& body) {
    auto form = mail::openpgp_mime_form(hex_encode(random_bytes(boundary_octets)));
    constexpr std::size_t armor_frame_octets = 200;
    body.reserve(form.before_armor.size() + form.after_armor.size() + armor_frame_octets +
                 mail::base64_lines_octets(sealed_octets(recipients, payload)));
    body = form.before_armor;
    mail::ArmorWriter armor(body, "PGP MESSAGE");
    sealer.encrypt(recipients, payload, [&](std::string_view packets) { armor.write(packets); });
    armor.finish();
    body += form.after_armor;
    return std::move(form.structural);
}

std::vector<mail::HeaderField> write_smime(const Recipients& recipients,
                                           std::span<const std::string_view> payload, Sealer& sealer,
                                           std::string& body) {
    body.reserve(mail::base64_lines_octets(sealed_octets(recipients, payload)));
    mail::Base64LineWriter lines(body);
    sealer.encrypt(recipients, payload, [&](std::string_view cms) { lines.write(cms); });
    lines.finish();
    return mail::smime_form(recipients.content_encryption() == ContentEncryption::aes256_gcm
                                ? mail::SmimeType::auth_enveloped_data
                                : mail::SmimeType::enveloped_data);
}

/// Nothing in CBC tells whether the ciphertext was changed.
bool needs_digest(const Recipients& recipients) noexcept {
    return recipients.protocol() == Protocol::smime &&
           recipients.content_encryption() == ContentEncryption::aes256_cbc;
}

} // namespace

void Sealer::encrypt(const Recipients& recipients, std::span<const std::string_view> pieces,
                     const std::function<void(std::string_view)>& output) {
    switch (recipients.protocol()) {
    case Protocol::openpgp:
        return openpgp.encrypt(recipients, pieces, output);
    case Protocol::smime:
        return cms.encrypt(recipients, pieces, output);
    }
}

SealedMessage seal(const mail::HeaderSection& header, std::string_view body, const Recipients& recipients,
                   mail::OuterSubject outer_subject, Sealer& sealer, const mail::OuterFields& outer_fields) {
    const auto protection = mail::protect(header, body, outer_subject, outer_fields);
    const auto canonical = mail::has_only_crlf(body) ? std::string() : mail::to_crlf(body);
    const std::array<std::string_view, 3> entity{
        protection.payload_header, canonical.empty() ? body : canonical, protection.payload_trailer};
    const auto digest = needs_digest(recipients) ? payload_digest_field(entity) : std::string();
    const std::array<std::string_view, 4> payload{digest, entity[0], entity[1], entity[2]};
    SealedMessage sealed;
    const auto structural = recipients.protocol() == Protocol::openpgp
                                ? write_openpgp(recipients, payload, sealer, sealed.body)
                                : write_smime(recipients, payload, sealer, sealed.body);
    sealed.header = mail::outer_edits(protection, header, structural);
    return sealed;
}

void self_test() {
    self_test_openpgp();
    self_test_cms();
}

std::string engine_versions() {
    return openpgp_engine_version() + ", " + cms_engine_version();
}

} // namespace lockbox::crypto
