// The outside of a sealed message: PGP/MIME (RFC 3156 §4) and S/MIME (RFC 8551 §3.3 and §3.4).
#pragma once

#include "mail/header.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace lockbox::mail {

/// Text before and after the armor in the body of a PGP/MIME message.
struct OpenPgpMimeForm {
    std::vector<HeaderField> structural; ///< Content-Type
    std::string before_armor;
    std::string after_armor;
};

/// `random_hex`, at least 128 bits, makes the boundary unique; it contains "=_" (RFC 2045 §6.7), so neither
/// armor nor the fixed parts can contain it.
[[nodiscard]] OpenPgpMimeForm openpgp_mime_form(std::string_view random_hex);

enum class SmimeType { enveloped_data, auth_enveloped_data };

/// The structural fields of an S/MIME message; its body is the CMS in base64 (RFC 8551 §3.2).
[[nodiscard]] std::vector<HeaderField> smime_form(SmimeType type);

} // namespace lockbox::mail
