#include "crypto/cms_seal.hpp"

#include "base/encoding.hpp"
#include "crypto/announced_output.hpp"
#include "crypto/cms_recipient.hpp"
#include "crypto/der.hpp"
#include "crypto/loaded_certificates.hpp"
#include "crypto/openssl_handles.hpp"
#include "mail/ber.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/objects.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

namespace lockbox::crypto {
namespace {

namespace ber = mail::ber;
using namespace std::string_view_literals;

constexpr std::size_t cbc_iv_octets = 16;
/// RFC 5084 §3.2 recommends 12, which GCM takes as they are.
constexpr std::size_t gcm_nonce_octets = 12;
constexpr std::size_t gcm_tag_octets = 16;

constexpr unsigned encrypted_content = 0x80; // EncryptedContentInfo: encryptedContent [0] IMPLICIT

/// The content of one message under its own key.
class ContentEncryptor {
public:
    ContentEncryptor(ContentEncryption encryption, const Aes256Key& key)
        : is_gcm_(encryption == ContentEncryption::aes256_gcm),
          iv_(random_bytes(is_gcm_ ? gcm_nonce_octets : cbc_iv_octets)), context_(EVP_CIPHER_CTX_new()) {
        static_assert(gcm_nonce_octets == 12, "what EVP takes for GCM where nothing else is asked for");
        const auto* const cipher = is_gcm_ ? EVP_aes_256_gcm() : EVP_aes_256_cbc();
        check_openssl(context_ != nullptr && EVP_EncryptInit_ex2(context_.get(), cipher, key.octets.data(),
                                                                 octets_of(iv_), nullptr) == 1,
                      "preparing to encrypt");
    }

    /// AlgorithmIdentifier: RFC 3565 §2.3.1 for CBC, GCMParameters of RFC 5084 §3.2.
    [[nodiscard]] std::string algorithm() const {
        const auto iv = der::element(ber::octet_string, iv_);
        constexpr auto tag_length = "\x10"sv; // aes-ICVlen: gcm_tag_octets
        const auto parameters =
            is_gcm_ ? der::element(ber::sequence, iv + der::element(ber::integer, tag_length)) : iv;
        return der::element(ber::sequence,
                            der::object_identifier(is_gcm_ ? NID_aes_256_gcm : NID_aes_256_cbc) + parameters);
    }

    /// How long `octets` become: CBC pads to full blocks, by at least one octet (RFC 5652 §6.3).
    [[nodiscard]] std::size_t encrypted_octets(std::size_t octets) const noexcept {
        return is_gcm_ ? octets : (octets / aes_block_octets + 1) * aes_block_octets;
    }

    void write(std::string_view plaintext, AnnouncedOutput& output) {
        while (!plaintext.empty()) {
            const auto now = plaintext.substr(0, cipher_piece_octets);
            int written = 0;
            check_openssl(EVP_EncryptUpdate(context_.get(), octets_of(buffer_), &written, octets_of(now),
                                            static_cast<int>(now.size())) == 1,
                          "encrypting");
            hand_on(written, output);
            plaintext.remove_prefix(now.size());
        }
    }

    /// How long the `mac` of an AuthEnvelopedData is, which comes last; 0 for CBC.
    [[nodiscard]] std::size_t mac_octets() const {
        return is_gcm_ ? der::header(ber::octet_string, gcm_tag_octets).size() + gcm_tag_octets : 0;
    }

    /// What is left of the encrypted content.
    void finish(AnnouncedOutput& output) {
        int written = 0;
        check_openssl(EVP_EncryptFinal_ex(context_.get(), octets_of(buffer_), &written) == 1, "encrypting");
        hand_on(written, output);
    }

    /// What follows the encrypted content: the `mac`, once that is finished; nothing for CBC.
    [[nodiscard]] std::string mac() const {
        if (!is_gcm_) {
            return {};
        }
        std::string tag(gcm_tag_octets, '\0');
        check_openssl(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag.size()),
                                          tag.data()) == 1,
                      "authenticating");
        return der::element(ber::octet_string, tag);
    }

private:
    void hand_on(int octets, AnnouncedOutput& output) {
        if (octets > 0) {
            output.write(std::string_view(buffer_).substr(0, static_cast<std::size_t>(octets)));
        }
    }

    bool is_gcm_;
    std::string iv_;
    CipherContext context_;
    std::string buffer_ = std::string(cipher_piece_octets + aes_block_octets, '\0');
};

/// The recipients of one message, as a CMS structure has them.
struct RecipientInfos {
    std::string set;     ///< in DER
    bool agrees = false; ///< one of them is a KeyAgreeRecipientInfo
};

/// A ContentInfo (RFC 5652 §3) from inside to outside, up to where the encrypted content begins.
/// `octets_after` is what will follow that content.
std::string before_content(ContentEncryption encryption, const RecipientInfos& recipients,
                           const std::string& algorithm, std::size_t content_octets,
                           std::size_t octets_after) {
    const bool is_gcm = encryption == ContentEncryption::aes256_gcm;
    const auto begun = [](unsigned tag, const std::string& start, std::size_t octets_to_come) {
        return der::header(tag, start.size() + octets_to_come) + start;
    };
    const auto content = begun(ber::sequence,
                               der::object_identifier(NID_pkcs7_data) + algorithm +
                                   der::header(encrypted_content, content_octets),
                               content_octets);
    // RFC 5652 §6.1: 2 where a RecipientInfo has another version than 0. RFC 5083 §2.1: always 0.
    const auto version = der::element(ber::integer, !is_gcm && recipients.agrees ? "\2"sv : "\0"sv);
    const auto octets_to_come = content_octets + octets_after;
    const auto enveloped = begun(ber::sequence, version + recipients.set + content, octets_to_come);
    const auto type =
        der::object_identifier(is_gcm ? NID_id_smime_ct_authEnvelopedData : NID_pkcs7_enveloped);
    return begun(ber::sequence, type + begun(ber::content, enveloped, octets_to_come), octets_to_come);
}

/// How long the message is by its own first length.
std::size_t announced_octets(std::string_view start) {
    const auto header = ber::header(start);
    return header ? header->octets + header->length : 0;
}

} // namespace

class CmsSealer::Impl {
public:
    void encrypt(const Recipients& recipients, std::span<const std::string_view> pieces,
                 const Output& output) {
        Aes256Key key;
        key.make_random();
        const auto infos = infos_for(recipients, key);
        ContentEncryptor cipher(recipients.content_encryption(), key);
        std::size_t octets = 0;
        for (const auto piece : pieces) {
            octets += piece.size();
        }
        const auto content_octets = cipher.encrypted_octets(octets);
        const auto start = before_content(recipients.content_encryption(), infos, cipher.algorithm(),
                                          content_octets, cipher.mac_octets());
        AnnouncedOutput message(announced_octets(start), output);
        message.write(start);
        const Output within = [&](std::string_view bytes) { message.write(bytes); };
        AnnouncedOutput content(content_octets, within);
        for (const auto piece : pieces) {
            cipher.write(piece, content);
        }
        cipher.finish(content);
        content.finish();
        message.write(cipher.mac());
        message.finish();
    }

private:
    RecipientInfos infos_for(const Recipients& recipients, const Aes256Key& key) {
        auto loaded = loaded_.for_recipients(recipients.all().size());
        std::vector<std::string> infos;
        bool agrees = false;
        for (const auto& certificate : recipients.all()) {
            const auto& recipient = loaded.get(certificate.bytes, [&] { return CmsRecipient(certificate); });
            infos.push_back(recipient.recipient_info(key));
            agrees = agrees || recipient.agrees();
        }
        return {der::set_of(std::move(infos)), agrees};
    }

    LoadedCertificates<CmsRecipient> loaded_;
};

CmsSealer::CmsSealer() : impl_(std::make_unique<Impl>()) {}
CmsSealer::~CmsSealer() = default;
CmsSealer::CmsSealer(CmsSealer&&) noexcept = default;
CmsSealer& CmsSealer::operator=(CmsSealer&&) noexcept = default;

void CmsSealer::encrypt(const Recipients& recipients, std::span<const std::string_view> pieces,
                        const Output& output) {
    impl_->encrypt(recipients, pieces, output);
}

std::string cms_engine_version() {
    return fmt::format("OpenSSL {}", OpenSSL_version(OPENSSL_VERSION_STRING));
}

} // namespace lockbox::crypto
