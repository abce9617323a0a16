#include "crypto/cms_seal.hpp"

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "crypto/loaded_certificates.hpp"
#include "crypto/openssl_handles.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <climits>
#include <exception>
#include <string>

namespace lockbox::crypto {
namespace {

/// The payload is in CRLF line ends already, and stays as it is.
constexpr unsigned cms_flags = CMS_BINARY | CMS_PARTIAL | CMS_STREAM;

/// Hands OpenSSL's output on; an exception waits until OpenSSL has returned.
struct OutputWriter {
    const CmsSealer::Output& output;
    std::exception_ptr failure;

    static int write(BIO* bio, const char* data, int octets) noexcept {
        auto& self = *static_cast<OutputWriter*>(BIO_get_data(bio));
        try {
            self.output({data, static_cast<std::size_t>(octets)});
            return octets;
        } catch (...) {
            self.failure = std::current_exception();
            return -1;
        }
    }
    static long control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) noexcept {
        return command == BIO_CTRL_FLUSH ? 1 : 0;
    }
};

using BioMethod = Handle<BIO_METHOD, BIO_meth_free>;

/// One for the life of the program: its type number is never given back.
const BIO_METHOD* output_method() {
    static const BioMethod method = [] {
        BioMethod made(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "Lockbox output"));
        check_openssl(made != nullptr && BIO_meth_set_write(made.get(), &OutputWriter::write) == 1 &&
                          BIO_meth_set_ctrl(made.get(), &OutputWriter::control) == 1,
                      "preparing to write");
        return made;
    }();
    return method.get();
}

/// The filters that BIO_new_CMS() puts in front of the output: they go one by one, the output stays.
class CmsFilters {
public:
    CmsFilters(BIO* output, CMS_ContentInfo* content)
        : output_(output), first_(BIO_new_CMS(output, content)) {
        check_openssl(first_ != nullptr, "encrypting");
    }
    ~CmsFilters() {
        while (first_ != nullptr && first_ != output_) {
            BIO* const next = BIO_pop(first_);
            BIO_free(first_);
            first_ = next;
        }
    }
    CmsFilters(const CmsFilters&) = delete;
    CmsFilters& operator=(const CmsFilters&) = delete;
    [[nodiscard]] BIO* get() const noexcept { return first_; }

private:
    BIO* output_;
    BIO* first_;
};

X509Handle load(const Certificate& certificate) {
    auto loaded = x509_from_der(certificate.bytes);
    if (!loaded) {
        throw Error(ErrorKind::engine,
                    fmt::format("OpenSSL cannot read certificate {}", certificate.fingerprint));
    }
    return loaded;
}

void add_recipient(CMS_ContentInfo* content, X509* certificate, const std::string& fingerprint) {
    const auto doing = fmt::format("encrypting to certificate {}", fingerprint);
    auto* const recipient = CMS_add1_recipient_cert(content, certificate, CMS_KEY_PARAM);
    check_openssl(recipient != nullptr, doing);
    auto* const parameters = CMS_RecipientInfo_get0_pkey_ctx(recipient);
    if (CMS_RecipientInfo_type(recipient) == CMS_RECIPINFO_AGREE) {
        // The default is SHA-1.
        check_openssl(parameters != nullptr && EVP_PKEY_CTX_set_ecdh_kdf_md(parameters, EVP_sha256()) == 1,
                      doing);
    }
}

const EVP_CIPHER* cipher_of(ContentEncryption encryption) {
    return encryption == ContentEncryption::aes256_gcm ? EVP_aes_256_gcm() : EVP_aes_256_cbc();
}

} // namespace

class CmsSealer::Impl {
public:
    void encrypt(const Recipients& recipients, std::span<const std::string_view> pieces,
                 const Output& output) {
        CmsContent content(
            CMS_encrypt(nullptr, nullptr, cipher_of(recipients.content_encryption()), cms_flags));
        check_openssl(content != nullptr, "preparing to encrypt");
        loaded_.make_room_for(recipients.all().size());
        for (const auto& certificate : recipients.all()) {
            const auto& loaded = loaded_.get(sha256(certificate.bytes), [&] { return load(certificate); });
            add_recipient(content.get(), loaded.get(), certificate.fingerprint);
        }
        OutputWriter writer{output, nullptr};
        const BioHandle sink(BIO_new(output_method()));
        check_openssl(sink != nullptr, "writing the message");
        BIO_set_data(sink.get(), &writer);
        BIO_set_init(sink.get(), 1);
        const bool written = write(content.get(), sink.get(), pieces);
        if (writer.failure) {
            (void)take_openssl_error();
            std::rethrow_exception(writer.failure);
        }
        check_openssl(written, "encrypting");
    }

private:
    static bool write(CMS_ContentInfo* content, BIO* sink, std::span<const std::string_view> pieces) {
        const CmsFilters filters(sink, content);
        for (auto piece : pieces) {
            while (!piece.empty()) {
                const auto octets = std::min<std::size_t>(piece.size(), INT_MAX);
                const int taken = BIO_write(filters.get(), piece.data(), static_cast<int>(octets));
                if (taken <= 0) {
                    return false;
                }
                piece.remove_prefix(static_cast<std::size_t>(taken));
            }
        }
        return BIO_flush(filters.get()) == 1;
    }

    LoadedCertificates<X509Handle> loaded_;
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
