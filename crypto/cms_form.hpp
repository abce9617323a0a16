// What encrypted CMS says of itself before anything is decrypted.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lockbox::crypto {

/// More is not parsed: OpenSSL needs about five times as much memory for a moment.
constexpr std::size_t cms_octets_max = 128U << 20U;

/// NIST SP 800-38D §5.2.1.2 and RFC 5084 §3.2: 12 to 16 octets. Shorter ones can be guessed bit by bit.
constexpr std::size_t gcm_tag_octets_min = 12;
constexpr std::size_t gcm_tag_octets_max = 16;

/// The form of one EnvelopedData (RFC 5652 §6.1) or AuthEnvelopedData (RFC 5083 §2.1) whose encryption is
/// one that Lockbox opens.
struct CmsForm {
    bool authenticated = false;          ///< AuthEnvelopedData: the content cannot be changed unnoticed
    std::string_view content_encryption; ///< "AES-256-GCM", …
};

/// Checks what libraries do not, or did not always. Throws Error: malformed for anything but one whole
/// container, content that is not id-data, an algorithm that does not fit the container, a tag of a
/// length that is not what RFC 5084 permits or not what the parameters say; unavailable for an algorithm that
/// Lockbox does not open; too_large.
[[nodiscard]] CmsForm read_cms_form(std::string_view cms);

/// The bytes are a CMS ContentInfo of one of the two types, whole or not.
[[nodiscard]] bool is_encrypted_cms(std::string_view bytes);

} // namespace lockbox::crypto
