#include "crypto/cms_open.hpp"

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "crypto/cms_form.hpp"
#include "crypto/plaintext_sink.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/err.h>

#include <algorithm>

namespace lockbox::crypto {
namespace {

constexpr std::string_view damaged_or_forged =
    "the message is damaged or forged, or its key does not fit; nothing of it is shown";

CmsContent parse(std::string_view cms) {
    const auto* at = reinterpret_cast<const unsigned char*>(cms.data());
    const auto* const end = at + cms.size();
    CmsContent content(d2i_CMS_ContentInfo(nullptr, &at, static_cast<long>(cms.size())));
    ERR_clear_error();
    if (!content || at != end) {
        throw Error(ErrorKind::malformed, "the CMS data is damaged; nothing of it is shown");
    }
    return content;
}

// ---------------------------------------------------------------------------------------------- recipients

std::string in_words(const ASN1_OCTET_STRING* key_id, const X509_NAME* issuer, const ASN1_INTEGER* serial) {
    const auto hex = [](const ASN1_STRING* text) {
        return hex_encode({reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                           static_cast<std::size_t>(ASN1_STRING_length(text))});
    };
    if (key_id != nullptr) {
        return "subject key id " + hex(key_id);
    }
    return issuer != nullptr && serial != nullptr
               ? fmt::format("serial {} of {}", hex(serial), name_of(issuer))
               : std::string("somebody who is not named");
}

/// One RecipientInfo with key agreement may stand for many recipients.
template <typename Work>
void for_each_key_of(CMS_RecipientInfo* agreement, Work&& work) {
    auto* keys = CMS_RecipientInfo_kari_get0_reks(agreement);
    for (int i = 0; i < sk_CMS_RecipientEncryptedKey_num(keys); ++i) {
        work(sk_CMS_RecipientEncryptedKey_value(keys, i));
    }
}

/// The members of the stack, in their order.
std::vector<CMS_RecipientInfo*> recipient_infos(CMS_ContentInfo* content) {
    auto* infos = CMS_get0_RecipientInfos(content);
    const auto count = sk_CMS_RecipientInfo_num(infos);
    if (count > static_cast<int>(cms_recipients_max)) {
        throw Error(ErrorKind::too_large,
                    fmt::format("the message is sealed to more than {} recipients", cms_recipients_max));
    }
    std::vector<CMS_RecipientInfo*> result;
    for (int i = 0; i < count; ++i) {
        result.push_back(sk_CMS_RecipientInfo_value(infos, i));
    }
    return result;
}

std::vector<std::string> recipients_of(CMS_ContentInfo* content) {
    std::vector<std::string> recipients;
    for (auto* info : recipient_infos(content)) {
        ASN1_OCTET_STRING* key_id = nullptr;
        X509_NAME* issuer = nullptr;
        ASN1_INTEGER* serial = nullptr;
        switch (CMS_RecipientInfo_type(info)) {
        case CMS_RECIPINFO_TRANS:
            (void)CMS_RecipientInfo_ktri_get0_signer_id(info, &key_id, &issuer, &serial);
            recipients.push_back(in_words(key_id, issuer, serial));
            break;
        case CMS_RECIPINFO_AGREE:
            for_each_key_of(info, [&](CMS_RecipientEncryptedKey* key) {
                key_id = nullptr;
                issuer = nullptr;
                serial = nullptr;
                (void)CMS_RecipientEncryptedKey_get0_id(key, &key_id, nullptr, nullptr, &issuer, &serial);
                recipients.push_back(in_words(key_id, issuer, serial));
            });
            break;
        case CMS_RECIPINFO_PASS:
            recipients.emplace_back("whoever knows a passphrase");
            break;
        default:
            recipients.emplace_back("whoever has a shared key");
        }
        if (recipients.size() > cms_recipients_max) {
            throw Error(ErrorKind::too_large,
                        fmt::format("the message is sealed to more than {} recipients", cms_recipients_max));
        }
    }
    ERR_clear_error();
    return recipients;
}

bool names(CMS_RecipientInfo* info, X509* certificate) {
    bool found = false;
    switch (CMS_RecipientInfo_type(info)) {
    case CMS_RECIPINFO_TRANS:
        return CMS_RecipientInfo_ktri_cert_cmp(info, certificate) == 0;
    case CMS_RECIPINFO_AGREE:
        for_each_key_of(info, [&](CMS_RecipientEncryptedKey* key) {
            found = found || CMS_RecipientEncryptedKey_cert_cmp(key, certificate) == 0;
        });
        return found;
    default:
        return false;
    }
}

std::string sealed_to(const std::vector<std::string>& recipients) {
    return recipients.empty() ? std::string("nobody that can be named")
                              : fmt::format("{}", fmt::join(recipients, "; "));
}

const SecretKey& key_for(CMS_ContentInfo* content, const KeyFile& file,
                         const std::vector<std::string>& recipients) {
    const auto infos = recipient_infos(content);
    const auto key = std::find_if(file.keys.begin(), file.keys.end(), [&](const SecretKey& candidate) {
        return std::any_of(infos.begin(), infos.end(),
                           [&](CMS_RecipientInfo* info) { return names(info, candidate.certificate.get()); });
    });
    ERR_clear_error();
    if (key != file.keys.end()) {
        return *key;
    }
    std::vector<std::string> own;
    for (const auto& candidate : file.keys) {
        own.push_back(in_words(nullptr, X509_get_issuer_name(candidate.certificate.get()),
                               X509_get0_serialNumber(candidate.certificate.get())));
    }
    throw Error(
        ErrorKind::no_secret_key,
        fmt::format("{} is not the key for this message: it is that of {}; the message is sealed to {}",
                    file.name, fmt::join(own, "; "), sealed_to(recipients)));
}

Secret decrypted(CMS_ContentInfo* content, const SecretKey& key, std::size_t octets_max) {
    // Memory that OpenSSL wipes when it grows, as Secret does.
    const BioHandle out(BIO_new(BIO_s_secmem()));
    check_openssl(out != nullptr, "writing to memory");
    // With the certificate, OpenSSL goes on with a random session key where RSA decryption fails, so that
    // nobody can tell this failure from the ones that follow (RFC 3218 §2.3.2). Without, it would try every
    // RecipientInfo.
    if (CMS_decrypt(content, key.key.get(), key.certificate.get(), nullptr, out.get(), CMS_BINARY) != 1) {
        ERR_clear_error();
        throw Error(ErrorKind::malformed, std::string(damaged_or_forged));
    }
    char* data = nullptr;
    const auto octets = BIO_get_mem_data(out.get(), &data);
    Secret plaintext;
    if (octets > 0) {
        check_openssl(static_cast<std::size_t>(octets) <= octets_max,
                      "decrypting to more than was encrypted");
        plaintext.append({data, static_cast<std::size_t>(octets)});
    }
    return plaintext;
}

// --------------------------------------------------------------------------------------------------- gpgsm

/// gpgsm 2.2 has no AES-GCM, and calls it one of several things.
bool reads_no_gcm(gpgme_ctx_t context) {
    for (auto* engine = gpgme_ctx_get_engine_info(context); engine != nullptr; engine = engine->next) {
        if (engine->protocol == GPGME_PROTOCOL_CMS && engine->version != nullptr) {
            return std::string_view(engine->version).starts_with("2.2.");
        }
    }
    return false;
}

[[noreturn]] void throw_failure(gpgme_error_t error, gpgme_ctx_t context, const CmsForm& form,
                                const std::vector<std::string>& recipients) {
    const auto code = gpgme_err_code(error);
    const auto* result = gpgme_op_decrypt_result(context);
    if (code == GPG_ERR_NO_SECKEY) {
        throw Error(
            ErrorKind::no_secret_key,
            fmt::format("no secret key here opens this message; it is sealed to {}", sealed_to(recipients)),
            "`gpgsm --list-secret-keys` shows the keys that are here; `--key FILE` takes one from a file");
    }
    if (code == GPG_ERR_BAD_PASSPHRASE || code == GPG_ERR_CANCELED || code == GPG_ERR_FULLY_CANCELED) {
        throw Error(ErrorKind::no_secret_key,
                    fmt::format("the secret key was not unlocked: {}", describe(error)));
    }
    if (code == GPG_ERR_NO_AGENT || code == GPG_ERR_NO_PIN_ENTRY || code == GPG_ERR_AGENT) {
        throw Error(ErrorKind::unavailable, fmt::format("gpg-agent cannot be reached: {}", describe(error)),
                    "`gpgconf --launch gpg-agent` starts it");
    }
    const bool not_understood =
        (form.authenticated && reads_no_gcm(context)) || code == GPG_ERR_UNSUPPORTED_CMS_OBJ ||
        code == GPG_ERR_UNSUPPORTED_ALGORITHM || code == GPG_ERR_UNKNOWN_CMS_OBJ ||
        code == GPG_ERR_INV_CMS_OBJ || (result != nullptr && result->unsupported_algorithm != nullptr);
    if (not_understood) {
        throw Error(ErrorKind::unavailable,
                    fmt::format("the gpgsm here does not read this message, which is encrypted with {}: {}",
                                form.content_encryption, describe(error)),
                    "`gpgsm --export-secret-key-p12` writes the key to a file that `--key` takes");
    }
    throw Error(ErrorKind::malformed, std::string(damaged_or_forged));
}

} // namespace

CmsDecrypted decrypt_cms(std::string_view cms, const KeyFile& file) {
    const auto form = read_cms_form(cms);
    const auto content = parse(cms);
    auto recipients = recipients_of(content.get());
    const auto& key = key_for(content.get(), file, recipients);
    return {decrypted(content.get(), key, cms.size()),
            form.authenticated ? Integrity::authenticated : Integrity::none, form.content_encryption,
            std::move(recipients)};
}

CmsDecrypted decrypt_cms_with_gpgsm(std::string_view cms) {
    const auto form = read_cms_form(cms);
    auto recipients = recipients_of(parse(cms).get());
    const auto context = make_gpgsm_context();
    const auto input = read_from(cms);
    PlaintextSink sink(cms.size()); // nothing is compressed, so it cannot become more
    const auto error = gpgme_op_decrypt(context.get(), input.get(), sink.data());
    sink.rethrow_failure();
    if (gpgme_err_code(error) != GPG_ERR_NO_ERROR) {
        throw_failure(error, context.get(), form, recipients);
    }
    return {sink.take(), form.authenticated ? Integrity::authenticated : Integrity::none,
            form.content_encryption, std::move(recipients)};
}

} // namespace lockbox::crypto
