// S/MIME encryption in process: CMS of our own writing around OpenSSL's AES-256, RSA and ECDH.
#pragma once

#include "crypto/certificate.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string_view>

namespace lockbox::crypto {

/// Encrypts to X.509 certificates and keeps the parsed ones. Not to be used by two threads at once; cheap
/// enough to have one per thread.
class CmsSealer {
public:
    CmsSealer();
    ~CmsSealer();
    CmsSealer(CmsSealer&&) noexcept;
    CmsSealer& operator=(CmsSealer&&) noexcept;
    CmsSealer(const CmsSealer&) = delete;
    CmsSealer& operator=(const CmsSealer&) = delete;

    /// Takes encrypted bytes as they come.
    using Output = std::function<void(std::string_view)>;

    /// Encrypts the concatenation of `pieces`, which is not empty and has CRLF line ends, to the recipients
    /// with one fresh content key: EnvelopedData (RFC 5652 §6) with AES-256-CBC or AuthEnvelopedData (RFC
    /// 5083) with AES-256-GCM (RFC 5084 §3.2), as recipients.content_encryption() says; for the recipients
    /// see CmsRecipient. The CMS goes to `output` in pieces, in constant memory; it is DER, because all its
    /// lengths are known before. What `output` throws comes through. Throws Error(engine), or
    /// Error(malformed) for a key that cannot be used, naming the certificate that OpenSSL does not accept,
    /// and where other lengths come out than were announced; what was output by then is to be thrown away.
    void encrypt(const Recipients& recipients, std::span<const std::string_view> pieces,
                 const Output& output);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

/// Whether the OpenSSL that is loaded can be trusted with a message: encrypts with either content encryption
/// to an RSA key, to an elliptic curve's, and to both, lets CMS_decrypt() open, compares, and looks whether
/// two messages differ in key, IV and ciphertext. Throws Error(engine) that says what failed. Takes some
/// milliseconds.
void self_test_cms();

/// "OpenSSL 3.0.17".
[[nodiscard]] std::string cms_engine_version();

} // namespace lockbox::crypto
