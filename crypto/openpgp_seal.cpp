#include "crypto/openpgp_seal.hpp"

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "crypto/aes_key.hpp"
#include "crypto/announced_output.hpp"
#include "crypto/openpgp_recipient.hpp"
#include "crypto/openssl_handles.hpp"
#include "crypto/rnp_seal.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>
#include <rnp/rnp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace lockbox::crypto {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t prefix_octets = aes_block_octets + 2;
constexpr std::size_t modification_detection_octets = 20; // SHA-1

/// RFC 9580 §5.9: binary, without a file name or a time.
constexpr auto literal_fields = "b\0\0\0\0\0"sv;
/// RFC 9580 §5.13.1: what precedes the digest, and is part of what it is computed over.
constexpr auto modification_detection_header = "\xd3\x14"sv;

/// The content of one message under its own key: CFB without resynchronisation and with an IV of zeros, SHA-1
/// over all that comes before it (RFC 9580 §5.13.1).
class ContainerWriter {
public:
    ContainerWriter(const Aes256Key& key, AnnouncedOutput& output)
        : output_(output), cipher_(EVP_CIPHER_CTX_new()), digest_(EVP_MD_CTX_new()) {
        const std::array<unsigned char, aes_block_octets> zeros{};
        check_openssl(cipher_ != nullptr && digest_ != nullptr &&
                          EVP_EncryptInit_ex2(cipher_.get(), EVP_aes_256_cfb128(), key.octets.data(),
                                              zeros.data(), nullptr) == 1 &&
                          EVP_DigestInit_ex(digest_.get(), EVP_sha1(), nullptr) == 1,
                      "preparing to encrypt");
    }

    void write(std::string_view plaintext) {
        check_openssl(EVP_DigestUpdate(digest_.get(), plaintext.data(), plaintext.size()) == 1,
                      "computing a digest");
        encrypt(plaintext);
    }

    /// The digest of what was written.
    void finish() {
        write(modification_detection_header);
        std::array<unsigned char, modification_detection_octets> digest{};
        check_openssl(EVP_DigestFinal_ex(digest_.get(), digest.data(), nullptr) == 1, "computing a digest");
        encrypt({reinterpret_cast<const char*>(digest.data()), digest.size()});
    }

private:
    void encrypt(std::string_view plaintext) {
        while (!plaintext.empty()) {
            const auto now = plaintext.substr(0, cipher_piece_octets);
            int written = 0;
            check_openssl(EVP_EncryptUpdate(cipher_.get(), octets_of(buffer_), &written, octets_of(now),
                                            static_cast<int>(now.size())) == 1 &&
                              written == static_cast<int>(now.size()),
                          "encrypting");
            output_.write(std::string_view(buffer_).substr(0, now.size()));
            plaintext.remove_prefix(now.size());
        }
    }

    AnnouncedOutput& output_;
    CipherContext cipher_;
    DigestContext digest_;
    std::string buffer_ = std::string(cipher_piece_octets + aes_block_octets, '\0');
};

/// All random, the last two octets twice.
std::string random_prefix() {
    auto prefix = random_bytes(aes_block_octets);
    return prefix + prefix.substr(aes_block_octets - (prefix_octets - aes_block_octets));
}

std::string literal_header(std::size_t octets) {
    return mail::packet_header(mail::packet_tag::literal, literal_fields.size() + octets) +
           std::string(literal_fields);
}

/// RFC 9580 §5.13.1.
constexpr auto container_version = "\1"sv;

/// How long a container's body is, for so many octets of text.
std::size_t container_octets(std::size_t octets) {
    const auto all = container_version.size() + prefix_octets + literal_header(octets).size() + octets +
                     modification_detection_header.size() + modification_detection_octets;
    if (all > std::numeric_limits<std::uint32_t>::max()) {
        throw Error(ErrorKind::too_large,
                    fmt::format("the message has {} octets, more than an OpenPGP packet can have", octets));
    }
    return all;
}

/// nullopt: at least one key is of a kind that is not known here.
std::optional<std::vector<OpenPgpRecipient>> read(const Recipients& recipients) {
    std::vector<OpenPgpRecipient> read;
    read.reserve(recipients.all().size());
    for (const auto& certificate : recipients.all()) {
        auto recipient = OpenPgpRecipient::from(certificate);
        if (!recipient) {
            return std::nullopt;
        }
        read.push_back(*std::move(recipient));
    }
    return read;
}

} // namespace

class OpenPgpSealer::Impl {
public:
    /// Made when the first message needs it.
    RnpSealer& rnp() { return rnp_ ? *rnp_ : rnp_.emplace(); }

private:
    std::optional<RnpSealer> rnp_;
};

OpenPgpSealer::OpenPgpSealer() : impl_(std::make_unique<Impl>()) {}
OpenPgpSealer::~OpenPgpSealer() = default;
OpenPgpSealer::OpenPgpSealer(OpenPgpSealer&&) noexcept = default;
OpenPgpSealer& OpenPgpSealer::operator=(OpenPgpSealer&&) noexcept = default;

void OpenPgpSealer::encrypt(const Recipients& recipients, std::span<const std::string_view> pieces,
                            const Output& output) {
    const auto readers = read(recipients);
    if (!readers) {
        return impl_->rnp().encrypt(recipients, pieces, output);
    }
    std::size_t octets = 0;
    for (const auto piece : pieces) {
        octets += piece.size();
    }
    const auto octets_announced = container_octets(octets);
    Aes256Key key;
    key.make_random();
    for (const auto& reader : *readers) {
        output(reader.pkesk(key));
    }
    output(mail::packet_header(mail::packet_tag::seipd, octets_announced));
    AnnouncedOutput body(octets_announced, output);
    body.write(container_version);
    ContainerWriter container(key, body);
    container.write(random_prefix());
    container.write(literal_header(octets));
    for (const auto piece : pieces) {
        container.write(piece);
    }
    container.finish();
    body.finish();
}

std::string openpgp_engine_version() {
    return fmt::format("librnp {}", rnp_version_string());
}

} // namespace lockbox::crypto
