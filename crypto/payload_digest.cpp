#include "crypto/payload_digest.hpp"

#include "base/encoding.hpp"

#include <array>

namespace lockbox::crypto {
namespace {

constexpr std::string_view field_begin = "Lockbox-Digest: sha-256=";
constexpr std::string_view field_end = "\r\n";
constexpr std::size_t digest_digits = 44; // 32 octets in base64
constexpr std::size_t field_octets = field_begin.size() + digest_digits + field_end.size();
static_assert(field_octets % 16 != 0, "cutting off whole blocks must leave some of the field in the payload");

} // namespace

std::string payload_digest_field(std::span<const std::string_view> pieces) {
    std::string field(field_begin);
    field += base64_encode(sha256(pieces));
    field += field_end;
    return field;
}

DigestedPayload check_payload_digest(std::string_view payload) {
    if (!payload.starts_with(field_begin)) {
        return {PayloadDigest::absent, payload};
    }
    const auto field = payload.substr(0, field_octets);
    const std::array<std::string_view, 1> rest{payload.substr(field.size())};
    return {field == payload_digest_field(rest) ? PayloadDigest::right : PayloadDigest::wrong, rest.front()};
}

} // namespace lockbox::crypto
