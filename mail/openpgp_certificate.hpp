// What an OpenPGP certificate is made of (RFC 9580 §10.1) and what its signatures say of themselves (§5.2),
// without any cryptography: nothing that comes from here is verified.
#pragma once

#include "mail/address.hpp"
#include "mail/openpgp_packet.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::mail {

/// RFC 9580 §5.2.1.
namespace signature_type {
constexpr unsigned certification_min = 0x10; ///< of a User ID: 0x10 generic to 0x13 positive
constexpr unsigned certification_max = 0x13;
constexpr unsigned subkey_binding = 0x18;
constexpr unsigned direct_key = 0x1f;
constexpr unsigned key_revocation = 0x20;
constexpr unsigned subkey_revocation = 0x28;
constexpr unsigned certification_revocation = 0x30;
} // namespace signature_type

/// A signature packet of version 3 or 4. Times and what it grants are read from what is hashed alone.
struct SignatureFacts {
    unsigned version = 0;
    unsigned type = 0;
    unsigned key_algorithm = 0;
    unsigned hash_algorithm = 0;
    std::uint32_t created = 0;                ///< seconds since 1970
    std::uint32_t lifetime = 0;               ///< seconds from `created` on; 0: without end
    std::string issuer_fingerprint;           ///< upper-case digits; empty: not said
    std::string issuer_key_id;                ///< 16 upper-case digits; empty: not said
    std::string key_flags;                    ///< octets (RFC 9580 §5.2.3.29)
    std::vector<std::string> revocation_keys; ///< fingerprints of designated revokers (§5.2.3.23)
    std::string_view hashed;                  ///< what of the packet is hashed, before the trailer
    std::string_view digest_begins;           ///< two octets of the digest

    [[nodiscard]] bool is_certification() const noexcept;
    [[nodiscard]] bool is_revocation() const noexcept;
    /// When it ends; nullopt: never. RFC 9580 §5.2.3.18: 64 bit, as it may be after 2106.
    [[nodiscard]] std::optional<std::int64_t> ends() const noexcept;
};
/// nullopt: of another version, or malformed.
[[nodiscard]] std::optional<SignatureFacts> read_signature(std::string_view packet_body);

/// Whether it says that the key with this fingerprint (40 digits) has made it, or does not say who has.
[[nodiscard]] bool may_be_by(const SignatureFacts& signature, std::string_view fingerprint) noexcept;

/// A primary key, a User ID, a User Attribute or a subkey, with the signature packets that follow it.
struct CertificatePart {
    Packet packet;
    std::vector<Packet> signatures;
};
/// The parts of one transferable public key, its primary key first; packets that are none of these are passed
/// over. Empty: it does not begin with a primary key.
[[nodiscard]] std::vector<CertificatePart> certificate_parts(std::string_view transferable_key);

/// The name of a public-key algorithm as its specification has it: RFC 9580 §9.1, draft-ietf-openpgp-pqc, and
/// LibrePGP for Kyber. "algorithm 99" where nobody has named it.
[[nodiscard]] std::string key_algorithm_name(unsigned algorithm);

/// The mailbox that a User ID names, with its case as it is written: what stands in the first angle brackets,
/// or the whole where there are none, as GnuPG finds it. nullopt: none.
[[nodiscard]] std::optional<Address> address_in_user_id(std::string_view user_id);

} // namespace lockbox::mail
