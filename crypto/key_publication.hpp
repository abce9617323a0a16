// Where others find a certificate: the Web Key Directory, and the Autocrypt header field.
#pragma once

#include "mail/address.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace lockbox::crypto {

/// The name of an address's file in a Web Key Directory (draft-koch-openpgp-webkey-service §3.1): z-base-32
/// (RFC 6189 §5.1.6) of the SHA-1 of the local part with A-Z in lower case. 32 characters.
[[nodiscard]] std::string wkd_hash(const mail::Address& address);

enum class WkdMethod {
    advanced, ///< served as https://openpgpkey.DOMAIN/
    direct,   ///< served as https://DOMAIN/
};

/// Where the certificate goes below the document root, and the policy file beside `hu` (§3.1 and §4.5).
struct WkdPaths {
    std::filesystem::path certificate;
    std::filesystem::path policy;
};
[[nodiscard]] WkdPaths wkd_paths(const mail::Address& address, WkdMethod method);

/// `Autocrypt: addr=…; [prefer-encrypt=mutual;] keydata=…`, folded, with LF line ends (Autocrypt 1.1 §2.1).
[[nodiscard]] std::string autocrypt_field(const mail::Address& address, std::string_view certificate,
                                          bool prefer_encrypt);

} // namespace lockbox::crypto
