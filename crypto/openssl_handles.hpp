// OpenSSL's objects with owners, and its errors as ours.
#pragma once

#include "base/handle.hpp"
#include "base/time.hpp"

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <optional>
#include <string>
#include <string_view>

namespace lockbox::crypto {

using BioHandle = Handle<BIO, BIO_free_all>;
using CipherContext = Handle<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using CmsContent = Handle<CMS_ContentInfo, CMS_ContentInfo_free>;
using DigestContext = Handle<EVP_MD_CTX, EVP_MD_CTX_free>;
using EvpKey = Handle<EVP_PKEY, EVP_PKEY_free>;
using EvpKeyContext = Handle<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using X509Handle = Handle<X509, X509_free>;
using X509CrlHandle = Handle<X509_CRL, X509_CRL_free>;
using X509StoreHandle = Handle<X509_STORE, X509_STORE_free>;

inline void free_certificates(STACK_OF(X509) * certificates) noexcept {
    sk_X509_pop_free(certificates, X509_free);
}
using X509Stack = Handle<STACK_OF(X509), free_certificates>;

inline void free_openssl_memory(void* memory) noexcept {
    OPENSSL_free(memory);
}
using OpensslText = Handle<char, free_openssl_memory>;

/// Octets as OpenSSL has them.
[[nodiscard]] inline unsigned char* octets_of(std::string& text) noexcept {
    return reinterpret_cast<unsigned char*>(text.data());
}
[[nodiscard]] inline const unsigned char* octets_of(std::string_view text) noexcept {
    return reinterpret_cast<const unsigned char*>(text.data());
}

/// Reads from `bytes`, which must outlive it: at most 2^31 - 1 octets. Throws Error(engine).
[[nodiscard]] BioHandle bio_reading(std::string_view bytes);
/// Collects what is written to it.
[[nodiscard]] BioHandle bio_collecting();
[[nodiscard]] std::string collected(BIO* bio);

/// What OpenSSL has put on this thread's list of errors, the last one in words; the list is empty
/// afterwards.
[[nodiscard]] std::string take_openssl_error();

/// Throws Error(engine) "OpenSSL: `doing`: …" unless `succeeded`.
void check_openssl(bool succeeded, std::string_view doing);

/// The same where OpenSSL has used a key that came from outside: Error(malformed), unless OpenSSL has no
/// memory or failed by itself, which says nothing about the key.
void check_use_of_key(bool succeeded, std::string_view doing);

/// What the `i2d` function of an OpenSSL type writes: `object` in DER. Throws Error(engine).
template <typename Object>
[[nodiscard]] std::string written_by(int (*i2d)(const Object*, unsigned char**), const Object* object) {
    unsigned char* bytes = nullptr;
    const int octets = i2d(object, &bytes);
    check_openssl(octets > 0, "writing what a certificate says");
    std::string der(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(octets));
    OPENSSL_free(bytes);
    return der;
}

/// One certificate in DER. Null: it is none, or something follows it.
[[nodiscard]] X509Handle x509_from_der(std::string_view der);
[[nodiscard]] std::string der_of(const X509* certificate);

/// SHA-256 over its DER, 64 upper-case hexadecimal digits: how Lockbox names an X.509 certificate.
[[nodiscard]] std::string x509_fingerprint(std::string_view der);

/// nullopt: there is none, or it cannot be read.
[[nodiscard]] std::optional<Time> time_of(const ASN1_TIME* time);

/// A distinguished name as RFC 4514 writes it, UTF-8: "CN=Alice,O=Example". It may have any characters in it
/// but for control ones below U+0080; what cannot be read is said to be so.
[[nodiscard]] std::string name_of(const X509_NAME* name);

} // namespace lockbox::crypto
