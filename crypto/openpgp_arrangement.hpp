// An OpenPGP certificate put in order before anybody judges it.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::crypto {

/// A subkey that neither GnuPG nor librnp knows, so one of them would refuse the whole certificate for it.
struct UnknownSubkey {
    std::string algorithm; ///< "ML-KEM-768+X25519", or "v6 X25519" where the version is not 4
    bool operator==(const UnknownSubkey&) const = default;
};

struct ArrangedCertificate {
    std::string bytes;
    std::vector<UnknownSubkey> left_out;
    std::size_t user_ids = 0;
    std::size_t subkeys = 0;
    std::size_t signatures = 0;
    /// Fingerprints of designated revokers (RFC 9580 §5.2.3.23) with a revocation of the key on the
    /// certificate.
    std::vector<std::string> revokers;
};

/// Without what spoils a certificate for those that verify it, and with each signature behind what it signs:
/// - subkeys of unknown algorithms, curves or versions are left out (RFC 9580 §4.3 and §5.5.2: what is
/// unknown is
///   passed over), and signatures that cannot be read;
/// - signatures that say they are made by others than the owner, `signers` (fingerprints) and the designated
/// revokers
///   are left out, and the owner's from before the key was made;
/// - a signature whose digest does not begin as it says over what it stands behind is put behind what it
/// does; revocations
///   of the key are put behind the key. Nothing is verified by that: GnuPG does it, where they stand then.
///
/// `loose` are further signature packets. Empty bytes: it does not begin with a primary key of version 4.
/// Throws Error(engine) when OpenSSL cannot compute a digest.
[[nodiscard]] ArrangedCertificate arrange_openpgp(std::string_view transferable_key,
                                                  std::span<const std::string> signers = {},
                                                  std::string_view loose = {});

/// Whether neither GnuPG nor librnp knows keys of this kind: what it is then.
[[nodiscard]] std::optional<std::string> unknown_key_kind(std::string_view key_packet_body);

} // namespace lockbox::crypto
