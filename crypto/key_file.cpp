#include "crypto/key_file.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <sys/stat.h>

#include <algorithm>
#include <exception>
#include <optional>

namespace lockbox::crypto {
namespace {

void free_safe_bags(STACK_OF(PKCS12_SAFEBAG) * bags) noexcept {
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
}
void free_safe_contents(STACK_OF(PKCS7) * contents) noexcept {
    sk_PKCS7_pop_free(contents, PKCS7_free);
}

using Pkcs12 = Handle<PKCS12, PKCS12_free>;
using Provider = Handle<OSSL_PROVIDER, OSSL_PROVIDER_unload>;

/// Asks once, and remembers: a file's keys have one passphrase.
class Passphrase {
public:
    Passphrase(std::string file, const AskPassphrase& ask) : file_(std::move(file)), ask_(ask) {}

    [[nodiscard]] bool was_asked_for() const noexcept { return secret_.has_value(); }
    [[nodiscard]] const Secret& get() {
        if (!secret_) {
            secret_ = ask_(file_);
            if (secret_->size() > passphrase_octets_max) {
                throw Error(ErrorKind::no_secret_key,
                            fmt::format("the passphrase has more than {} octets", passphrase_octets_max));
            }
        }
        return *secret_;
    }
    /// Throws what asking threw inside of OpenSSL.
    void rethrow_failure() const {
        if (failure_) {
            std::rethrow_exception(failure_);
        }
    }
    /// A pem_password_cb.
    static int give(char* buffer, int octets, int /*for_writing*/, void* handle) noexcept {
        auto& self = *static_cast<Passphrase*>(handle);
        try {
            const auto text = self.get().expose();
            if (text.size() > static_cast<std::size_t>(octets)) {
                return -1;
            }
            std::copy(text.begin(), text.end(), buffer);
            return static_cast<int>(text.size());
        } catch (...) {
            self.failure_ = std::current_exception();
            return -1;
        }
    }

private:
    std::string file_;
    const AskPassphrase& ask_;
    std::optional<Secret> secret_;
    std::exception_ptr failure_;
};

[[noreturn]] void throw_wrong_passphrase(const std::string& name) {
    ERR_clear_error();
    throw Error(ErrorKind::no_secret_key, fmt::format("the passphrase does not open {}", name));
}

struct Contents {
    std::vector<EvpKey> keys;
    std::vector<X509Handle> certificates;
};

// ----------------------------------------------------------------------------------------------------- PEM

/// The PEM blocks of secret keys, whatever their kind and whatever stands between them.
std::vector<std::string_view> key_blocks(std::string_view text) {
    constexpr std::string_view begin = "-----BEGIN ";
    constexpr std::string_view end = "-----END ";
    std::vector<std::string_view> blocks;
    while (true) {
        text.remove_prefix(std::min(text.find(begin), text.size()));
        const auto last = text.find(end);
        if (last == std::string_view::npos) {
            return blocks;
        }
        const auto octets = std::min(text.find('\n', last), text.size());
        if (text.substr(0, text.find('\n')).find("PRIVATE KEY-----") != std::string_view::npos) {
            blocks.push_back(text.substr(0, octets));
        }
        text.remove_prefix(octets);
    }
}

std::vector<EvpKey> pem_keys(std::string_view text, const std::string& name, Passphrase& passphrase) {
    std::vector<EvpKey> keys;
    for (const auto block : key_blocks(text)) {
        const auto bio = bio_reading(block);
        EvpKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &Passphrase::give, &passphrase));
        passphrase.rethrow_failure();
        if (!key && passphrase.was_asked_for()) {
            throw_wrong_passphrase(name);
        }
        if (!key) {
            throw Error(ErrorKind::malformed,
                        fmt::format("the secret key in {} cannot be read: {}", name, take_openssl_error()));
        }
        keys.push_back(std::move(key));
    }
    ERR_clear_error();
    return keys;
}

// ------------------------------------------------------------------------------------------------- PKCS#12

/// Older files are encrypted with algorithms that OpenSSL 3 keeps in a provider of its own. It is loaded into
/// a context of its own, so nothing else in the process can use them.
class OldAlgorithms {
public:
    OldAlgorithms() : context_(OSSL_LIB_CTX_new()) {
        check_openssl(context_ != nullptr, "making a context");
        standard_.reset(OSSL_PROVIDER_load(context_.get(), "default"));
        legacy_.reset(OSSL_PROVIDER_load(context_.get(), "legacy")); // is not installed everywhere
        ERR_clear_error();
    }
    [[nodiscard]] OSSL_LIB_CTX* context() const noexcept { return context_.get(); }

private:
    Handle<OSSL_LIB_CTX, OSSL_LIB_CTX_free> context_;
    Provider standard_; // unloaded before the context ends
    Provider legacy_;
};

bool mac_fits(PKCS12* file, std::string_view passphrase) {
    return PKCS12_verify_mac(file, passphrase.data(), static_cast<int>(passphrase.size())) == 1;
}

using SafeBags = Handle<STACK_OF(PKCS12_SAFEBAG), free_safe_bags>;
using SafeContents = Handle<STACK_OF(PKCS7), free_safe_contents>;
using KeyInfo = Handle<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;

/// The keys and certificates of bags, nested ones included. A bag that cannot be read is passed over: it may
/// hold what nobody needs here.
void take_bags(const STACK_OF(PKCS12_SAFEBAG) * bags, std::string_view secret, unsigned depth,
               OSSL_LIB_CTX* old_algorithms, Contents& contents) {
    constexpr unsigned depth_max = 8;
    const auto octets = static_cast<int>(secret.size());
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); ++i) {
        const auto* const bag = sk_PKCS12_SAFEBAG_value(bags, i);
        KeyInfo decrypted_info;
        const PKCS8_PRIV_KEY_INFO* info = nullptr;
        switch (PKCS12_SAFEBAG_get_nid(bag)) {
        case NID_keyBag:
            info = PKCS12_SAFEBAG_get0_p8inf(bag);
            break;
        case NID_pkcs8ShroudedKeyBag:
            decrypted_info.reset(PKCS12_decrypt_skey_ex(bag, secret.data(), octets, old_algorithms, nullptr));
            info = decrypted_info.get();
            break;
        case NID_certBag:
            if (X509Handle certificate{PKCS12_SAFEBAG_get1_cert(bag)}) {
                contents.certificates.push_back(std::move(certificate));
            }
            break;
        case NID_safeContentsBag:
            if (depth < depth_max) {
                take_bags(PKCS12_SAFEBAG_get0_safes(bag), secret, depth + 1, old_algorithms, contents);
            }
            break;
        default:
            break;
        }
        if (EvpKey key{info != nullptr ? EVP_PKCS82PKEY(info) : nullptr}) {
            contents.keys.push_back(std::move(key));
        }
    }
}

/// All keys and certificates (RFC 7292 §4). PKCS12_parse() gives one key of a file that has several.
Contents pkcs12_contents(PKCS12* file, OSSL_LIB_CTX* old_algorithms, const std::string& name,
                         Passphrase& passphrase) {
    std::string_view secret; // without octets, which is not the empty one (RFC 7292 Appendix B.1)
    if (PKCS12_mac_present(file) == 1 && !mac_fits(file, secret)) {
        secret = "";
        if (!mac_fits(file, secret)) {
            secret = passphrase.get().expose();
            if (!mac_fits(file, secret)) {
                throw_wrong_passphrase(name);
            }
        }
    }
    Contents contents;
    const SafeContents safes(PKCS12_unpack_authsafes(file));
    for (int i = 0; safes && i < sk_PKCS7_num(safes.get()); ++i) {
        auto* const safe = sk_PKCS7_value(safes.get(), i);
        const SafeBags bags(
            PKCS7_type_is_encrypted(safe)
                ? PKCS12_unpack_p7encdata(safe, secret.data(), static_cast<int>(secret.size()))
                : PKCS12_unpack_p7data(safe));
        take_bags(bags.get(), secret, 0, old_algorithms, contents);
    }
    if (contents.keys.empty() && ERR_peek_error() != 0) {
        throw Error(ErrorKind::malformed, fmt::format("{} cannot be read: {}", name, take_openssl_error()),
                    "a file of an old program becomes a new one with `openssl pkcs12 -legacy`");
    }
    ERR_clear_error();
    return contents;
}

// ---------------------------------------------------------------------------------------------------- both

Contents contents_of(std::string_view bytes, const std::string& name, Passphrase& passphrase) {
    const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
    const OldAlgorithms old;
    auto* read = PKCS12_init_ex(NID_pkcs7_data, old.context(), nullptr);
    check_openssl(read != nullptr, "making PKCS#12");
    const bool is_pkcs12 = d2i_PKCS12(&read, &at, static_cast<long>(bytes.size())) != nullptr;
    if (const Pkcs12 file(read); is_pkcs12) {
        return pkcs12_contents(file.get(), old.context(), name, passphrase);
    }
    ERR_clear_error();
    return {pem_keys(bytes, name, passphrase), certificates_in(bytes)};
}

std::vector<SecretKey> paired(Contents contents) {
    std::vector<SecretKey> pairs;
    for (auto& key : contents.keys) {
        const auto own = std::find_if(contents.certificates.begin(), contents.certificates.end(),
                                      [&](const X509Handle& certificate) {
                                          return X509_check_private_key(certificate.get(), key.get()) == 1;
                                      });
        if (own != contents.certificates.end()) {
            X509_up_ref(own->get());
            pairs.push_back({std::move(key), X509Handle(own->get())});
        }
    }
    ERR_clear_error(); // what did not belong together
    return pairs;
}

} // namespace

std::vector<X509Handle> certificates_in(std::string_view bytes) {
    std::vector<X509Handle> certificates;
    if (auto one = x509_from_der(bytes)) {
        certificates.push_back(std::move(one));
        return certificates;
    }
    const auto bio = bio_reading(bytes);
    while (auto* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
        certificates.emplace_back(certificate);
    }
    ERR_clear_error(); // the end of the file
    return certificates;
}

KeyFile read_key_file(const std::filesystem::path& path, const std::filesystem::path& certificate,
                      const AskPassphrase& ask) {
    KeyFile file;
    file.name = path.string();
    const Secret bytes(read_file(path, key_file_octets_max));
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0) {
        file.warnings.push_back(
            fmt::format("everybody on this machine can read {}: `chmod 600` makes it yours", file.name));
    }
    Passphrase passphrase(file.name, ask);
    auto contents = contents_of(bytes.expose(), file.name, passphrase);
    if (contents.keys.empty()) {
        throw Error(ErrorKind::malformed, fmt::format("there is no secret key in {}", file.name),
                    "--key takes PKCS#12 (.p12, .pfx) or PEM; GnuPG's keys need no file");
    }
    std::string looked_in = file.name;
    if (!certificate.empty()) {
        looked_in = certificate.string();
        for (auto& more : certificates_in(read_file(certificate, key_file_octets_max))) {
            contents.certificates.push_back(std::move(more));
        }
    }
    if (contents.certificates.empty()) {
        throw Error(ErrorKind::malformed, fmt::format("there is no certificate in {}", looked_in),
                    "a message names certificates, not keys: `--certificate FILE` gives the one of the key");
    }
    file.keys = paired(std::move(contents));
    if (file.keys.empty()) {
        throw Error(ErrorKind::malformed, fmt::format("no certificate in {} belongs to the secret key in {}",
                                                      looked_in, file.name));
    }
    return file;
}

} // namespace lockbox::crypto
