#include "crypto/cms_open.hpp"

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "crypto/cms_form.hpp"
#include "crypto/gpg_failure.hpp"
#include "crypto/plaintext_sink.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/err.h>

#include <algorithm>
#include <optional>

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

/// Null: the message names none of them.
const SecretKey* key_named(CMS_ContentInfo* content, const KeyFile& file) {
    const auto infos = recipient_infos(content);
    const auto key = std::find_if(file.keys.begin(), file.keys.end(), [&](const SecretKey& candidate) {
        return std::any_of(infos.begin(), infos.end(),
                           [&](CMS_RecipientInfo* info) { return names(info, candidate.certificate.get()); });
    });
    ERR_clear_error();
    return key != file.keys.end() ? &*key : nullptr;
}

const SecretKey& key_for(CMS_ContentInfo* content, const KeyFile& file,
                         const std::vector<std::string>& recipients) {
    if (const auto* const key = key_named(content, file)) {
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

/// A key of the caller's gpgsm.
struct GpgsmKey {
    X509Handle certificate;
    std::string keygrip;
};

/// The certificate in DER or PEM, whatever the caller's configuration makes gpgsm write. Null: there is none.
X509Handle exported_certificate(const _gpgme_key& key) {
    const auto context = make_gpgsm_context();
    auto data = collect();
    if (key.subkeys == nullptr || key.subkeys->fpr == nullptr ||
        gpgme_err_code(gpgme_op_export(context.get(), key.subkeys->fpr, 0, data.get())) != GPG_ERR_NO_ERROR) {
        return nullptr;
    }
    auto certificates = certificates_in(take_bytes(std::move(data)));
    return certificates.empty() ? nullptr : std::move(certificates.front());
}

/// The key for this message among those whose secret part gpg-agent has. What gpgsm itself says of keys is
/// "No secret key" for most causes. nullopt: none of them, or the agent cannot be reached.
std::optional<GpgsmKey> gpgsm_key_for(const std::vector<CMS_RecipientInfo*>& infos) {
    constexpr int keys_max = 100; // each costs a run of gpgsm
    const auto context = make_gpgsm_context();
    check(gpgme_set_keylist_mode(context.get(), GPGME_KEYLIST_MODE_LOCAL | GPGME_KEYLIST_MODE_WITH_KEYGRIP),
          "choosing how to list keys");
    if (gpgme_err_code(gpgme_op_keylist_start(context.get(), nullptr, /*secret_only=*/1)) !=
        GPG_ERR_NO_ERROR) {
        return std::nullopt;
    }
    std::vector<GpgKey> keys;
    gpgme_key_t raw = nullptr;
    while (keys.size() < keys_max &&
           gpgme_err_code(gpgme_op_keylist_next(context.get(), &raw)) == GPG_ERR_NO_ERROR) {
        keys.emplace_back(raw);
    }
    gpgme_op_keylist_end(context.get());
    for (const auto& key : keys) {
        auto certificate = exported_certificate(*key);
        const bool is_named =
            certificate && std::any_of(infos.begin(), infos.end(), [&](CMS_RecipientInfo* info) {
                return names(info, certificate.get());
            });
        ERR_clear_error();
        if (is_named) {
            const auto* const grip = key->subkeys != nullptr ? key->subkeys->keygrip : nullptr;
            return GpgsmKey{std::move(certificate), grip != nullptr ? grip : ""};
        }
    }
    return std::nullopt;
}

/// In words, what in this RecipientInfo a gpgsm may not read; RSA with PKCS #1 v1.5 and a certificate named
/// by issuer and serial number is what each one does. Empty: nothing.
std::string_view uncommon_recipient(CMS_RecipientInfo* info) {
    switch (CMS_RecipientInfo_type(info)) {
    case CMS_RECIPINFO_TRANS: {
        ASN1_OCTET_STRING* key_id = nullptr;
        X509_ALGOR* algorithm = nullptr;
        (void)CMS_RecipientInfo_ktri_get0_signer_id(info, &key_id, nullptr, nullptr);
        (void)CMS_RecipientInfo_ktri_get0_algs(info, nullptr, nullptr, &algorithm);
        const ASN1_OBJECT* oid = nullptr;
        if (algorithm != nullptr) {
            X509_ALGOR_get0(&oid, nullptr, nullptr, algorithm);
        }
        return key_id != nullptr                       ? "a recipient named by a subject key identifier"
               : OBJ_obj2nid(oid) != NID_rsaEncryption ? "a session key encrypted with RSA-OAEP"
                                                       : "";
    }
    case CMS_RECIPINFO_AGREE:
        return "a key of an elliptic curve";
    case CMS_RECIPINFO_PASS:
        return "a passphrase instead of a key";
    default:
        return "a shared key instead of a certificate";
    }
}

[[noreturn]] void throw_cms_not_read(std::string_view what, gpgme_error_t error, std::string_view hint) {
    throw Error(ErrorKind::unavailable,
                fmt::format("the gpgsm here does not read this message, which has {} in it: {}", what,
                            describe(error)),
                std::string(hint));
}

constexpr std::string_view key_from_a_file =
    "`--key FILE` opens it with the same key from a file: that which the key was imported from, or what "
    "`gpgsm --export-secret-key-p12` writes";

bool has_gpgsm_certificates() {
    const auto context = make_gpgsm_context();
    gpgme_key_t raw = nullptr;
    if (gpgme_err_code(gpgme_op_keylist_start(context.get(), nullptr, /*secret_only=*/0)) !=
        GPG_ERR_NO_ERROR) {
        return false;
    }
    const bool found = gpgme_err_code(gpgme_op_keylist_next(context.get(), &raw)) == GPG_ERR_NO_ERROR;
    const GpgKey key(raw);
    gpgme_op_keylist_end(context.get());
    return found;
}

/// gpgsm's GNUPGHOME has no key that the message names, or nobody knows.
[[noreturn]] void throw_without_gpgsm_key(gpgme_error_t error, bool found_certificate,
                                          const std::vector<CMS_RecipientInfo*>& infos,
                                          const std::vector<std::string>& recipients) {
    const auto is_for_passphrase = [](CMS_RecipientInfo* info) {
        return CMS_RecipientInfo_type(info) == CMS_RECIPINFO_PASS;
    };
    // gpgsm starts the agent where it has certificates to ask it about.
    if (!agent_answers() && (found_certificate || has_gpgsm_certificates())) {
        throw_no_agent("it does not answer");
    }
    if (std::any_of(infos.begin(), infos.end(), is_for_passphrase)) {
        throw_cms_not_read("a passphrase instead of a key", error,
                           "`openssl cms -decrypt -pwri_password` opens what is sealed to a passphrase");
    }
    throw Error(
        ErrorKind::no_secret_key,
        fmt::format("no secret key here opens this message; it is sealed to {}", sealed_to(recipients)),
        "`gpgsm --list-secret-keys` shows the keys that are here; `--key FILE` takes one from a file");
}

/// Decides by what is known. gpgsm says little, and the same for many causes; so the message tells what it
/// may not read, and the agent, whether the key was there and open.
[[noreturn]] void throw_gpgsm_failure(gpgme_error_t error, gpgme_ctx_t context, const CmsForm& form,
                                      CMS_ContentInfo* content, const std::vector<std::string>& recipients) {
    throw_if_key_trouble(error);
    const auto* const result = gpgme_op_decrypt_result(context);
    if (result != nullptr && result->unsupported_algorithm != nullptr) {
        throw_cms_not_read(form.content_encryption, error, key_from_a_file);
    }
    const auto infos = recipient_infos(content);
    const auto key = gpgsm_key_for(infos);
    if (!key) {
        throw_without_gpgsm_key(error, result != nullptr && result->recipients != nullptr, infos, recipients);
    }
    if (form.authenticated) { // no gpgsm up to 2.4 reads GCM as others write it, and none says that it is GCM
        throw_cms_not_read(form.content_encryption, error, key_from_a_file);
    }
    for (auto* info : infos) {
        const auto what = names(info, key->certificate.get()) ? uncommon_recipient(info) : std::string_view();
        ERR_clear_error();
        if (!what.empty()) {
            throw_cms_not_read(what, error, key_from_a_file);
        }
    }
    switch (key_state(key->keygrip)) {
    case KeyState::locked:
        throw_locked(gpgme_error(GPG_ERR_NO_PASSPHRASE));
    case KeyState::unknown:
        throw_no_agent("it does not answer");
    case KeyState::absent:
    case KeyState::on_card:
    case KeyState::open:
        break;
    }
    const auto trouble = trouble_of(error);
    if (trouble == GpgTrouble::wrong_data || trouble == GpgTrouble::no_key) {
        throw Error(ErrorKind::malformed, std::string(damaged_or_forged));
    }
    throw_not_opened("gpgsm", error);
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

bool has_key_for(std::string_view cms, const KeyFile& file) {
    (void)read_cms_form(cms);
    return key_named(parse(cms).get(), file) != nullptr;
}

CmsDecrypted decrypt_cms_with_gpgsm(std::string_view cms) {
    const auto form = read_cms_form(cms);
    const auto content = parse(cms);
    auto recipients = recipients_of(content.get());
    const auto context = make_gpgsm_context();
    const auto input = read_from(cms);
    PlaintextSink sink(cms.size()); // nothing is compressed, so it cannot become more
    const auto error = gpgme_op_decrypt(context.get(), input.get(), sink.data());
    sink.rethrow_failure();
    if (gpgme_err_code(error) != GPG_ERR_NO_ERROR) {
        throw_gpgsm_failure(error, context.get(), form, content.get(), recipients);
    }
    return {sink.take(), form.authenticated ? Integrity::authenticated : Integrity::none,
            form.content_encryption, std::move(recipients)};
}

} // namespace lockbox::crypto
