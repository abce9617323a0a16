#include "tests/bench/certificates.hpp"

#include "base/encoding.hpp"
#include "base/time.hpp"
#include "crypto/openpgp_judge.hpp"
#include "crypto/openssl_handles.hpp"

#include <fmt/format.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace lockbox::bench {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using crypto::check_openssl;
using crypto::EvpKey;
using DigestContext = Handle<EVP_MD_CTX, EVP_MD_CTX_free>;
using X509ExtensionHandle = Handle<X509_EXTENSION, X509_EXTENSION_free>;

constexpr auto doing = "making a certificate"sv;
constexpr std::uint32_t created = 1'767'225'600; // 2026-01-01
constexpr long year_s = 365L * 24 * 3600;

constexpr auto ed25519_curve = "\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01"sv;    // RFC 9580 §9.2
constexpr auto x25519_curve = "\x0a\x2b\x06\x01\x04\x01\x97\x55\x01\x05\x01"sv; // RFC 9580 §9.2
constexpr auto kdf_sha256_aes128 = "\x03\x01\x08\x07"sv;                        // RFC 9580 §11.5

std::string number(std::size_t value, unsigned octets) {
    std::string bytes;
    for (unsigned i = octets; i-- > 0;) {
        bytes += static_cast<char>(value >> (8U * i));
    }
    return bytes;
}

std::string packet(unsigned tag, const std::string& body) {
    return static_cast<char>(0xc0U | tag) + ("\xff" + number(body.size(), 4)) + body;
}

/// A multiprecision integer (RFC 9580 §3.2).
std::string mpi(std::string_view bytes) {
    while (!bytes.empty() && bytes.front() == 0) {
        bytes.remove_prefix(1);
    }
    std::size_t bits = bytes.size() * 8;
    for (unsigned mask = 0x80; mask != 0 && (static_cast<unsigned char>(bytes.front()) & mask) == 0;
         mask >>= 1U) {
        --bits;
    }
    return number(bits, 2).append(bytes);
}

EvpKey new_key(const char* algorithm) {
    EvpKey key(EVP_PKEY_Q_keygen(nullptr, nullptr, algorithm));
    check_openssl(key != nullptr, doing);
    return key;
}

std::string public_octets(EVP_PKEY* key) {
    std::string octets(32, '\0');
    std::size_t length = octets.size();
    check_openssl(
        EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(octets.data()), &length) == 1,
        doing);
    return octets;
}

/// What a signature or a fingerprint is computed over (RFC 9580 §5.2.4).
std::string hashed_key(const std::string& body) {
    return '\x99' + number(body.size(), 2) + body;
}

/// A self-signature of `type` over `what`, with SHA-256, in the format of version 4 (RFC 9580 §5.2.3).
std::string signature(EVP_PKEY* signer, char type, char key_flags, const std::string& what,
                      std::string_view issuer_fingerprint) {
    const auto subpacket = [](char kind, const std::string& data) {
        return static_cast<char>(data.size() + 1) + (kind + data);
    };
    const auto subpackets = subpacket(2, number(created, 4)) + subpacket(27, std::string(1, key_flags)) +
                            subpacket(33, '\4' + std::string(issuer_fingerprint));
    const auto hashed = std::string("\4") + type + "\x16\x08" + number(subpackets.size(), 2) + subpackets;
    const auto trailer = "\4\xff"s + number(hashed.size(), 4);
    const auto over = what + hashed + trailer;
    std::array<unsigned char, 32> digest{};
    check_openssl(EVP_Digest(over.data(), over.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1,
                  doing);
    std::string made(64, '\0');
    std::size_t length = made.size();
    const DigestContext context(EVP_MD_CTX_new());
    check_openssl(context != nullptr &&
                      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, signer) == 1 &&
                      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(made.data()), &length,
                                     digest.data(), digest.size()) == 1,
                  doing);
    const auto unhashed = subpacket(16, std::string(issuer_fingerprint.substr(12)));
    return packet(2, hashed + number(unhashed.size(), 2) + unhashed +
                         std::string(reinterpret_cast<const char*>(digest.data()), 2) +
                         mpi(std::string_view(made).substr(0, 32)) + mpi(std::string_view(made).substr(32)));
}

std::string fingerprint_octets(const std::string& body) {
    const auto over = hashed_key(body);
    std::array<unsigned char, 20> digest{};
    check_openssl(EVP_Digest(over.data(), over.size(), digest.data(), nullptr, EVP_sha1(), nullptr) == 1,
                  doing);
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context{};
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const X509ExtensionHandle extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    check_openssl(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1, doing);
}

void add_name(X509_NAME* name, const std::string& common_name) {
    check_openssl(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                             reinterpret_cast<const unsigned char*>(common_name.data()),
                                             static_cast<int>(common_name.size()), -1, 0) == 1,
                  doing);
}

} // namespace

std::string address_of(std::size_t number) {
    return fmt::format("user{}@example.org", number);
}

class CertificateMaker::Impl {
public:
    explicit Impl(Kind kind) : kind_(kind) {
        if (kind == Kind::openpgp_25519) {
            primary_ = new_key("ED25519");
            return;
        }
        authority_key_.reset(EVP_EC_gen("P-256"));
        authority_ = issue(authority_key_.get(), 1, "Authority of the benchmark", "");
        if (kind == Kind::smime_rsa2048) {
            rsa_.reset(EVP_RSA_gen(2048));
        }
    }

    keyring::Entry make(std::size_t number_of_user) {
        keyring::Entry entry;
        entry.created = Time(std::chrono::seconds(created));
        entry.imported = entry.updated = entry.created;
        const auto address = address_of(number_of_user);
        entry.bindings = {keyring::Binding{mail::Address::parse(address).value()}};
        entry.bindings.front().source = "benchmark";
        entry.user_ids = {{"User <" + address + '>', address, false}};
        if (kind_ == Kind::openpgp_25519) {
            make_openpgp(entry, number_of_user);
        } else {
            make_x509(entry, number_of_user, address);
        }
        return entry;
    }

private:
    /// All have one primary key; the moment at which it was made tells them apart.
    void make_openpgp(keyring::Entry& entry, std::size_t number_of_user) {
        const auto made = created - static_cast<std::uint32_t>(number_of_user);
        const auto subkey = new_key("X25519");
        const auto primary_body = '\4' + number(made, 4) + '\x16' + std::string(ed25519_curve) +
                                  mpi('\x40' + public_octets(primary_.get()));
        const auto subkey_body = '\4' + number(made, 4) + '\x12' + std::string(x25519_curve) +
                                 mpi('\x40' + public_octets(subkey.get())) + std::string(kdf_sha256_aes128);
        const auto issuer = fingerprint_octets(primary_body);
        const auto& user_id = entry.user_ids.front().text;
        const auto primary_hashed = hashed_key(primary_body);
        constexpr char certifies_and_signs = 3;
        constexpr char encrypts = 12;
        auto& certificate = entry.certificate;
        certificate.fingerprint = hex_encode(issuer);
        certificate.bytes =
            packet(6, primary_body) + packet(13, user_id) +
            signature(primary_.get(), '\x13', certifies_and_signs,
                      primary_hashed + '\xb4' + number(user_id.size(), 4) + user_id, issuer) +
            packet(14, subkey_body) +
            signature(primary_.get(), '\x18', encrypts, primary_hashed + hashed_key(subkey_body), issuer);
        entry.algorithm = "ed25519";
        entry.encryption_keys = {
            {hex_encode(fingerprint_octets(subkey_body)), "cv25519", entry.created, std::nullopt, false}};
    }

    void make_x509(keyring::Entry& entry, std::size_t number_of_user, const std::string& address) {
        EvpKey own;
        if (!rsa_) {
            own.reset(EVP_EC_gen("P-256"));
        }
        const auto made = issue(own ? own.get() : rsa_.get(), static_cast<long>(number_of_user) + 2,
                                "User " + std::to_string(number_of_user), address);
        auto& certificate = entry.certificate;
        certificate.protocol = crypto::Protocol::smime;
        certificate.bytes = crypto::der_of(made.get());
        certificate.fingerprint = crypto::x509_fingerprint(certificate.bytes);
        certificate.content_encryption =
            own ? crypto::ContentEncryption::aes256_gcm : crypto::ContentEncryption::aes256_cbc;
        entry.algorithm = own ? "nistp256" : "rsa2048";
        entry.chain = {crypto::der_of(authority_.get())};
        entry.encryption_keys = {
            {certificate.fingerprint, entry.algorithm, entry.created, std::nullopt, false}};
    }

    /// `address` empty: the authority itself.
    crypto::X509Handle issue(EVP_PKEY* key, long serial, const std::string& name,
                             const std::string& address) {
        crypto::X509Handle made(X509_new());
        auto* const certificate = made.get();
        check_openssl(key != nullptr && certificate != nullptr &&
                          X509_set_version(certificate, X509_VERSION_3) == 1 &&
                          ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial) == 1 &&
                          X509_gmtime_adj(X509_getm_notBefore(certificate), -year_s) != nullptr &&
                          X509_gmtime_adj(X509_getm_notAfter(certificate), 10 * year_s) != nullptr &&
                          X509_set_pubkey(certificate, key) == 1,
                      doing);
        add_name(X509_get_subject_name(certificate), name);
        auto* const issuer = address.empty() ? certificate : authority_.get();
        check_openssl(X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1, doing);
        add_extension(certificate, issuer, NID_basic_constraints,
                      address.empty() ? "critical,CA:TRUE" : "CA:FALSE");
        if (!address.empty()) {
            add_extension(certificate, issuer, NID_key_usage,
                          "critical,digitalSignature,keyEncipherment,keyAgreement");
            add_extension(certificate, issuer, NID_ext_key_usage, "emailProtection");
            add_extension(certificate, issuer, NID_subject_alt_name, "email:" + address);
        }
        check_openssl(X509_sign(certificate, authority_key_.get(), EVP_sha256()) > 0, doing);
        return made;
    }

    Kind kind_;
    EvpKey primary_;
    EvpKey authority_key_;
    crypto::X509Handle authority_;
    EvpKey rsa_;
};

CertificateMaker::CertificateMaker(Kind kind) : impl_(std::make_unique<Impl>(kind)) {}
CertificateMaker::~CertificateMaker() = default;

keyring::Entry CertificateMaker::make(std::size_t number) {
    return impl_->make(number);
}

} // namespace lockbox::bench
