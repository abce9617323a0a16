// What opening asks of cryptography: the reader's own keys, or a stub where the parsers are tested.
#pragma once

#include "base/secret.hpp"
#include "crypto/cms_open.hpp"
#include "crypto/cms_verify.hpp"
#include "reader/signature.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockbox::reader {

struct Decrypted {
    Secret plaintext;
    crypto::Integrity integrity = crypto::Integrity::authenticated;
    std::string content_encryption;      ///< S/MIME: "AES-256-GCM", …; empty for OpenPGP
    std::vector<std::string> recipients; ///< key ids, or certificates in words
    std::vector<Signature> signatures;   ///< OpenPGP's, inside of the encryption, over all of it
};

struct Verified {
    std::string content; ///< what was signed, whether the signature is good or not
    std::vector<Signature> signatures;
};

/// Each call throws Error as crypto/ does: no_secret_key, malformed, too_large, unavailable, engine.
/// An engine is used by one thread at a time.
class Engine {
public:
    Engine() = default;
    virtual ~Engine() = default;
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    [[nodiscard]] virtual Decrypted decrypt_openpgp(std::string_view packets) = 0;
    [[nodiscard]] virtual Decrypted decrypt_cms(std::string_view cms) = 0;
    /// Detached signatures over exactly `content`. Never empty: what cannot be read is one `unreadable`.
    [[nodiscard]] virtual std::vector<Signature> verify_openpgp(std::string_view content,
                                                                std::string_view signature) = 0;
    [[nodiscard]] virtual std::vector<Signature> verify_cms(std::string_view content,
                                                            std::string_view signed_data) = 0;
    /// nullopt: it is damaged, or has no content in it.
    [[nodiscard]] virtual std::optional<Verified> verify_opaque(std::string_view signed_data) = 0;
    /// Text between BEGIN PGP SIGNED MESSAGE and END PGP SIGNATURE (RFC 9580 §7), both lines included.
    [[nodiscard]] virtual std::optional<Verified> verify_clear_signed(std::string_view armor) = 0;
    /// A whole OpenPGP message that is not encrypted: mail::is_unencrypted_message(). No signatures: it has
    /// none. nullopt: it is damaged.
    [[nodiscard]] virtual std::optional<Verified> verify_openpgp_message(std::string_view packets) = 0;
};

/// Reads a file with S/MIME keys when a message first needs them. What it gives outlives the engine.
using UsualKeyFile = std::function<const crypto::KeyFile&()>;

/// The reader's own keys: GnuPG's with its agent, or those in a file for S/MIME.
class OwnKeys : public Engine {
public:
    /// `key_file`: the keys for S/MIME; null: those of `usual`, where there is one and they fit the message,
    /// otherwise gpgsm's. The first two arguments must outlive it. `now` judges S/MIME certificates.
    OwnKeys(const crypto::KeyFile* key_file, const crypto::Authorities& authorities, Time now,
            UsualKeyFile usual = {}) noexcept
        : key_file_(key_file), usual_(std::move(usual)), authorities_(authorities), now_(now) {}

    [[nodiscard]] Decrypted decrypt_openpgp(std::string_view packets) override;
    [[nodiscard]] Decrypted decrypt_cms(std::string_view cms) override;
    [[nodiscard]] std::vector<Signature> verify_openpgp(std::string_view content,
                                                        std::string_view signature) override;
    [[nodiscard]] std::vector<Signature> verify_cms(std::string_view content,
                                                    std::string_view signed_data) override;
    [[nodiscard]] std::optional<Verified> verify_opaque(std::string_view signed_data) override;
    [[nodiscard]] std::optional<Verified> verify_clear_signed(std::string_view armor) override;
    [[nodiscard]] std::optional<Verified> verify_openpgp_message(std::string_view packets) override;

private:
    const crypto::KeyFile* key_file_;
    UsualKeyFile usual_;
    const crypto::Authorities& authorities_;
    Time now_;
};

} // namespace lockbox::reader
