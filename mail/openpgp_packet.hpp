// OpenPGP packet framing (RFC 9580 §4) and armor (§6): what bytes look like, without any cryptography.
#pragma once

#include "mail/base64_lines.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::mail {

/// RFC 9580 §5.
namespace packet_tag {
constexpr unsigned pkesk = 1;
constexpr unsigned signature = 2;
constexpr unsigned skesk = 3;
constexpr unsigned one_pass_signature = 4;
constexpr unsigned secret_key = 5;
constexpr unsigned public_key = 6;
constexpr unsigned secret_subkey = 7;
constexpr unsigned compressed = 8;
constexpr unsigned sed = 9; ///< encrypted without integrity protection
constexpr unsigned marker = 10;
constexpr unsigned literal = 11;
constexpr unsigned trust = 12;
constexpr unsigned user_id = 13;
constexpr unsigned public_subkey = 14;
constexpr unsigned user_attribute = 17;
constexpr unsigned seipd = 18;
constexpr unsigned ocb_encrypted = 20; ///< LibrePGP
constexpr unsigned padding = 21;
} // namespace packet_tag

struct Packet {
    unsigned tag = 0;
    std::string_view body;  ///< only the first chunk where the length is partial or indeterminate
    std::string_view whole; ///< header and body, all chunks
};

/// Reads packet after packet from memory.
class PacketReader {
public:
    explicit PacketReader(std::string_view bytes) noexcept : rest_(bytes) {}

    /// nullopt: at the end, or what comes is no packet or an incomplete one; at_end() tells which.
    [[nodiscard]] std::optional<Packet> next();
    [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }

private:
    std::string_view rest_;
};

/// The body of a whole packet, all chunks joined. Empty: it is none.
[[nodiscard]] std::string joined_body(std::string_view whole);

/// What stands before a packet's body of so many octets, fewer than 2^32: its tag and its length in the new
/// format (RFC 9580 §4.2.1).
[[nodiscard]] std::string packet_header(unsigned tag, std::size_t octets);

/// An encrypted message: one or more PKESK or SKESK packets and one encrypted container, to the end. Beside
/// them only marker and padding packets are allowed, which every reader passes over (RFC 9580 §5.8 and
/// §5.14).
struct EncryptedMessage {
    std::vector<std::string> recipient_key_ids; ///< 16 upper-case digits each; all zero: hidden
    bool for_passphrase = false;                ///< has a SKESK
    unsigned container = 0;                     ///< packet_tag of the container
    unsigned container_version = 0;             ///< of SEIPD and of LibrePGP's container; 0: it has none
    unsigned session_key_version = 0;           ///< the highest of all PKESK and SKESK packets
};
[[nodiscard]] std::optional<EncryptedMessage> read_encrypted_message(std::string_view packets);

/// Binary packets that begin like an encrypted message, whole or not: with a PKESK or SKESK.
[[nodiscard]] bool begins_encrypted_message(std::string_view bytes);

/// A whole message that is signed, compressed or neither, but not encrypted on its outside (RFC 9580 §10.3):
/// one compressed or literal packet, and signature packets around it.
[[nodiscard]] bool is_unencrypted_message(std::string_view packets);

/// One transferable public key (RFC 9580 §10.1), or one secret key, cut out of a file; or a revocation
/// signature that stands alone before all keys, which is what owners keep for the day when they need it
/// (§5.2.1.11).
struct TransferableKey {
    std::string_view bytes;
    unsigned version = 0; ///< of the primary key packet
    bool secret = false;  ///< has a secret key packet anywhere
    std::size_t signatures = 0;
    bool bare_revocation = false;
};
/// Cuts binary key material at its primary keys; marker, trust and padding packets before a key are passed
/// over. nullopt: the bytes are not key material at all. `intact` is false where reading stopped before the
/// end.
struct KeyMaterial {
    std::vector<TransferableKey> keys;
    bool intact = true;
};
[[nodiscard]] std::optional<KeyMaterial> split_keys(std::string_view bytes);

/// The hash algorithms (RFC 9580 §9.5) of all signature packets, each once.
[[nodiscard]] std::vector<unsigned> signature_hash_algorithms(std::string_view packets);

/// A block of armor.
struct Armor {
    std::string label;        ///< "PGP MESSAGE", "PGP PUBLIC KEY BLOCK", …
    std::string bytes;        ///< decoded
    std::string_view before;  ///< the text in front of it
    std::string_view after;   ///< and behind it
    std::string_view headers; ///< the armor headers, up to and with the empty line, which may be missing
};
/// The first complete block of armor with that label (any PGP label where it is empty). nullopt: there is
/// none, or its base64 is wrong. The CRC-24 is passed over, right or wrong (RFC 9580 §6.1), and so are white
/// space and no-break spaces at the ends of lines. Leading "> " or "- " escapes are not understood.
[[nodiscard]] std::optional<Armor> dearmor(std::string_view text, std::string_view label = {});

/// Writes armor with CRLF line ends and without any armor header while bytes come in.
class ArmorWriter {
public:
    /// `out` must outlive the writer. `octets_expected` reserves memory.
    ArmorWriter(std::string& out, std::string_view label, std::size_t octets_expected = 0);
    void write(std::string_view bytes);
    /// The last line, the checksum and the closing line. To be called once, at the end.
    void finish();

private:
    std::string& out_;
    std::string label_;
    Base64LineWriter lines_;
    std::uint32_t checksum_;
};

} // namespace lockbox::mail
