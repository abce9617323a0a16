// Certificates: public key material with facts about it. Whose it is, is the keyring's business.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::crypto {

enum class Protocol { openpgp, smime };

/// "openpgp", "smime": as rules, logs and JSON write it.
[[nodiscard]] std::string_view to_string(Protocol protocol) noexcept;
/// nullopt: neither word.
[[nodiscard]] std::optional<Protocol> protocol_from(std::string_view word) noexcept;

/// What sealing needs: a certificate that was judged and tried at import.
struct Certificate {
    Protocol protocol = Protocol::openpgp;
    std::string fingerprint; ///< of the primary key, 40 upper-case hexadecimal digits for OpenPGP v4
    std::string bytes;       ///< canonical: binary OpenPGP certificate, or DER
    /// OpenPGP: fingerprint of the key on it that is encrypted to. Chosen for a moment (keyring::choose()),
    /// because librnp does not ask whether a key that it has loaded has expired since; empty as stored.
    std::string encryption_key;
    bool operator==(const Certificate&) const = default;
};

/// At least one certificate, each once, all of one protocol. seal() takes this, so "sealed to nobody" does
/// not compile.
class Recipients {
public:
    /// nullopt: none, or of different protocols.
    [[nodiscard]] static std::optional<Recipients> from(std::vector<Certificate> certificates);
    [[nodiscard]] std::span<const Certificate> all() const noexcept { return certificates_; }
    [[nodiscard]] Protocol protocol() const noexcept { return certificates_.front().protocol; }

private:
    explicit Recipients(std::vector<Certificate> certificates) : certificates_(std::move(certificates)) {}
    std::vector<Certificate> certificates_;
};

} // namespace lockbox::crypto
