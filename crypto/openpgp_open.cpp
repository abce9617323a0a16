#include "crypto/openpgp_open.hpp"

#include "base/error.hpp"
#include "crypto/gpgme_handles.hpp"
#include "crypto/plaintext_sink.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace lockbox::crypto {
namespace {

std::vector<std::string> key_ids(gpgme_decrypt_result_t result) {
    std::vector<std::string> ids;
    for (auto* recipient = result != nullptr ? result->recipients : nullptr; recipient != nullptr;
         recipient = recipient->next) {
        ids.emplace_back(recipient->keyid != nullptr ? recipient->keyid : "");
    }
    return ids;
}

bool none_of_the_keys_is_here(gpgme_decrypt_result_t result) {
    auto* recipient = result != nullptr ? result->recipients : nullptr;
    if (recipient == nullptr) {
        return false;
    }
    for (; recipient != nullptr; recipient = recipient->next) {
        if (gpgme_err_code(recipient->status) != GPG_ERR_NO_SECKEY) {
            return false;
        }
    }
    return true;
}

[[noreturn]] void throw_failure(gpgme_error_t error, gpgme_decrypt_result_t result,
                                const std::vector<std::string>& recipients) {
    const auto code = gpgme_err_code(error);
    const auto sealed_to = recipients.empty() ? std::string("nobody that can be named")
                                              : fmt::format("{}", fmt::join(recipients, ", "));
    if (code == GPG_ERR_NO_SECKEY || none_of_the_keys_is_here(result)) {
        throw Error(ErrorKind::no_secret_key,
                    fmt::format("no secret key here opens this message; it is sealed to {}", sealed_to),
                    "`gpg --list-secret-keys --with-subkey-fingerprint` shows the keys that are here, if "
                    "gpg-agent runs");
    }
    if (code == GPG_ERR_BAD_PASSPHRASE || code == GPG_ERR_CANCELED || code == GPG_ERR_FULLY_CANCELED) {
        throw Error(ErrorKind::no_secret_key,
                    fmt::format("the secret key was not unlocked: {}", describe(error)));
    }
    if (code == GPG_ERR_NO_AGENT || code == GPG_ERR_NO_PIN_ENTRY || code == GPG_ERR_AGENT) {
        throw Error(ErrorKind::unavailable, fmt::format("gpg-agent cannot be reached: {}", describe(error)),
                    "`gpgconf --launch gpg-agent` starts it");
    }
    throw Error(ErrorKind::malformed,
                fmt::format("the message is damaged or forged, nothing of it is shown: {}", describe(error)));
}

} // namespace

Decrypted decrypt_openpgp(std::string_view packets) {
    const auto form = mail::read_encrypted_message(packets);
    if (!form) {
        throw Error(ErrorKind::malformed, "the OpenPGP data is damaged: not one whole encrypted message");
    }
    if (form->container == mail::packet_tag::sed) {
        throw Error(
            ErrorKind::malformed,
            "the message is encrypted without integrity protection, so anybody could have changed it; "
            "nothing of it is shown");
    }
    const auto context = make_gpg_context({});
    const auto input = read_from(packets);
    const auto octets_max = std::max(expansion_octets_free, packets.size() * expansion_max);
    PlaintextSink sink(octets_max);
    const auto error = gpgme_op_decrypt_verify(context.get(), input.get(), sink.data());
    sink.rethrow_failure();
    if (sink.overflowed()) {
        throw Error(ErrorKind::too_large,
                    fmt::format("the message opens to more than {} octets, {} times its size: refused as a "
                                "decompression bomb",
                                octets_max, octets_max / std::max<std::size_t>(packets.size(), 1)));
    }
    auto* result = gpgme_op_decrypt_result(context.get());
    if (gpgme_err_code(error) != GPG_ERR_NO_ERROR) {
        throw_failure(error, result, form->recipient_key_ids);
    }
    if (result == nullptr || result->legacy_cipher_nomdc != 0U) {
        throw Error(ErrorKind::malformed, "GnuPG did not authenticate the message; nothing of it is shown");
    }
    auto plaintext = sink.take();
    if (plaintext.size() == 0) { // GnuPG is content with no literal data at all
        throw Error(ErrorKind::malformed, "there is no data in what was encrypted");
    }
    auto recipients = key_ids(result);
    if (recipients.empty() && form->for_passphrase) {
        recipients.emplace_back("a passphrase");
    }
    return {std::move(plaintext), std::move(recipients),
            signatures_in(gpgme_op_verify_result(context.get()))};
}

} // namespace lockbox::crypto
