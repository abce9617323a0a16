#include "crypto/public_key_check.hpp"

#include "crypto/judgement.hpp"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

namespace lockbox::crypto {
namespace {

using BigNumber = Handle<BIGNUM, BN_free>;

/// More makes the checks below, and each sealing, take seconds; OpenSSL seals to no larger one.
constexpr int rsa_bits_max = OPENSSL_RSA_MAX_MODULUS_BITS;
constexpr int exponent_bits_min = 17; // greater than 2^16, where it is odd
constexpr int strength_bits_min = 112;

bool is_rsa(const EVP_PKEY* key) {
    const int kind = EVP_PKEY_get_base_id(key);
    return kind == EVP_PKEY_RSA || kind == EVP_PKEY_RSA_PSS;
}

BigNumber number_of(const EVP_PKEY* key, const char* name) {
    BIGNUM* number = nullptr;
    check_openssl(EVP_PKEY_get_bn_param(key, name, &number) == 1, "reading a public key");
    return BigNumber(number);
}

std::optional<std::string> why_rsa_is_damaged(const EVP_PKEY* key) {
    if (EVP_PKEY_get_bits(key) > rsa_bits_max) {
        return fmt::format("unsupported key: RSA of {} bit, more than {}", EVP_PKEY_get_bits(key),
                           rsa_bits_max);
    }
    if (BN_is_odd(number_of(key, OSSL_PKEY_PARAM_RSA_N).get()) == 0) {
        return "damaged key: its RSA modulus is even";
    }
    if (BN_is_odd(number_of(key, OSSL_PKEY_PARAM_RSA_E).get()) == 0) {
        return "damaged key: its RSA exponent is even";
    }
    return std::nullopt;
}

} // namespace

std::optional<std::string> why_key_is_weak(const EVP_PKEY* key) {
    if (is_rsa(key)) {
        const int bits = EVP_PKEY_get_bits(key);
        if (bits < static_cast<int>(rsa_bits_min)) {
            return fmt::format("its RSA key has {} bit, fewer than {}", bits, rsa_bits_min);
        }
        const auto exponent = number_of(key, OSSL_PKEY_PARAM_RSA_E);
        if (BN_num_bits(exponent.get()) < exponent_bits_min) {
            return fmt::format("its RSA exponent is {}, smaller than 65537", BN_get_word(exponent.get()));
        }
    } else if (const int strength = EVP_PKEY_get_security_bits(key); strength < strength_bits_min) {
        return fmt::format("its key has a strength of {} bit, fewer than {}", strength, strength_bits_min);
    }
    return std::nullopt;
}

std::optional<std::string> why_key_is_bad(const EVP_PKEY* key) {
    if (const auto weak = why_key_is_weak(key)) {
        return fmt::format("weak: {}", *weak);
    }
    if (is_rsa(key)) {
        if (auto damaged = why_rsa_is_damaged(key)) {
            return damaged;
        }
    }
    // It takes a key that may be changed, and changes none: it needs the context's reference to it.
    const EvpKeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, const_cast<EVP_PKEY*>(key), nullptr));
    check_openssl(context != nullptr, "preparing to check a public key");
    const int checked = EVP_PKEY_public_check(context.get());
    if (checked == 1) {
        return std::nullopt;
    }
    const auto code = ERR_peek_last_error();
    check_openssl(checked == 0 && ERR_GET_REASON(code) != ERR_R_MALLOC_FAILURE, "checking a public key");
    const auto words = take_openssl_error();
    return fmt::format("damaged key: OpenSSL says of its public key: {}",
                       code != 0 ? words : std::string("it is not valid"));
}

} // namespace lockbox::crypto
