// As many different certificates as a benchmark wants, made faster than GnuPG makes them, and as valid.
#pragma once

#include "keyring/entry.hpp"

#include <cstddef>
#include <memory>
#include <string>

namespace lockbox::bench {

enum class Kind { openpgp_25519, smime_rsa2048, smime_p256 };

/// "user7@example.org".
[[nodiscard]] std::string address_of(std::size_t number);

/// Makes one certificate after the other, as the keyring holds them after an import.
class CertificateMaker {
public:
    explicit CertificateMaker(Kind kind);
    ~CertificateMaker();
    CertificateMaker(const CertificateMaker&) = delete;
    CertificateMaker& operator=(const CertificateMaker&) = delete;

    /// For address_of(number): of its own key, or, for RSA, of one that all have in common, because making
    /// one takes too long. Self-signed (OpenPGP), or issued by an authority of the benchmark's own.
    [[nodiscard]] keyring::Entry make(std::size_t number);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace lockbox::bench
