// S/MIME decryption: with a key of a file through OpenSSL, or with the caller's own gpgsm through GPGME.
#pragma once

#include "base/secret.hpp"
#include "crypto/key_file.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::crypto {

/// Each stands for an attempt to decrypt; nobody lists this many people in one message.
constexpr std::size_t cms_recipients_max = 2000;

/// What decryption proves of the bytes that came out.
enum class Integrity {
    authenticated, ///< nobody changed them since they were sealed
    none,          ///< CBC: what was opened may have been changed on its way (RFC 8551 §6, "EFAIL")
};

struct CmsDecrypted {
    Secret plaintext; ///< nothing of it was shown before all of it was decrypted
    Integrity integrity = Integrity::none;
    std::string_view content_encryption; ///< "AES-256-GCM", …
    std::vector<std::string> recipients; ///< in words: "serial 1F of CN=…", "subject key id 0A…"
};

/// Decrypts with the key of the file whose certificate the message names.
///
/// Throws Error: no_secret_key where it names none of them; malformed for damaged, forged and unsuitable
/// data (read_cms_form()), and too_large. Whatever is wrong with the encrypted session key or the content,
/// the text is the same one: who can send messages and see the outcome must not learn anything from it about
/// what a key decrypts (Bleichenbacher, RFC 3218).
[[nodiscard]] CmsDecrypted decrypt_cms(std::string_view cms, const KeyFile& file);

/// The message names a certificate that belongs to a key of the file. Throws as decrypt_cms() for what is no
/// encrypted CMS.
[[nodiscard]] bool has_key_for(std::string_view cms, const KeyFile& file);

/// The same with the keys and smart cards that the caller's gpgsm has. Throws no_secret_key for a key that is
/// locked, too, and unavailable where gpg-agent cannot be reached, where this gpgsm does not read what is in
/// the message (AES-GCM, elliptic curves, RSA-OAEP, subject key identifiers, passphrases), and for every
/// failure of its that says nothing of the message.
[[nodiscard]] CmsDecrypted decrypt_cms_with_gpgsm(std::string_view cms);

} // namespace lockbox::crypto
