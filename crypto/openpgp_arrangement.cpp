#include "crypto/openpgp_arrangement.hpp"

#include "base/error.hpp"
#include "crypto/openpgp_recipient.hpp"
#include "crypto/openssl_handles.hpp"
#include "mail/openpgp_certificate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>

namespace lockbox::crypto {
namespace {

using namespace std::string_view_literals;
using mail::CertificatePart;
using mail::SignatureFacts;
namespace tag = mail::packet_tag;
namespace type = mail::signature_type;

/// So much is hashed to find out where signatures belong; what is beyond it stays where it is. An honest
/// certificate takes some KiB.
constexpr std::size_t hashed_octets_max = 64U << 20U;

/// What is known to GnuPG 2.2 and librnp 0.16: RFC 9580 §9.2.
constexpr std::array<std::string_view, 9> known_curves{
    "\x2a\x86\x48\xce\x3d\x03\x01\x07"sv,         // P-256
    "\x2b\x81\x04\x00\x22"sv,                     // P-384
    "\x2b\x81\x04\x00\x23"sv,                     // P-521
    "\x2b\x24\x03\x03\x02\x08\x01\x01\x07"sv,     // brainpoolP256r1
    "\x2b\x24\x03\x03\x02\x08\x01\x01\x0b"sv,     // brainpoolP384r1
    "\x2b\x24\x03\x03\x02\x08\x01\x01\x0d"sv,     // brainpoolP512r1
    "\x2b\x06\x01\x04\x01\xda\x47\x0f\x01"sv,     // Ed25519, of old
    "\x2b\x06\x01\x04\x01\x97\x55\x01\x05\x01"sv, // Curve25519, of old
    "\x2b\x81\x04\x00\x0a"sv,                     // secp256k1
};

unsigned octet(std::string_view bytes, std::size_t at) noexcept {
    return static_cast<unsigned char>(bytes[at]);
}

std::string length_of(std::size_t value, unsigned octets) {
    std::string text;
    for (unsigned i = octets; i > 0; --i) {
        text += static_cast<char>((value >> (8U * (i - 1))) & 0xffU);
    }
    return text;
}

bool is_key(unsigned packet_tag) noexcept {
    return packet_tag == tag::public_key || packet_tag == tag::public_subkey;
}

bool is_name(unsigned packet_tag) noexcept {
    return packet_tag == tag::user_id || packet_tag == tag::user_attribute;
}

/// Whether a signature of this type can be over a part of this kind.
bool fits(unsigned signature_type, unsigned packet_tag) noexcept {
    switch (signature_type) {
    case type::direct_key:
    case type::key_revocation:
        return packet_tag == tag::public_key;
    case type::subkey_binding:
    case type::subkey_revocation:
        return packet_tag == tag::public_subkey;
    case type::certification_revocation:
        return is_name(packet_tag);
    default:
        return signature_type >= type::certification_min && signature_type <= type::certification_max &&
               is_name(packet_tag);
    }
}

/// RFC 9580 §5.2.4: a part as it is hashed.
std::string hashed_form(const CertificatePart& part, bool by_v4) {
    if (is_key(part.packet.tag)) {
        return '\x99' + length_of(part.packet.body.size(), 2) + std::string(part.packet.body);
    }
    const auto prefix =
        by_v4 ? (part.packet.tag == tag::user_id ? '\xb4' : '\xd1') + length_of(part.packet.body.size(), 4)
              : std::string();
    return prefix + std::string(part.packet.body);
}

const EVP_MD* digest_of(unsigned hash_algorithm) noexcept {
    switch (hash_algorithm) { // RFC 9580 §9.5
    case 2:
        return EVP_sha1();
    case 8:
        return EVP_sha256();
    case 9:
        return EVP_sha384();
    case 10:
        return EVP_sha512();
    case 11:
        return EVP_sha224();
    case 12:
        return EVP_sha3_256();
    case 14:
        return EVP_sha3_512();
    default:
        return nullptr;
    }
}

enum class Place { right, wrong, unknown };

class Arrangement {
public:
    Arrangement(std::string_view transferable_key, std::span<const std::string> signers)
        : parts_(mail::certificate_parts(transferable_key)) {
        if (parts_.empty()) {
            return;
        }
        const auto fingerprint = openpgp_key_fingerprint(parts_.front().packet.body);
        if (!fingerprint) {
            parts_.clear();
            return;
        }
        owner_ = *fingerprint;
        constexpr std::size_t created_at = 1;
        for (std::size_t i = 0; i < 4; ++i) {
            created_ = (created_ << 8U) | octet(parts_.front().packet.body, created_at + i);
        }
        signers_.insert(signers.begin(), signers.end());
    }

    ArrangedCertificate arrange(std::string_view loose) {
        ArrangedCertificate arranged;
        if (parts_.empty()) {
            return arranged;
        }
        collect(loose, arranged);
        kept_.resize(known_.size());
        for (const auto& [packet, facts, home] : signatures_) {
            put(packet, facts, home);
        }
        // Of two from the same second GnuPG believes the one that stands behind: that is to be the
        // revocation.
        for (auto& kept : kept_) {
            std::stable_partition(kept.begin(), kept.end(), [](const Kept& each) { return !each.revokes; });
        }
        std::set<std::string> revokers;
        for (std::size_t i = 0; i < known_.size(); ++i) {
            arranged.bytes += known_[i].packet.whole;
            arranged.user_ids += is_name(known_[i].packet.tag) ? 1U : 0U;
            arranged.subkeys += known_[i].packet.tag == tag::public_subkey ? 1U : 0U;
            arranged.signatures += kept_[i].size();
            for (const auto& each : kept_[i]) {
                arranged.bytes += each.packet;
            }
        }
        for (const auto& [packet, facts, home] : signatures_) {
            if (facts.type == type::key_revocation && !may_be_by(facts, owner_)) {
                for (const auto& revoker : revokers_) {
                    if (may_be_by(facts, revoker)) {
                        revokers.insert(revoker);
                    }
                }
            }
        }
        arranged.revokers.assign(revokers.begin(), revokers.end());
        return arranged;
    }

private:
    struct Signature {
        mail::Packet packet;
        SignatureFacts facts;
        std::optional<std::size_t> home; ///< in known_; nullopt: behind what is left out, or behind nothing
    };

    struct Kept {
        std::string_view packet;
        bool revokes; ///< a subkey or a User ID
    };

    void collect(std::string_view loose, ArrangedCertificate& arranged) {
        for (const auto& part : parts_) {
            const bool is_subkey = part.packet.tag == tag::public_subkey;
            const auto unknown = is_subkey ? unknown_key_kind(part.packet.body) : std::nullopt;
            if (unknown) {
                arranged.left_out.push_back({*unknown});
            } else {
                known_.push_back(part);
            }
            for (const auto& packet : part.signatures) {
                collect(packet, unknown ? std::nullopt : std::optional(known_.size() - 1));
            }
        }
        mail::PacketReader reader(loose);
        while (const auto packet = reader.next()) {
            if (packet->tag == tag::signature) {
                collect(*packet, std::nullopt);
            }
        }
        std::erase_if(signatures_, [&](const Signature& signature) { return !is_wanted(signature.facts); });
    }

    void collect(const mail::Packet& packet, std::optional<std::size_t> home) {
        auto facts = mail::read_signature(packet.body);
        if (!facts) {
            return;
        }
        if (may_be_by(*facts, owner_)) {
            revokers_.insert(facts->revocation_keys.begin(), facts->revocation_keys.end());
        }
        signatures_.push_back({packet, *std::move(facts), home});
    }

    bool is_wanted(const SignatureFacts& facts) const {
        if (may_be_by(facts, owner_)) {
            return facts.created >= created_;
        }
        const auto made_it = [&](const std::string& signer) { return may_be_by(facts, signer); };
        return std::any_of(signers_.begin(), signers_.end(), made_it) ||
               (facts.type == type::key_revocation &&
                std::any_of(revokers_.begin(), revokers_.end(), made_it));
    }

    Place place(const SignatureFacts& facts, const CertificatePart& part) {
        const auto* const digest = digest_of(facts.hash_algorithm);
        const bool by_v4 = facts.version >= 4;
        auto hashed = hashed_form(parts_.front(), by_v4);
        if (part.packet.tag != tag::public_key) {
            hashed += hashed_form(part, by_v4);
        }
        hashed += facts.hashed;
        if (by_v4) {
            hashed += "\x04\xff" + length_of(facts.hashed.size(), 4);
        }
        if (digest == nullptr || hashed.size() > hashed_octets_max - hashed_octets_) {
            return Place::unknown;
        }
        hashed_octets_ += hashed.size();
        std::array<unsigned char, EVP_MAX_MD_SIZE> made{};
        unsigned octets = 0;
        check_openssl(EVP_Digest(hashed.data(), hashed.size(), made.data(), &octets, digest, nullptr) == 1,
                      "computing the digest of a signature");
        return made[0] == octet(facts.digest_begins, 0) && made[1] == octet(facts.digest_begins, 1)
                   ? Place::right
                   : Place::wrong;
    }

    void put(const mail::Packet& packet, const SignatureFacts& facts, std::optional<std::size_t> home) {
        const auto keep = [&](std::size_t at) {
            auto& kept = kept_[at];
            const bool is_there = std::any_of(
                kept.begin(), kept.end(), [&](const Kept& other) { return other.packet == packet.whole; });
            if (!is_there) {
                kept.push_back({packet.whole, facts.is_revocation() && at != 0});
            }
        };
        if (fits(facts.type, tag::public_key)) {
            keep(0);
            return;
        }
        const bool fits_home = home && fits(facts.type, known_[*home].packet.tag);
        if (fits_home && place(facts, known_[*home]) != Place::wrong) {
            keep(*home);
            return;
        }
        bool is_placed = false;
        for (std::size_t i = 1; i < known_.size(); ++i) {
            if (fits(facts.type, known_[i].packet.tag) && place(facts, known_[i]) == Place::right) {
                keep(i);
                is_placed = true;
            }
        }
        if (!is_placed && fits_home) {
            keep(*home);
        }
    }

    std::vector<CertificatePart> parts_;
    std::string owner_;
    std::uint32_t created_ = 0;
    std::set<std::string> signers_;
    std::set<std::string> revokers_; ///< whom the owner names
    std::vector<CertificatePart> known_;
    std::vector<Signature> signatures_;
    std::vector<std::vector<Kept>> kept_; ///< of each in known_
    std::size_t hashed_octets_ = 0;
};

} // namespace

std::optional<std::string> unknown_key_kind(std::string_view body) {
    constexpr std::size_t algorithm_at = 5;
    constexpr std::array<unsigned, 8> known{1, 2, 3, 16, 17, 18, 19, 22}; // RFC 9580 §9.1
    if (body.size() <= algorithm_at) {
        return "a key that cannot be read";
    }
    const auto version = octet(body, 0);
    const auto algorithm = octet(body, algorithm_at);
    const auto name = mail::key_algorithm_name(algorithm);
    if (version != 4) {
        return version > 4 ? fmt::format("v{} {}", version, name) : fmt::format("v{} key", version);
    }
    if (std::find(known.begin(), known.end(), algorithm) == known.end()) {
        return name;
    }
    if (algorithm >= 18) {
        const auto curve = body.substr(algorithm_at + 1);
        const bool is_known =
            std::any_of(known_curves.begin(), known_curves.end(), [&](std::string_view identifier) {
                return !curve.empty() && octet(curve, 0) == identifier.size() &&
                       curve.substr(1).starts_with(identifier);
            });
        if (!is_known) {
            return fmt::format("{} on an unknown curve", name);
        }
    }
    return std::nullopt;
}

ArrangedCertificate arrange_openpgp(std::string_view transferable_key, std::span<const std::string> signers,
                                    std::string_view loose) {
    return Arrangement(transferable_key, signers).arrange(loose);
}

} // namespace lockbox::crypto
