// A reader's own S/MIME keys from a file.
#pragma once

#include "base/secret.hpp"
#include "crypto/openssl_handles.hpp"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace lockbox::crypto {

constexpr std::size_t key_file_octets_max = 1U << 20U; // a key with its chain has some 10 KiB
constexpr std::size_t passphrase_octets_max = 1000;    // OpenSSL's buffer for PEM has 1024

/// A secret key and the certificate that belongs to it.
struct SecretKey {
    EvpKey key;
    X509Handle certificate;
};

struct KeyFile {
    std::string name;            ///< as error texts name it
    std::vector<SecretKey> keys; ///< at least one
    std::vector<std::string> warnings;
};

/// Gives the passphrase of the named file. It is called at most once for a file, and only if that needs one;
/// what it throws is passed on.
using AskPassphrase = std::function<Secret(const std::string& file)>;

/// Reads PKCS#12, or PEM with keys and certificates in any order, encrypted or not. `certificate`, where not
/// empty, is a file of PEM or DER with the certificates that belong to the keys.
///
/// Throws Error: no_input for files that cannot be read; no_secret_key for a wrong passphrase; malformed for
/// what is no key file, has no certificate for its keys, or another one.
[[nodiscard]] KeyFile read_key_file(const std::filesystem::path& path,
                                    const std::filesystem::path& certificate, const AskPassphrase& ask);

/// Every certificate in PEM, or the one that is DER. Empty: none.
[[nodiscard]] std::vector<X509Handle> certificates_in(std::string_view bytes);

} // namespace lockbox::crypto
