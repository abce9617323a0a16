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

/// How the content of an S/MIME message is encrypted. One message has one algorithm for all its readers.
enum class ContentEncryption {
    aes256_cbc, ///< EnvelopedData: what every reader reads; carries no integrity
    aes256_gcm, ///< AuthEnvelopedData (RFC 5083): for readers that are known to read it
};
/// "AES-256-CBC", "AES-256-GCM": as people know them.
[[nodiscard]] std::string_view to_string(ContentEncryption encryption) noexcept;
/// "cbc", "gcm": as the keyring and the command line write it.
[[nodiscard]] std::string_view word(ContentEncryption encryption) noexcept;
/// nullopt: neither word.
[[nodiscard]] std::optional<ContentEncryption> content_encryption_from(std::string_view word) noexcept;

/// What sealing needs: a certificate that was judged and tried at import.
struct Certificate {
    Protocol protocol = Protocol::openpgp;
    std::string fingerprint; ///< upper-case hexadecimal digits: of the primary key, 40 for OpenPGP v4; X.509:
                             ///< 64, SHA-256 over the DER
    std::string bytes;       ///< canonical: binary OpenPGP certificate, or DER
    /// OpenPGP: fingerprint of the key on it that is encrypted to. Chosen for a moment (keyring::choose()),
    /// because no engine asks whether a key has expired or was revoked; empty as stored.
    std::string encryption_key;
    ContentEncryption content_encryption = ContentEncryption::aes256_cbc; ///< S/MIME: what its reader reads
    bool operator==(const Certificate&) const = default;
};

/// At least one certificate, each once, all of one protocol and, for S/MIME, one content encryption. seal()
/// takes this, so "sealed to nobody" does not compile.
class Recipients {
public:
    /// nullopt: none, or of different protocols or content encryptions.
    [[nodiscard]] static std::optional<Recipients> from(std::vector<Certificate> certificates);
    /// Ordered by fingerprint.
    [[nodiscard]] std::span<const Certificate> all() const noexcept { return certificates_; }
    [[nodiscard]] Protocol protocol() const noexcept { return certificates_.front().protocol; }
    [[nodiscard]] ContentEncryption content_encryption() const noexcept {
        return certificates_.front().content_encryption;
    }
    bool operator==(const Recipients&) const = default;

private:
    explicit Recipients(std::vector<Certificate> certificates) : certificates_(std::move(certificates)) {}
    std::vector<Certificate> certificates_;
};

} // namespace lockbox::crypto
