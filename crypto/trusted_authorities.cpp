#include "crypto/trusted_authorities.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace lockbox::crypto {
namespace {

void add_authority(X509_STORE* store, X509* certificate) {
    check_openssl(X509_STORE_add_cert(store, certificate) == 1, "keeping a trusted certificate");
}

/// Armored or binary: a key of OpenPGP begins with a packet's tag, whose first bit is set (RFC 9580 §4.2).
bool is_openpgp(std::string_view bytes) {
    const bool binary =
        !bytes.empty() && (static_cast<unsigned char>(bytes.front()) & 0x80U) != 0 && mail::split_keys(bytes);
    return binary || (bytes.find("-----BEGIN PGP ") != std::string_view::npos &&
                      bytes.find("CERTIFICATE-----") == std::string_view::npos);
}

/// How many certificates of a file the store has taken. Throws Error(configuration).
std::size_t add_authorities(X509_STORE* store, std::string_view bytes, const std::string& path) {
    if (const auto one = x509_from_der(bytes)) {
        add_authority(store, one.get());
        return 1;
    }
    if (is_openpgp(bytes)) {
        throw Error(ErrorKind::configuration,
                    fmt::format("{} is for OpenPGP, which has no authorities", path),
                    "certification authorities of S/MIME have X.509 certificates; OpenPGP certificates are "
                    "taken with `lockbox import`");
    }
    const auto bio = bio_reading(bytes);
    std::size_t count = 0;
    while (const X509Handle certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
        add_authority(store, certificate.get());
        ++count;
    }
    const auto last = ERR_peek_last_error();
    ERR_clear_error();
    const bool at_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    if (!at_end) {
        throw Error(ErrorKind::configuration,
                    fmt::format("{}: certificate {} in it is damaged", path, count + 1));
    }
    return count;
}

bool is_directory(const std::string& path) {
    std::error_code error;
    return std::filesystem::is_directory(path, error);
}

std::vector<std::string> files_in(const std::string& directory) {
    std::vector<std::string> files;
    std::error_code error;
    for (auto entry = std::filesystem::directory_iterator(directory, error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        std::error_code gone;
        if (entry->is_regular_file(gone)) {
            files.push_back(entry->path().string());
        }
    }
    if (error) {
        throw Error(ErrorKind::no_input,
                    fmt::format("cannot read the directory {}: {}", directory, error.message()));
    }
    if (files.size() > authority_files_max) {
        throw Error(ErrorKind::too_large,
                    fmt::format("there are more than {} files in {}", authority_files_max, directory));
    }
    std::sort(files.begin(), files.end());
    return files;
}

} // namespace

TrustedAuthorities TrustedAuthorities::load(const std::vector<std::string>& paths) {
    TrustedAuthorities authorities;
    for (const auto& path : paths) {
        if (!authorities.store_) {
            authorities.store_.reset(X509_STORE_new());
            check_openssl(authorities.store_ != nullptr, "making a list of trusted certificates");
        }
        std::size_t count = 0;
        for (const auto& file : is_directory(path) ? files_in(path) : std::vector<std::string>{path}) {
            count += add_authorities(authorities.store_.get(), read_file(file, authorities_octets_max), file);
        }
        if (count == 0) {
            throw Error(
                ErrorKind::configuration, fmt::format("there is no certificate in {}", path),
                "authorities are named by files of certificates in PEM or DER, or directories of such files");
        }
    }
    return authorities;
}

std::vector<std::string> TrustedAuthorities::certificates() const {
    std::vector<std::string> all;
    if (store_ == nullptr) {
        return all;
    }
    const X509Stack stack(X509_STORE_get1_all_certs(store_.get()));
    check_openssl(stack != nullptr, "listing the trusted certificates");
    for (int i = 0; i < sk_X509_num(stack.get()); ++i) {
        all.push_back(der_of(sk_X509_value(stack.get(), i)));
    }
    return all;
}

} // namespace lockbox::crypto
