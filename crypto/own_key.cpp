#include "crypto/own_key.hpp"

#include "base/ascii.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "crypto/gpg_failure.hpp"
#include "crypto/openssl_handles.hpp"
#include "mail/openpgp_certificate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace lockbox::crypto {
namespace {

namespace tag = mail::packet_tag;

OwnKey own_key(const _gpgme_key& key) {
    OwnKey result;
    result.fingerprint = key.fpr != nullptr ? key.fpr : "";
    result.user_id = key.uids != nullptr && key.uids->uid != nullptr ? key.uids->uid : "";
    result.is_usable = key.revoked == 0U && key.expired == 0U && key.disabled == 0U && key.invalid == 0U &&
                       key.can_encrypt != 0U;
    return result;
}

bool is_for(const _gpgme_key& key, const mail::Address& address) {
    for (auto* uid = key.uids; uid != nullptr; uid = uid->next) {
        const auto own = uid->uid != nullptr ? mail::address_in_user_id(uid->uid) : std::nullopt;
        if (own && uid->revoked == 0U && own->folded() == address.folded()) {
            return true;
        }
    }
    return false;
}

template <typename Wanted>
std::vector<OwnKey> own_keys(const std::string& pattern, const Wanted& is_wanted) {
    const auto context = make_gpg_context({});
    check(gpgme_op_keylist_start(context.get(), pattern.c_str(), /*secret_only=*/1), "listing secret keys");
    std::vector<OwnKey> keys;
    gpgme_key_t raw = nullptr;
    while (gpgme_err_code(gpgme_op_keylist_next(context.get(), &raw)) == GPG_ERR_NO_ERROR) {
        const GpgKey key(raw);
        if (is_wanted(*key)) {
            keys.push_back(own_key(*key));
        }
    }
    gpgme_op_keylist_end(context.get());
    std::reverse(keys.begin(), keys.end()); // GnuPG lists them in the order in which they came
    return keys;
}

/// Of one line of GnuPG's parameters: what would begin another line, or be read as an escape, is no name.
bool is_name(std::string_view name) noexcept {
    return is_utf8(name) && std::none_of(name.begin(), name.end(), [](char c) {
               return is_control(c) || c == '<' || c == '>' || c == '%' || c == '\\';
           });
}

[[noreturn]] void throw_not_generated(gpgme_error_t error) {
    const auto trouble = trouble_of(error);
    if (trouble == GpgTrouble::not_unlocked) {
        throw Error(ErrorKind::permission, "no key was made: the passphrase was not given");
    }
    if (trouble == GpgTrouble::nobody_to_ask || trouble == GpgTrouble::no_agent) {
        throw Error(
            ErrorKind::unavailable,
            fmt::format("no key was made: gpg-agent cannot ask for a passphrase: {}", describe(error)),
            "install a pinentry program, and set GPG_TTY=$(tty) in a terminal");
    }
    throw Error(ErrorKind::engine, fmt::format("no key was made: GnuPG says: {}", describe(error)));
}

std::filesystem::path revocation_certificate_of(const std::string& fingerprint, gpgme_ctx_t context) {
    const auto* const info = gpgme_ctx_get_engine_info(context);
    const std::filesystem::path home = info != nullptr && info->home_dir != nullptr
                                           ? std::filesystem::path(info->home_dir)
                                           : std::filesystem::path(gpgme_get_dirinfo("homedir"));
    auto path = home / "openpgp-revocs.d" / (fingerprint + ".rev");
    std::error_code error;
    return std::filesystem::exists(path, error) ? path : std::filesystem::path();
}

/// RFC 9580 §5.5.4.2, version 4: SHA-1 over 0x99, two octets of length, and the packet's body.
std::string v4_fingerprint(std::string_view body) {
    if (body.empty() || body.front() != '\x04' || body.size() > 0xffffU) {
        return {};
    }
    std::string hashed{'\x99', static_cast<char>(body.size() >> 8U), static_cast<char>(body.size() & 0xffU)};
    hashed += body;
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned octets = 0;
    check_openssl(EVP_Digest(hashed.data(), hashed.size(), digest.data(), &octets, EVP_sha1(), nullptr) == 1,
                  "computing a fingerprint");
    std::string text;
    for (unsigned i = 0; i < octets; ++i) {
        text += fmt::format("{:02X}", digest.at(i));
    }
    return text;
}

/// What of a certificate is wanted, as GnuPG judges it.
struct Wanted {
    std::vector<std::string> user_ids;
    std::string subkey; ///< fingerprint
};

Wanted wanted_of(const _gpgme_key& key, const mail::Address* address) {
    Wanted wanted;
    for (auto* uid = key.uids; uid != nullptr; uid = uid->next) {
        const auto own = uid->uid != nullptr ? mail::address_in_user_id(uid->uid) : std::nullopt;
        const bool is_wanted = address == nullptr || (own && own->folded() == address->folded());
        if (uid->revoked == 0U && uid->invalid == 0U && uid->uid != nullptr && is_wanted) {
            wanted.user_ids.emplace_back(uid->uid);
        }
    }
    long newest = -1;
    for (auto* subkey = key.subkeys; subkey != nullptr; subkey = subkey->next) {
        const bool is_valid = subkey->can_encrypt != 0U && subkey->revoked == 0U && subkey->expired == 0U &&
                              subkey->disabled == 0U && subkey->invalid == 0U;
        if (is_valid && subkey->fpr != nullptr && subkey->timestamp >= newest) {
            newest = subkey->timestamp;
            wanted.subkey = subkey->fpr;
        }
    }
    return wanted;
}

std::string exported(gpgme_ctx_t context, const std::string& fingerprint) {
    auto data = collect();
    check(gpgme_op_export(context, fingerprint.c_str(), GPGME_EXPORT_MODE_MINIMAL, data.get()),
          "exporting a certificate");
    return take_bytes(std::move(data));
}

} // namespace

std::vector<OwnKey> own_keys_for(const mail::Address& address) {
    return own_keys("<" + address.to_string() + ">",
                    [&](const _gpgme_key& key) { return is_for(key, address); });
}

std::vector<OwnKey> own_key_of(const std::string& fingerprint) {
    return own_keys(fingerprint, [](const _gpgme_key&) { return true; });
}

bool is_expiry(std::string_view text) noexcept {
    const auto digits = [](std::string_view part) {
        return !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return is_digit(c); });
    };
    constexpr std::size_t date_octets = 10;
    if (text.size() == date_octets && text[4] == '-' && text[7] == '-') {
        return digits(text.substr(0, 4)) && digits(text.substr(5, 2)) && digits(text.substr(8, 2));
    }
    if (text == "0") {
        return true;
    }
    constexpr std::size_t octets_max = 5;
    return text.size() >= 2 && text.size() <= octets_max && digits(text.substr(0, text.size() - 1)) &&
           std::string_view("dwmy").find(text.back()) != std::string_view::npos;
}

GeneratedKey generate_key(const NewKey& key) {
    if (!is_name(key.name)) {
        throw Error(ErrorKind::usage, "the name has characters that cannot be in a User ID");
    }
    if (!is_expiry(key.expires)) {
        throw Error(ErrorKind::usage,
                    fmt::format("'{}' is not a time that a key can expire", printable(key.expires)),
                    "3y, 18m, 2029-01-31, or never");
    }
    const auto parameters = fmt::format(
        "<GnupgKeyParms format=\"internal\">\n"
        "{}"
        "Key-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: sign,cert\n"
        "Subkey-Type: ECDH\nSubkey-Curve: cv25519\nSubkey-Usage: encrypt\n"
        "{}Name-Email: {}\nExpire-Date: {}\n"
        "Preferences: AES256 AES192 AES SHA512 SHA384 SHA256 ZLIB ZIP Uncompressed\n"
        "</GnupgKeyParms>\n",
        key.without_passphrase ? "%no-protection\n" : "%ask-passphrase\n",
        key.name.empty() ? "" : "Name-Real: " + key.name + "\n", key.address.to_string(), key.expires);
    const auto context = make_gpg_context({});
    const auto error = gpgme_op_genkey(context.get(), parameters.c_str(), nullptr, nullptr);
    const auto* const result = gpgme_op_genkey_result(context.get());
    if (gpgme_err_code(error) != GPG_ERR_NO_ERROR || result == nullptr || result->fpr == nullptr) {
        throw_not_generated(error);
    }
    return {result->fpr, revocation_certificate_of(result->fpr, context.get())};
}

std::string minimal_certificate(const std::string& fingerprint, const mail::Address* address) {
    const auto context = make_gpg_context({});
    gpgme_key_t raw = nullptr;
    check(gpgme_get_key(context.get(), fingerprint.c_str(), &raw, /*secret=*/0), "looking up a certificate");
    const GpgKey key(raw);
    const auto wanted = wanted_of(*key, address);
    if (wanted.user_ids.empty()) {
        throw Error(ErrorKind::no_certificate, fmt::format("{} has no valid User ID for that", fingerprint));
    }
    if (wanted.subkey.empty()) {
        throw Error(ErrorKind::no_certificate,
                    fmt::format("{} has no valid subkey that others could encrypt to", fingerprint),
                    "`gpg --quick-set-expire` makes an expired one valid again");
    }
    const auto certificate = exported(context.get(), fingerprint);
    std::string result;
    bool keeps = false; // the signatures that follow go with what they are about
    mail::PacketReader reader(certificate);
    while (const auto packet = reader.next()) {
        switch (packet->tag) {
        case tag::public_key:
            keeps = true;
            break;
        case tag::user_id:
            keeps = std::find(wanted.user_ids.begin(), wanted.user_ids.end(), packet->body) !=
                    wanted.user_ids.end();
            break;
        case tag::public_subkey:
            keeps = v4_fingerprint(packet->body) == wanted.subkey;
            break;
        case tag::signature:
            break;
        default:
            keeps = false;
        }
        if (keeps) {
            result += packet->whole;
        }
    }
    return result;
}

std::string fingerprint_of_certificate(std::string_view bytes) {
    mail::PacketReader reader(bytes);
    const auto packet = reader.next();
    return packet && packet->tag == tag::public_key ? v4_fingerprint(packet->body) : std::string();
}

} // namespace lockbox::crypto
