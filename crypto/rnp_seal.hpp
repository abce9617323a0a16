// OpenPGP encryption with librnp, which reads and validates whole certificates: AES-256, SEIPDv1, no
// compression, no embedded file name.
#pragma once

#include "crypto/certificate.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string_view>

namespace lockbox::crypto {

/// Encrypts to OpenPGP certificates and keeps the loaded ones. Not to be used by two threads at once.
class RnpSealer {
public:
    RnpSealer();
    ~RnpSealer();
    RnpSealer(RnpSealer&&) noexcept;
    RnpSealer& operator=(RnpSealer&&) noexcept;
    RnpSealer(const RnpSealer&) = delete;
    RnpSealer& operator=(const RnpSealer&) = delete;

    using Output = std::function<void(std::string_view)>;

    /// As OpenPgpSealer::encrypt().
    void encrypt(const Recipients& recipients, std::span<const std::string_view> pieces,
                 const Output& output);

    /// Whether librnp reads the certificate and finds its encryption_key valid: bound to the primary key by a
    /// signature of it, which is itself valid, neither revoked nor expired. Throws Error(malformed) that
    /// names the certificate where it does not.
    static void check(const Certificate& certificate);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace lockbox::crypto
