// Public keys from the numbers that certificates hold, without OpenSSL's readers of whole structures, which
// take several times as long as sealing.
#pragma once

#include "crypto/openssl_handles.hpp"

#include <cstddef>
#include <string_view>

namespace lockbox::crypto {

/// A curve on which session keys are agreed upon: NIST's (FIPS 186-4) and Brainpool's (RFC 5639). Each has a
/// prime number of points.
struct NamedCurve {
    std::string_view identifier; ///< the contents of its OBJECT IDENTIFIER (RFC 5480 §2.1.1.1, RFC 9580 §9.2)
    const char* name;            ///< OpenSSL's
    std::size_t coordinate_octets;
};
/// nullptr: none of these.
[[nodiscard]] const NamedCurve* named_curve(std::string_view identifier) noexcept;

/// `point` is uncompressed (SEC 1 §2.3.3). Null: it is not, or it is not on the curve. Nothing else is to be
/// asked of it: the point at infinity has another form, and all others have the order of the curve, whose
/// number of points is prime (SP 800-56A §5.6.2.3.3). Throws Error(engine) "OpenSSL: `doing`: …".
[[nodiscard]] EvpKey ec_public_key(const NamedCurve& curve, std::string_view point, std::string_view doing);

/// From big-endian numbers. Null: OpenSSL takes them for no key. Throws Error(engine) as above.
[[nodiscard]] EvpKey rsa_public_key(std::string_view modulus, std::string_view exponent,
                                    std::string_view doing);

} // namespace lockbox::crypto
