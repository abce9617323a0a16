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

/// Older files are encrypted with algorithms that OpenSSL 3 keeps in a provider of its own. It is loaded for
/// the rest of the process; what a message may be encrypted with is decided by read_cms_form().
void allow_old_algorithms() {
    // Loading one by its name switches off that the default one is there by itself. Both go before OpenSSL
    // does, or what the legacy one has allocated is left (3.5).
    static const Provider standard(OSSL_PROVIDER_load(nullptr, "default"));
    static const Provider legacy(OSSL_PROVIDER_load(nullptr, "legacy"));
    ERR_clear_error();
}

bool mac_fits(PKCS12* file, std::string_view passphrase) {
    return PKCS12_verify_mac(file, passphrase.data(), static_cast<int>(passphrase.size())) == 1;
}

Contents pkcs12_contents(PKCS12* file, const std::string& name, Passphrase& passphrase) {
    allow_old_algorithms();
    std::string_view secret; // what files without a passphrase are encrypted with
    if (PKCS12_mac_present(file) == 1 && !mac_fits(file, "")) {
        secret = passphrase.get().expose();
        if (!mac_fits(file, secret)) {
            throw_wrong_passphrase(name);
        }
    }
    const Secret terminated(std::string(secret) + '\0');
    EVP_PKEY* key = nullptr;
    X509* certificate = nullptr;
    STACK_OF(X509)* others = nullptr;
    const bool parsed = PKCS12_parse(file, terminated.expose().data(), &key, &certificate, &others) == 1;
    Contents contents;
    if (EvpKey owned{key}) {
        contents.keys.push_back(std::move(owned));
    }
    if (X509Handle owned{certificate}) {
        contents.certificates.push_back(std::move(owned));
    }
    const X509Stack released(others);
    if (!parsed) {
        throw Error(ErrorKind::malformed, fmt::format("{} cannot be read: {}", name, take_openssl_error()),
                    "a file of an old program becomes a new one with `openssl pkcs12 -legacy`");
    }
    return contents;
}

// ---------------------------------------------------------------------------------------------------- both

Contents contents_of(std::string_view bytes, const std::string& name, Passphrase& passphrase) {
    const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
    if (const Pkcs12 file{d2i_PKCS12(nullptr, &at, static_cast<long>(bytes.size()))}) {
        return pkcs12_contents(file.get(), name, passphrase);
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
