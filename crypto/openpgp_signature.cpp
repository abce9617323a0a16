#include "crypto/openpgp_signature.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "crypto/openpgp_open.hpp"
#include "crypto/plaintext_sink.hpp"
#include "mail/openpgp_certificate.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace lockbox::crypto {
namespace {

using State = OpenPgpSignature::State;

State state_of(const _gpgme_signature& signature) noexcept {
    const auto code = gpgme_err_code(signature.status);
    return code == GPG_ERR_NO_ERROR                                     ? State::good
           : code == GPG_ERR_SIG_EXPIRED || code == GPG_ERR_KEY_EXPIRED ? State::expired
           : code == GPG_ERR_CERT_REVOKED                               ? State::revoked
           : code == GPG_ERR_NO_PUBKEY                                  ? State::no_certificate
           : code == GPG_ERR_BAD_SIGNATURE                              ? State::bad
                                                                        : State::unreadable;
}

std::string words_for(State state, const _gpgme_signature& signature) {
    switch (state) {
    case State::good:
        return "good signature";
    case State::expired:
        return gpgme_err_code(signature.status) == GPG_ERR_SIG_EXPIRED
                   ? "the signature has expired"
                   : "good signature, but its certificate has expired";
    case State::revoked:
        return "good signature, but its certificate was revoked";
    case State::no_certificate:
        return "no certificate to check it with";
    case State::bad:
        return "BAD signature: these are not the bytes that were signed";
    case State::unreadable:
        return "the signature cannot be checked: " + describe(signature.status);
    }
    return {};
}

bool is_vouched(gpgme_validity_t validity) noexcept {
    return validity == GPGME_VALIDITY_FULL || validity == GPGME_VALIDITY_ULTIMATE;
}

/// Fills in what the certificate tells. Without it the signature keeps its key id.
void add_certificate(OpenPgpSignature& signature, gpgme_ctx_t context) {
    gpgme_key_t raw = nullptr;
    if (gpgme_err_code(gpgme_get_key(context, signature.fingerprint.c_str(), &raw, /*secret=*/0)) !=
        GPG_ERR_NO_ERROR) {
        return;
    }
    const GpgKey key(raw);
    if (key->fpr != nullptr) {
        signature.fingerprint = key->fpr;
    }
    for (auto* uid = key->uids; uid != nullptr; uid = uid->next) {
        if (uid->revoked != 0U || uid->invalid != 0U || uid->uid == nullptr) {
            continue;
        }
        if (signature.signer.empty()) {
            signature.signer = uid->uid;
        }
        auto address = mail::address_in_user_id(uid->uid);
        if (address && (!signature.is_vouched || is_vouched(uid->validity))) {
            signature.addresses.push_back(std::move(*address));
        }
    }
}

OpenPgpSignature unreadable(std::string summary) {
    OpenPgpSignature signature;
    signature.summary = std::move(summary);
    return signature;
}

/// RFC 9580 §7.1: lines of the text that begin with a dash are escaped, so there are three that are not; and
/// nothing but Hash stands in the armor headers.
bool is_one_clear_signed_block(std::string_view armor) {
    std::size_t delimiters = 0;
    bool in_headers = true;
    for (std::size_t number = 0; !armor.empty(); ++number) {
        const auto end = std::min(armor.find('\n'), armor.size());
        auto line = armor.substr(0, end);
        armor.remove_prefix(std::min(end + 1, armor.size()));
        while (!line.empty() && is_space(line.back())) {
            line.remove_suffix(1);
        }
        if (line.starts_with("-----")) {
            constexpr std::array<std::string_view, 3> wanted{"-----BEGIN PGP SIGNED MESSAGE-----",
                                                             "-----BEGIN PGP SIGNATURE-----",
                                                             "-----END PGP SIGNATURE-----"};
            if (delimiters == wanted.size() || line != wanted.at(delimiters) ||
                (delimiters == 0) != (number == 0)) {
                return false;
            }
            ++delimiters;
        } else if (in_headers && line.empty()) {
            in_headers = false;
        } else if (in_headers && !line.starts_with("Hash: ")) {
            return false;
        }
    }
    return delimiters == 3 && !in_headers;
}

/// The packets of a detached signature. GnuPG refuses armor without its CRC-24, or with a wrong one, which
/// RFC 9580 §6.1 forbids; of packets it asks for none.
std::string dearmored(std::string_view signature) {
    auto armor = mail::dearmor(signature, "PGP SIGNATURE");
    if (!armor) {
        armor = mail::dearmor(signature, "PGP MESSAGE"); // as PGP 5 and its like labelled them
    }
    return armor ? std::move(armor->bytes) : std::string(signature);
}

/// The same block, and the signature in it with the checksum that GnuPG wants to see. nullopt: that is no
/// armor.
std::optional<std::string> with_new_checksum(std::string_view block) {
    const auto signature = mail::dearmor(block, "PGP SIGNATURE");
    if (!signature) {
        return std::nullopt;
    }
    std::string result(signature->before);
    mail::ArmorWriter writer(result, "PGP SIGNATURE", signature->bytes.size());
    writer.write(signature->bytes);
    writer.finish();
    return result;
}

gpgme_error_t notice_encryption(void* was_encrypted, const char* keyword,
                                const char* /*arguments*/) noexcept {
    const std::string_view word = keyword != nullptr ? keyword : "";
    if (word == "ENC_TO" || word == "BEGIN_DECRYPTION" || word == "DECRYPTION_INFO") {
        *static_cast<bool*>(was_encrypted) = true;
    }
    return 0;
}

std::vector<OpenPgpSignature> found_by(gpgme_error_t error, gpgme_ctx_t context) {
    auto signatures = signatures_in(gpgme_op_verify_result(context));
    if (signatures.empty()) {
        signatures.push_back(unreadable(gpgme_err_code(error) == GPG_ERR_NO_ERROR
                                            ? "there is no signature in it"
                                            : "the signature cannot be read: " + describe(error)));
    }
    return signatures;
}

} // namespace

std::vector<OpenPgpSignature> signatures_in(gpgme_verify_result_t result) {
    std::vector<OpenPgpSignature> signatures;
    GpgContext keyring;
    for (auto* found = result != nullptr ? result->signatures : nullptr; found != nullptr;
         found = found->next) {
        if (signatures.size() == openpgp_signatures_max) {
            signatures.push_back(unreadable("there are more signatures than are checked"));
            break;
        }
        OpenPgpSignature signature;
        signature.state = state_of(*found);
        signature.fingerprint = found->fpr != nullptr ? found->fpr : "";
        signature.is_vouched = is_vouched(found->validity);
        signature.summary = words_for(signature.state, *found);
        if (found->timestamp != 0) {
            signature.signed_at = Time(std::chrono::seconds(found->timestamp));
        }
        if (signature.state != State::no_certificate && !signature.fingerprint.empty()) {
            if (!keyring) {
                keyring = make_gpg_context({});
            }
            add_certificate(signature, keyring.get());
        }
        signatures.push_back(std::move(signature));
    }
    return signatures;
}

std::vector<OpenPgpSignature> verify_detached_openpgp(std::string_view content, std::string_view signature) {
    if (signature.size() > openpgp_signature_octets_max) {
        return {unreadable("the signature is larger than any")};
    }
    const auto context = make_gpg_context({});
    const auto packets = dearmored(signature);
    const auto signature_data = read_from(packets);
    const auto content_data = read_from(content);
    const auto error = gpgme_op_verify(context.get(), signature_data.get(), content_data.get(), nullptr);
    return found_by(error, context.get());
}

std::optional<ClearSigned> verify_clear_signed(std::string_view armor) {
    if (armor.size() > clear_signed_octets_max || !is_one_clear_signed_block(armor)) {
        return std::nullopt;
    }
    const auto block = with_new_checksum(armor);
    if (!block || block->size() > clear_signed_octets_max) {
        return std::nullopt;
    }
    const auto context = make_gpg_context({});
    const auto input = read_from(*block);
    PlaintextSink sink(armor.size()); // a cleartext signature does not grow
    const auto error = gpgme_op_verify(context.get(), input.get(), nullptr, sink.data());
    sink.rethrow_failure();
    auto* result = gpgme_op_verify_result(context.get());
    if (sink.overflowed() || result == nullptr || result->signatures == nullptr) {
        return std::nullopt;
    }
    return ClearSigned{std::string(sink.take().expose()), found_by(error, context.get())};
}

std::optional<SignedMessage> verify_openpgp_message(std::string_view packets) {
    if (packets.size() > signed_message_octets_max || !mail::is_unencrypted_message(packets)) {
        return std::nullopt;
    }
    const auto context = make_gpg_context({});
    // Where gpg finds something encrypted in a compressed packet it would decrypt that, and ask for a
    // passphrase.
    bool was_encrypted = false;
    check(gpgme_set_pinentry_mode(context.get(), GPGME_PINENTRY_MODE_CANCEL), "asking for no passphrase");
    check(gpgme_set_ctx_flag(context.get(), "full-status", "1"), "asking for every status line");
    gpgme_set_status_cb(context.get(), &notice_encryption, &was_encrypted);
    const auto input = read_from(packets);
    const auto octets_max = std::max(expansion_octets_free, packets.size() * expansion_max);
    PlaintextSink sink(octets_max);
    const auto error = gpgme_op_verify(context.get(), input.get(), nullptr, sink.data());
    sink.rethrow_failure();
    if (sink.overflowed()) {
        throw Error(
            ErrorKind::too_large,
            fmt::format("the signed message opens to more than {} octets: refused as a decompression bomb",
                        octets_max));
    }
    auto signatures = signatures_in(gpgme_op_verify_result(context.get()));
    const auto code = gpgme_err_code(error);
    const bool is_unsigned = code == GPG_ERR_NO_DATA && signatures.empty(); // GPGME's word for it
    auto content = sink.take();
    if (was_encrypted || content.size() == 0 || (code != GPG_ERR_NO_ERROR && !is_unsigned)) {
        return std::nullopt;
    }
    return SignedMessage{std::move(content), std::move(signatures)};
}

} // namespace lockbox::crypto
