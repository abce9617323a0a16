// Certificates as a person names them: by address or by fingerprint.
#pragma once

#include "keyring/keyring.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace lockbox::cli {

/// At least eight hexadecimal digits, with or without spaces between them and "0x" in front; upper case and
/// without these. Empty: it is no such thing.
[[nodiscard]] std::string fingerprint_digits(std::string_view text);

/// The certificates for an address, or those with a fingerprint (whole, or a beginning or end of it). Throws
/// Error(no_certificate) where there is none and Error(usage) where `name` is neither.
[[nodiscard]] std::vector<keyring::Entry> named(const std::string& name, keyring::Keyring& keyring);

/// The same without those that an address is not sealed to: what waits for approval is not handed on as
/// somebody's.
[[nodiscard]] std::vector<keyring::Entry> named_in_use(const std::string& name, keyring::Keyring& keyring);

/// "gcm" or "cbc". Throws Error(usage).
[[nodiscard]] crypto::ContentEncryption content_encryption_named(const std::string& word);

} // namespace lockbox::cli
