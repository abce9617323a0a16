// What tells of a payload that was sealed with CBC whether it is what was sealed.
//
// CBC carries no integrity, and most S/MIME programs read nothing else. So the sealer writes a digest of the
// payload under the encryption, as the payload's first header field, where other readers pass it over. Who
// changes the ciphertext without the key gets 16 random octets for each 16 octets of his choice (EFAIL), and
// can neither foresee the digest of those nor write a field of 70 octets in blocks of 16. He can cut the
// field off: then nothing is known, as of a payload of another program.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace lockbox::crypto {

/// `Lockbox-Digest: sha-256=…` and CRLF, of the concatenation of `pieces`.
[[nodiscard]] std::string payload_digest_field(std::span<const std::string_view> pieces);

enum class PayloadDigest {
    absent, ///< the payload has none: nothing is known
    right,  ///< what follows the field is what was sealed with it
    wrong,  ///< it is not
};

struct DigestedPayload {
    PayloadDigest digest;
    std::string_view payload; ///< without the field
};
/// Looks at the first field of a payload alone: anywhere else it is a field like others.
[[nodiscard]] DigestedPayload check_payload_digest(std::string_view payload);

} // namespace lockbox::crypto
