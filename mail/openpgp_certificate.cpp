#include "mail/openpgp_certificate.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockbox::mail {
namespace {

constexpr std::size_t v4_fingerprint_octets = 20;
constexpr std::size_t key_id_octets = 8;

std::uint32_t octet(std::string_view bytes, std::size_t at) noexcept {
    return static_cast<unsigned char>(bytes[at]);
}

std::uint32_t number(std::string_view bytes) noexcept {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        value = (value << 8U) | octet(bytes, i);
    }
    return value;
}

/// RFC 9580 §5.2.3.7. Takes one subpacket off the front, type and contents together. nullopt: malformed.
std::optional<std::string_view> take_subpacket(std::string_view& area) noexcept {
    if (area.empty()) {
        return std::nullopt;
    }
    const auto first = octet(area, 0);
    std::size_t length = first;
    std::size_t taken = 1;
    if (first == 255) {
        if (area.size() < 5) {
            return std::nullopt;
        }
        length = number(area.substr(1, 4));
        taken = 5;
    } else if (first >= 192) {
        if (area.size() < 2) {
            return std::nullopt;
        }
        length = ((first - 192U) << 8U) + octet(area, 1) + 192U;
        taken = 2;
    }
    if (length == 0 || length > area.size() - taken) {
        return std::nullopt;
    }
    const auto subpacket = area.substr(taken, length);
    area.remove_prefix(taken + length);
    return subpacket;
}

void read_issuer(std::string_view subpacket, SignatureFacts& facts) {
    constexpr unsigned issuer = 16;
    constexpr unsigned issuer_fingerprint = 33;
    const auto contents = subpacket.substr(1);
    switch (octet(subpacket, 0) & 0x7fU) {
    case issuer:
        if (contents.size() == key_id_octets && facts.issuer_key_id.empty()) {
            facts.issuer_key_id = hex_encode(contents);
        }
        break;
    case issuer_fingerprint:
        if (contents.size() > key_id_octets && facts.issuer_fingerprint.empty()) {
            facts.issuer_fingerprint = hex_encode(contents.substr(1));
        }
        break;
    default:
        break;
    }
}

void read_hashed(std::string_view subpacket, SignatureFacts& facts) {
    constexpr unsigned creation = 2;
    constexpr unsigned expiration = 3;
    constexpr unsigned revocation_key = 12;
    constexpr unsigned flags = 27;
    const auto contents = subpacket.substr(1);
    switch (octet(subpacket, 0) & 0x7fU) {
    case creation:
        facts.created = contents.size() == 4 ? number(contents) : 0;
        break;
    case expiration:
        facts.lifetime = contents.size() == 4 ? number(contents) : 0;
        break;
    case revocation_key:
        if (contents.size() == 2 + v4_fingerprint_octets && (octet(contents, 0) & 0x80U) != 0) {
            facts.revocation_keys.push_back(hex_encode(contents.substr(2)));
        }
        break;
    case flags:
        facts.key_flags = contents;
        break;
    default:
        read_issuer(subpacket, facts);
        break;
    }
}

std::optional<SignatureFacts> read_v3(std::string_view body) {
    // RFC 9580 §5.2.2.
    if (body.size() < 19 || octet(body, 1) != 5) {
        return std::nullopt;
    }
    SignatureFacts facts;
    facts.version = octet(body, 0);
    facts.type = octet(body, 2);
    facts.created = number(body.substr(3, 4));
    facts.issuer_key_id = hex_encode(body.substr(7, key_id_octets));
    facts.key_algorithm = octet(body, 15);
    facts.hash_algorithm = octet(body, 16);
    facts.hashed = body.substr(2, 5);
    facts.digest_begins = body.substr(17, 2);
    return facts;
}

std::optional<SignatureFacts> read_v4(std::string_view body) {
    // RFC 9580 §5.2.3.
    constexpr std::size_t head = 6;
    if (body.size() < head) {
        return std::nullopt;
    }
    const std::size_t hashed = number(body.substr(4, 2));
    if (body.size() < head + hashed + 2) {
        return std::nullopt;
    }
    const std::size_t unhashed = number(body.substr(head + hashed, 2));
    if (body.size() < head + hashed + 2 + unhashed + 2) {
        return std::nullopt;
    }
    SignatureFacts facts;
    facts.version = octet(body, 0);
    facts.type = octet(body, 1);
    facts.key_algorithm = octet(body, 2);
    facts.hash_algorithm = octet(body, 3);
    facts.hashed = body.substr(0, head + hashed);
    facts.digest_begins = body.substr(head + hashed + 2 + unhashed, 2);
    auto area = body.substr(head, hashed);
    while (!area.empty()) {
        const auto subpacket = take_subpacket(area);
        if (!subpacket) {
            return std::nullopt;
        }
        read_hashed(*subpacket, facts);
    }
    area = body.substr(head + hashed + 2, unhashed);
    while (const auto subpacket = take_subpacket(area)) {
        read_issuer(*subpacket, facts);
    }
    return facts;
}

} // namespace

bool SignatureFacts::is_certification() const noexcept {
    return type >= signature_type::certification_min && type <= signature_type::certification_max;
}

bool SignatureFacts::is_revocation() const noexcept {
    return type == signature_type::key_revocation || type == signature_type::subkey_revocation ||
           type == signature_type::certification_revocation;
}

std::optional<std::int64_t> SignatureFacts::ends() const noexcept {
    return lifetime == 0
               ? std::nullopt
               : std::optional(static_cast<std::int64_t>(created) + static_cast<std::int64_t>(lifetime));
}

std::optional<SignatureFacts> read_signature(std::string_view packet_body) {
    if (packet_body.empty()) {
        return std::nullopt;
    }
    switch (octet(packet_body, 0)) {
    case 2:
    case 3:
        return read_v3(packet_body);
    case 4:
        return read_v4(packet_body);
    default:
        return std::nullopt;
    }
}

bool may_be_by(const SignatureFacts& signature, std::string_view fingerprint) noexcept {
    if (!signature.issuer_fingerprint.empty()) {
        return signature.issuer_fingerprint == fingerprint;
    }
    return signature.issuer_key_id.empty() || fingerprint.ends_with(signature.issuer_key_id);
}

std::vector<CertificatePart> certificate_parts(std::string_view transferable_key) {
    std::vector<CertificatePart> parts;
    bool attaches = false; // signatures belong to the last part
    PacketReader reader(transferable_key);
    while (const auto packet = reader.next()) {
        switch (packet->tag) {
        case packet_tag::public_key:
            if (!parts.empty()) {
                return parts;
            }
            [[fallthrough]];
        case packet_tag::user_id:
        case packet_tag::user_attribute:
        case packet_tag::public_subkey:
            if (parts.empty() && packet->tag != packet_tag::public_key) {
                return {};
            }
            parts.push_back({*packet, {}});
            attaches = true;
            break;
        case packet_tag::signature:
            if (attaches) {
                parts.back().signatures.push_back(*packet);
            }
            break;
        case packet_tag::marker:
        case packet_tag::padding:
        case packet_tag::trust:
            break;
        default:
            attaches = false; // what is signed is unknown, and so are the signatures that follow
            break;
        }
    }
    return parts;
}

std::string key_algorithm_name(unsigned algorithm) {
    switch (algorithm) {
    case 1:
    case 2:
    case 3:
        return "RSA";
    case 8:
        return "Kyber";
    case 16:
    case 20:
        return "ElGamal";
    case 17:
        return "DSA";
    case 18:
        return "ECDH";
    case 19:
        return "ECDSA";
    case 22:
        return "EdDSA";
    case 25:
        return "X25519";
    case 26:
        return "X448";
    case 27:
        return "Ed25519";
    case 28:
        return "Ed448";
    case 30:
        return "ML-DSA-65+Ed25519";
    case 31:
        return "ML-DSA-87+Ed448";
    case 32:
        return "SLH-DSA-SHAKE-128s";
    case 33:
        return "SLH-DSA-SHAKE-128f";
    case 34:
        return "SLH-DSA-SHAKE-256s";
    case 35:
        return "ML-KEM-768+X25519";
    case 36:
        return "ML-KEM-1024+X448";
    default:
        return fmt::format("algorithm {}", algorithm);
    }
}

std::optional<Address> address_in_user_id(std::string_view user_id) {
    auto mailbox = user_id;
    if (const auto open = user_id.find('<'); open != std::string_view::npos) {
        const auto close = user_id.find('>', open);
        if (close == std::string_view::npos) {
            return std::nullopt;
        }
        mailbox = user_id.substr(open + 1, close - open - 1);
    }
    const auto breaks = [](char c) { return is_space(c) || is_control(c); };
    if (std::any_of(mailbox.begin(), mailbox.end(), breaks) ||
        std::count(mailbox.begin(), mailbox.end(), '@') != 1) {
        return std::nullopt;
    }
    return Address::parse(mailbox);
}

} // namespace lockbox::mail
