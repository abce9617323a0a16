// The certification authorities that somebody trusts.
#pragma once

#include "crypto/openssl_handles.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace lockbox::crypto {

constexpr std::size_t authorities_octets_max = 16U << 20U; ///< of one file: all of Mozilla's have 0.2 MiB
constexpr std::size_t authority_files_max = 1000;          ///< in one directory: Mozilla has 150 authorities

/// An administrator's, for whom mail is sealed to, or a reader's, for whom mail comes from. Read once, then
/// used for any number of certificates, by any number of threads.
class TrustedAuthorities {
public:
    /// None.
    TrustedAuthorities() = default;
    /// Files of certificates in PEM or of one in DER, and directories of such files; other files in a
    /// directory are passed over. Throws Error(configuration) naming what has no certificate in it, a damaged
    /// one, or one of OpenPGP, Error(no_input) naming what cannot be read, and Error(too_large).
    [[nodiscard]] static TrustedAuthorities load(const std::vector<std::string>& paths);

    [[nodiscard]] bool empty() const noexcept { return !store_; }
    /// In DER.
    [[nodiscard]] std::vector<std::string> certificates() const;
    /// Null: there are none.
    [[nodiscard]] X509_STORE* store() const noexcept { return store_.get(); }

private:
    X509StoreHandle store_;
};

} // namespace lockbox::crypto
