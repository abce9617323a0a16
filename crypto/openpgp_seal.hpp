// OpenPGP encryption in process: packets of our own writing around OpenSSL's X25519, ECDH, RSA and AES-256;
// with librnp to keys of other kinds.
#pragma once

#include "crypto/certificate.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lockbox::crypto {

/// Encrypts to OpenPGP certificates. Not to be used by two threads at once; cheap enough to have one per
/// thread.
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

    /// Encrypts the concatenation of `pieces` to each recipient's encryption_key with one fresh session key:
    /// a PKESK for each (OpenPgpRecipient) and SEIPDv1 with AES-256 (RFC 9580 §5.13.1) around a literal
    /// packet without compression, file name or time. Binary packets go to `output` in pieces, in constant
    /// memory. A message with a recipient whose key OpenPgpRecipient does not know is encrypted by RnpSealer
    /// whole. What `output` throws comes through. Throws Error(engine), or Error(malformed) for a key that
    /// cannot be used, naming the certificate that OpenSSL or librnp does not accept, and where another
    /// length comes out than was announced; Error(too_large) from 4 GiB on. What was output by then is to be
    /// thrown away.
    void encrypt(const Recipients& recipients, std::span<const std::string_view> pieces,
                 const Output& output);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

/// Whether the engines that are loaded can be trusted with a message: encrypts to Curve25519, NIST P-256,
/// RSA, and to all three, with what is written here and with librnp; lets librnp and OpenSSL decrypt,
/// compares, looks whether two messages differ in session key, prefix and ciphertext, and for the signs of a
/// session key that is not random (rnpgp/rnp#2372: librnp 0.18.0 left it all zero). Throws Error(engine) that
/// says what failed. Takes some milliseconds.
void self_test_openpgp();

/// True when the SEIPDv1 container of these packets opens with an AES-256 session key of nothing but zeros
/// (by the two repeated octets of RFC 9580 §5.13.1, so one random key in 65,536 looks like it too).
[[nodiscard]] bool looks_like_zero_session_key(std::string_view packets);

/// "librnp 0.16.3".
[[nodiscard]] std::string openpgp_engine_version();

} // namespace lockbox::crypto
