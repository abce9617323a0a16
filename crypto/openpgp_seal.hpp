// OpenPGP encryption in process, with librnp: AES-256, SEIPDv1, no compression, no embedded file name.
#pragma once

#include "crypto/certificate.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lockbox::crypto {

/// Encrypts to OpenPGP certificates and keeps the loaded ones. Not to be used by two threads at once; cheap
/// enough to have one per thread.
class OpenPgpSealer {
public:
    OpenPgpSealer();
    ~OpenPgpSealer();
    OpenPgpSealer(OpenPgpSealer&&) noexcept;
    OpenPgpSealer& operator=(OpenPgpSealer&&) noexcept;
    OpenPgpSealer(const OpenPgpSealer&) = delete;
    OpenPgpSealer& operator=(const OpenPgpSealer&) = delete;

    /// Takes encrypted bytes as they come.
    using Output = std::function<void(std::string_view)>;

    /// Encrypts the concatenation of `pieces` to each recipient's encryption_key with one fresh session key;
    /// binary packets go to `output`. What `output` throws comes through. Throws Error(engine) naming the
    /// certificate that librnp does not accept; what was output by then is to be thrown away.
    void encrypt(const Recipients& recipients, std::span<const std::string_view> pieces,
                 const Output& output);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

/// Whether the librnp that is loaded can be trusted with a message: encrypts to a key made for this moment,
/// decrypts, compares, and looks at the ciphertext for the signs of a session key that is not random
/// (rnpgp/rnp#2372: librnp 0.18.0 left it all zero). Throws Error(engine) that says what failed. Takes some
/// milliseconds.
void self_test_openpgp();

/// True when the SEIPDv1 container of these packets opens with an AES-256 session key of nothing but zeros
/// (by the two repeated octets of RFC 9580 §5.13.1, so one random key in 65,536 looks like it too).
[[nodiscard]] bool looks_like_zero_session_key(std::string_view packets);

/// "librnp 0.16.3".
[[nodiscard]] std::string openpgp_engine_version();

} // namespace lockbox::crypto
