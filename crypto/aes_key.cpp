#include "crypto/aes_key.hpp"

#include "crypto/openssl_handles.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>

namespace lockbox::crypto {
namespace {

/// nullptr: no key of AES has that length.
const EVP_CIPHER* wrapping_cipher(std::size_t key_octets) {
    switch (key_octets) {
    case 16:
        return EVP_aes_128_wrap();
    case 24:
        return EVP_aes_192_wrap();
    case 32:
        return EVP_aes_256_wrap();
    default:
        return nullptr;
    }
}

} // namespace

Aes256Key::~Aes256Key() {
    OPENSSL_cleanse(octets.data(), octets.size());
}

void Aes256Key::make_random() {
    check_openssl(RAND_priv_bytes(octets.data(), static_cast<int>(octets.size())) == 1,
                  "making a content key");
}

std::string aes_key_wrap(std::span<const unsigned char> octets, std::span<const unsigned char> wrapping_key,
                         std::string_view doing) {
    constexpr std::size_t integrity_octets = 8;
    std::string wrapped(octets.size() + integrity_octets, '\0');
    const auto* const cipher = wrapping_cipher(wrapping_key.size());
    const CipherContext context(EVP_CIPHER_CTX_new());
    check_openssl(context != nullptr && cipher != nullptr, doing);
    EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    int written = 0;
    check_openssl(EVP_EncryptInit_ex2(context.get(), cipher, wrapping_key.data(), nullptr, nullptr) == 1 &&
                      EVP_EncryptUpdate(context.get(), reinterpret_cast<unsigned char*>(wrapped.data()),
                                        &written, octets.data(), static_cast<int>(octets.size())) == 1 &&
                      written == static_cast<int>(wrapped.size()),
                  doing);
    return wrapped;
}

} // namespace lockbox::crypto
