#include "crypto/public_key.hpp"

#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <array>

namespace lockbox::crypto {
namespace {

using namespace std::string_view_literals;
using BigNumber = Handle<BIGNUM, BN_free>;
using ParameterBuilder = Handle<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Parameters = Handle<OSSL_PARAM, OSSL_PARAM_free>;

constexpr std::array<NamedCurve, 6> curves{{
    {"\x2a\x86\x48\xce\x3d\x03\x01\x07"sv, "P-256", 32},
    {"\x2b\x81\x04\x00\x22"sv, "P-384", 48},
    {"\x2b\x81\x04\x00\x23"sv, "P-521", 66},
    {"\x2b\x24\x03\x03\x02\x08\x01\x01\x07"sv, "brainpoolP256r1", 32},
    {"\x2b\x24\x03\x03\x02\x08\x01\x01\x0b"sv, "brainpoolP384r1", 48},
    {"\x2b\x24\x03\x03\x02\x08\x01\x01\x0d"sv, "brainpoolP512r1", 64},
}};

/// Null: OpenSSL finds no key in what `add` puts into the builder.
template <typename Add>
EvpKey public_key(const char* algorithm, std::string_view doing, Add&& add) {
    const ParameterBuilder builder(OSSL_PARAM_BLD_new());
    const EvpKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, algorithm, nullptr));
    check_openssl(builder != nullptr && context != nullptr && add(builder.get()) &&
                      EVP_PKEY_fromdata_init(context.get()) == 1,
                  doing);
    const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
    check_openssl(parameters != nullptr, doing);
    EVP_PKEY* key = nullptr;
    if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
        (void)take_openssl_error();
        return {};
    }
    return EvpKey(key);
}

} // namespace

const NamedCurve* named_curve(std::string_view identifier) noexcept {
    const auto* const found = std::find_if(curves.begin(), curves.end(), [&](const NamedCurve& curve) {
        return curve.identifier == identifier;
    });
    return found != curves.end() ? found : nullptr;
}

EvpKey ec_public_key(const NamedCurve& curve, std::string_view point, std::string_view doing) {
    constexpr char uncompressed = 0x04;
    if (point.size() != 1 + 2 * curve.coordinate_octets || point.front() != uncompressed) {
        return {};
    }
    return public_key("EC", doing, [&](OSSL_PARAM_BLD* builder) {
        return OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve.name, 0) == 1 &&
               OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                                point.size()) == 1;
    });
}

EvpKey rsa_public_key(std::string_view modulus, std::string_view exponent, std::string_view doing) {
    const auto number = [](std::string_view octets) {
        return BigNumber(BN_bin2bn(octets_of(octets), static_cast<int>(octets.size()), nullptr));
    };
    const auto n = number(modulus);
    const auto e = number(exponent);
    return public_key("RSA", doing, [&](OSSL_PARAM_BLD* builder) {
        return n != nullptr && e != nullptr &&
               OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
               OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e.get()) == 1;
    });
}

} // namespace lockbox::crypto
