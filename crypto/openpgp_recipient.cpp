#include "crypto/openpgp_recipient.hpp"

#include "base/encoding.hpp"
#include "crypto/public_key.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace lockbox::crypto {
namespace {

using namespace std::string_view_literals;

/// RFC 9580 §9.1.
constexpr unsigned char rsa_encrypt_or_sign = 1;
constexpr unsigned char rsa_encrypt_only = 2;
constexpr unsigned char ecdh = 18;
/// RFC 9580 §9.3.
constexpr unsigned char aes256 = 9;

/// RFC 9580 §9.2: Curve25519, with its length in front.
constexpr auto curve25519 = "\x0a\x2b\x06\x01\x04\x01\x97\x55\x01\x05\x01"sv;
constexpr std::size_t curve25519_octets = 32;
constexpr unsigned char native_point = 0x40; // RFC 9580 §11.2.1

/// RFC 9580 §9.5. nullptr: none that a key may name for the KDF (§11.5.1).
const EVP_MD* kdf_digest(unsigned char algorithm) {
    switch (algorithm) {
    case 8:
        return EVP_sha256();
    case 9:
        return EVP_sha384();
    case 10:
        return EVP_sha512();
    default:
        return nullptr;
    }
}

/// RFC 9580 §9.3. 0: no AES.
std::size_t aes_key_octets(unsigned char algorithm) {
    switch (algorithm) {
    case 7:
        return 16;
    case 8:
        return 24;
    case 9:
        return 32;
    default:
        return 0;
    }
}

std::string_view text_of(std::span<const unsigned char> octets) {
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

/// Octets that hold a secret; wiped when they are no longer needed.
class SecretOctets {
public:
    /// More than any coordinate, digest or padded session key here has.
    static constexpr std::size_t octets_most = 72;

    explicit SecretOctets(std::size_t size) : size_(size) {}
    SecretOctets(const SecretOctets&) = default;
    SecretOctets& operator=(const SecretOctets&) = default;
    ~SecretOctets() { OPENSSL_cleanse(octets_.data(), octets_.size()); }

    unsigned char* data() noexcept { return octets_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    void push_back(unsigned char octet) { octets_.at(size_++) = octet; }
    [[nodiscard]] std::span<const unsigned char> all() const { return first(size_); }
    [[nodiscard]] std::span<const unsigned char> first(std::size_t octets) const {
        return std::span(octets_).first(octets);
    }

private:
    std::array<unsigned char, octets_most> octets_{};
    std::size_t size_;
};
static_assert(SecretOctets::octets_most >= EVP_MAX_MD_SIZE);

/// Takes a packet's body apart. Once something is missing, all that follows is empty.
class BodyReader {
public:
    explicit BodyReader(std::string_view body) : rest_(body) {}

    std::string_view octets(std::size_t count) {
        if (rest_.size() < count) {
            rest_ = {};
            complete_ = false;
            return {};
        }
        const auto taken = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return taken;
    }
    unsigned char octet() {
        const auto taken = octets(1);
        return taken.empty() ? 0 : static_cast<unsigned char>(taken.front());
    }
    /// What is as long as its first octet says, that octet too.
    std::string_view counted() {
        return rest_.empty() ? octets(1) : octets(1U + static_cast<unsigned char>(rest_.front()));
    }
    /// RFC 9580 §3.2: the number without its length.
    std::string_view multiprecision_integer() {
        const std::size_t high = octet();
        const std::size_t bits = (high << 8U) | octet();
        return octets((bits + 7) / 8);
    }
    /// All was there, and nothing is left.
    [[nodiscard]] bool at_end() const { return complete_ && rest_.empty(); }

private:
    std::string_view rest_;
    bool complete_ = true;
};

/// RFC 9580 §3.2. `octets` is big-endian.
std::string multiprecision_integer(std::string_view octets) {
    octets.remove_prefix(std::min(octets.find_first_not_of('\0'), octets.size()));
    std::size_t bits = octets.size() * 8;
    for (unsigned mask = 0x80U; !octets.empty() && (octets_of(octets)[0] & mask) == 0; mask >>= 1U) {
        --bits;
    }
    std::string written{static_cast<char>(bits >> 8U), static_cast<char>(bits & 0xffU)};
    return written.append(octets);
}

/// A session key as it is encrypted (RFC 9580 §5.1): its algorithm, itself, its checksum. For ECDH, padded to
/// full blocks of key wrap (§11.5).
SecretOctets encoded(const Aes256Key& session_key, std::size_t block_octets) {
    SecretOctets octets(0);
    octets.push_back(aes256);
    unsigned sum = 0;
    for (const auto octet : session_key.octets) {
        octets.push_back(octet);
        sum += octet;
    }
    octets.push_back(static_cast<unsigned char>((sum >> 8U) & 0xffU));
    octets.push_back(static_cast<unsigned char>(sum & 0xffU));
    if (block_octets > 1) {
        const auto padding = block_octets - octets.size() % block_octets;
        for (std::size_t i = 0; i < padding; ++i) {
            octets.push_back(static_cast<unsigned char>(padding));
        }
    }
    return octets;
}

EvpKey ephemeral_beside(EVP_PKEY* key, std::string_view doing) {
    const EvpKeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    EVP_PKEY* made = nullptr;
    check_openssl(context != nullptr && EVP_PKEY_keygen_init(context.get()) == 1 &&
                      EVP_PKEY_keygen(context.get(), &made) == 1,
                  doing);
    return EvpKey(made);
}

/// The coordinate that both sides have in common, from `ephemeral`, which is ours, and the recipient's key.
/// OpenSSL refuses a result of X25519 that is zero.
SecretOctets shared_secret(EVP_PKEY* ephemeral, EVP_PKEY* recipient, std::size_t octets,
                           std::string_view doing) {
    SecretOctets shared(octets);
    std::size_t derived = shared.size();
    const EvpKeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, ephemeral, nullptr));
    check_use_of_key(context != nullptr && EVP_PKEY_derive_init(context.get()) == 1 &&
                         EVP_PKEY_derive_set_peer_ex(context.get(), recipient, /*validate_peer=*/0) == 1 &&
                         EVP_PKEY_derive(context.get(), shared.data(), &derived) == 1 &&
                         derived == shared.size(),
                     doing);
    return shared;
}

/// What the key derivation function of RFC 9580 §11.5 makes; the key is its first octets.
SecretOctets wrapping_key(const SecretOctets& shared, const OpenPgpRecipient::Agreement& agreement,
                          std::string_view doing) {
    constexpr auto counter = "\0\0\0\1"sv;
    SecretOctets derived(EVP_MAX_MD_SIZE);
    const DigestContext context(EVP_MD_CTX_new());
    const auto& parameters = agreement.parameters;
    check_openssl(context != nullptr && EVP_DigestInit_ex(context.get(), agreement.digest, nullptr) == 1 &&
                      EVP_DigestUpdate(context.get(), counter.data(), counter.size()) == 1 &&
                      EVP_DigestUpdate(context.get(), shared.all().data(), shared.size()) == 1 &&
                      EVP_DigestUpdate(context.get(), parameters.data(), parameters.size()) == 1 &&
                      EVP_DigestFinal_ex(context.get(), derived.data(), nullptr) == 1,
                  doing);
    return derived;
}

/// The point as a key or a PKESK has it.
std::string public_point(EVP_PKEY* key, bool is_montgomery, std::string_view doing) {
    unsigned char* bytes = nullptr;
    const auto octets = EVP_PKEY_get1_encoded_public_key(key, &bytes);
    check_openssl(octets > 0, doing);
    std::string point(is_montgomery ? 1 : 0, static_cast<char>(native_point));
    point.append(text_of({bytes, octets}));
    OPENSSL_free(bytes);
    return point;
}

/// The key's packet on a certificate.
std::optional<std::string_view> key_packet(std::string_view certificate, std::string_view fingerprint) {
    mail::PacketReader reader(certificate);
    while (const auto packet = reader.next()) {
        const bool is_key =
            packet->tag == mail::packet_tag::public_key || packet->tag == mail::packet_tag::public_subkey;
        if (is_key && openpgp_key_fingerprint(packet->body) == fingerprint) {
            return packet->body;
        }
    }
    return std::nullopt;
}

struct ReadKey {
    EvpKey key;
    std::optional<OpenPgpRecipient::Agreement> agreement;
};

/// Null: a point of another form. X25519 takes any point (RFC 7748 §5).
EvpKey x25519_key(std::string_view point, std::string_view doing) {
    if (point.size() != 1 + curve25519_octets || octets_of(point)[0] != native_point) {
        return {};
    }
    EvpKey key(EVP_PKEY_new_raw_public_key_ex(nullptr, "X25519", nullptr, octets_of(point.substr(1)),
                                              curve25519_octets));
    check_openssl(key != nullptr, doing);
    return key;
}

std::optional<ReadKey> read_ecdh(BodyReader& body, const std::string& fingerprint, std::string_view doing) {
    const auto identifier = body.counted();
    const auto point = body.multiprecision_integer();
    const auto kdf = body.counted();
    constexpr std::size_t kdf_octets = 4; // a length of 3, the constant 1, a digest, a cipher
    if (!body.at_end() || identifier.empty() || kdf.size() != kdf_octets || kdf[1] != 1) {
        return std::nullopt;
    }
    const auto* const digest = kdf_digest(octets_of(kdf)[2]);
    const auto key_octets = aes_key_octets(octets_of(kdf)[3]);
    if (digest == nullptr || key_octets == 0 ||
        static_cast<std::size_t>(EVP_MD_get_size(digest)) < key_octets) {
        return std::nullopt;
    }
    const bool is_montgomery = identifier == curve25519;
    const auto* const curve = is_montgomery ? nullptr : named_curve(identifier.substr(1));
    auto key = is_montgomery      ? x25519_key(point, doing)
               : curve != nullptr ? ec_public_key(*curve, point, doing)
                                  : EvpKey();
    if (!key) {
        return std::nullopt;
    }
    OpenPgpRecipient::Agreement agreement{is_montgomery,
                                          is_montgomery ? curve25519_octets : curve->coordinate_octets,
                                          digest, key_octets, std::string(identifier)};
    agreement.parameters += static_cast<char>(ecdh);
    agreement.parameters += kdf;
    agreement.parameters += "Anonymous Sender    "sv;
    agreement.parameters += hex_decode(fingerprint).value_or("");
    return ReadKey{std::move(key), std::move(agreement)};
}

std::optional<ReadKey> read_key(std::string_view packet_body, const std::string& fingerprint,
                                std::string_view doing) {
    constexpr std::size_t version_and_time_octets = 5;
    BodyReader body(packet_body);
    (void)body.octets(version_and_time_octets);
    switch (body.octet()) {
    case rsa_encrypt_or_sign:
    case rsa_encrypt_only: {
        const auto modulus = body.multiprecision_integer();
        const auto exponent = body.multiprecision_integer();
        auto key = body.at_end() ? rsa_public_key(modulus, exponent, doing) : EvpKey();
        return key ? std::optional(ReadKey{std::move(key), std::nullopt}) : std::nullopt;
    }
    case ecdh:
        return read_ecdh(body, fingerprint, doing);
    default:
        return std::nullopt;
    }
}

} // namespace

std::optional<std::string> openpgp_key_fingerprint(std::string_view key_packet_body) {
    constexpr std::size_t octets_most = 0xffff;
    if (key_packet_body.empty() || key_packet_body.front() != 4 || key_packet_body.size() > octets_most) {
        return std::nullopt;
    }
    const std::array<unsigned char, 3> before{0x99, static_cast<unsigned char>(key_packet_body.size() >> 8U),
                                              static_cast<unsigned char>(key_packet_body.size() & 0xffU)};
    constexpr std::size_t fingerprint_octets = 20;
    std::array<unsigned char, fingerprint_octets> digest{};
    const DigestContext context(EVP_MD_CTX_new());
    check_openssl(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha1(), nullptr) == 1 &&
                      EVP_DigestUpdate(context.get(), before.data(), before.size()) == 1 &&
                      EVP_DigestUpdate(context.get(), key_packet_body.data(), key_packet_body.size()) == 1 &&
                      EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1,
                  "computing a fingerprint");
    return hex_encode(text_of(digest));
}

std::optional<OpenPgpRecipient> OpenPgpRecipient::from(const Certificate& certificate) {
    const auto& fingerprint = certificate.encryption_key;
    auto doing = fmt::format("encrypting to certificate {}", certificate.fingerprint);
    const auto packet = key_packet(certificate.bytes, fingerprint);
    auto read = packet ? read_key(*packet, fingerprint, doing) : std::nullopt;
    if (!read) {
        return std::nullopt;
    }
    constexpr std::size_t key_id_digits = 16;
    auto key_id = hex_decode(fingerprint.substr(fingerprint.size() - key_id_digits)).value_or("");
    return OpenPgpRecipient(std::move(doing), std::move(key_id), std::move(read->key),
                            std::move(read->agreement));
}

std::string OpenPgpRecipient::pkesk(const Aes256Key& session_key) const {
    constexpr char version = 3;
    const auto encrypted = agreement_ ? agree(session_key) : transport(session_key);
    const auto algorithm = static_cast<char>(agreement_ ? ecdh : rsa_encrypt_or_sign);
    const auto body = version + key_id_ + algorithm + encrypted;
    return mail::packet_header(mail::packet_tag::pkesk, body.size()) + body;
}

std::string OpenPgpRecipient::transport(const Aes256Key& session_key) const {
    const auto secret = encoded(session_key, /*block_octets=*/1);
    const EvpKeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
    std::string encrypted(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())), '\0');
    std::size_t octets = encrypted.size();
    check_use_of_key(context != nullptr && EVP_PKEY_encrypt_init(context.get()) == 1 &&
                         EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1 &&
                         EVP_PKEY_encrypt(context.get(), reinterpret_cast<unsigned char*>(encrypted.data()),
                                          &octets, secret.all().data(), secret.size()) == 1,
                     doing_);
    encrypted.resize(octets);
    return multiprecision_integer(encrypted);
}

std::string OpenPgpRecipient::agree(const Aes256Key& session_key) const {
    constexpr std::size_t wrap_block_octets = 8;
    const auto ephemeral = ephemeral_beside(key_.get(), doing_);
    const auto shared = shared_secret(ephemeral.get(), key_.get(), agreement_->shared_octets, doing_);
    const auto secret = encoded(session_key, wrap_block_octets);
    const auto key = wrapping_key(shared, *agreement_, doing_);
    const auto wrapped = aes_key_wrap(secret.all(), key.first(agreement_->wrapping_key_octets), doing_);
    return multiprecision_integer(public_point(ephemeral.get(), agreement_->is_montgomery, doing_)) +
           static_cast<char>(wrapped.size()) + wrapped;
}

} // namespace lockbox::crypto
