#include "crypto/openpgp_open.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "crypto/gpg_failure.hpp"
#include "crypto/openpgp_contents.hpp"
#include "crypto/plaintext_sink.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
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

/// What an attempt has shown.
struct OpenPgpAttempt {
    gpgme_ctx_t context;
    gpgme_error_t error;
    const GpgStatus& status;
    std::string_view packets;
    const mail::EncryptedMessage& form;
};

constexpr std::string_view packets_damaged = "the message is damaged or forged, nothing of it is shown";

/// Packets as GnuPG treats them best: those that seal the session key to a key before those that seal it to a
/// passphrase. It asks for the passphrase where it meets one, and gives up if nobody gives it, or takes a
/// wrong one for the session key, although a secret key would have opened the message. Their order means
/// nothing (RFC 9580 §10.3).
std::string with_keys_before_passphrases(std::string_view packets) {
    std::string keys;
    std::string rest;
    mail::PacketReader reader(packets);
    while (const auto packet = reader.next()) {
        (packet->tag == mail::packet_tag::pkesk ? keys : rest) += packet->whole;
    }
    return keys + rest;
}

/// In words, why a GnuPG may not read this format. nullopt: every one does.
std::optional<std::string> newer_form(const mail::EncryptedMessage& form) {
    if (form.container == mail::packet_tag::seipd && form.container_version >= 2) {
        return fmt::format("SEIPD of version {}, RFC 9580", form.container_version);
    }
    if (form.session_key_version >= 6) {
        return fmt::format("a session key packet of version {}, RFC 9580", form.session_key_version);
    }
    if (form.container == mail::packet_tag::ocb_encrypted) {
        return "AEAD, LibrePGP";
    }
    return std::nullopt;
}

[[noreturn]] void throw_packets_not_read(std::string_view what) {
    throw Error(ErrorKind::unavailable,
                fmt::format("the gpg here does not read the format of this message: {}", what),
                "a newer GnuPG may read it, or another program: `sq decrypt`, with the key exported to it");
}

[[noreturn]] void throw_no_openpgp_key(const mail::EncryptedMessage& form) {
    throw Error(ErrorKind::no_secret_key,
                fmt::format("no secret key here opens this message; it is sealed to {}",
                            form.recipient_key_ids.empty()
                                ? std::string("nobody that can be named")
                                : fmt::format("{}", fmt::join(form.recipient_key_ids, ", "))),
                "`gpg --list-secret-keys --with-subkey-fingerprint` shows the keys that are here");
}

bool has_certificate(gpgme_ctx_t context, const char* pattern) {
    gpgme_key_t raw = nullptr;
    if (gpgme_err_code(gpgme_op_keylist_start(context, pattern, /*secret_only=*/0)) != GPG_ERR_NO_ERROR) {
        return false;
    }
    const bool found = gpgme_err_code(gpgme_op_keylist_next(context, &raw)) == GPG_ERR_NO_ERROR;
    const GpgKey key(raw);
    gpgme_op_keylist_end(context);
    return found;
}

/// gpg asks the agent for a key whose certificate it has; of hidden recipients, for all. Without an answer it
/// says that the key is not there.
bool wants_the_agent(const mail::EncryptedMessage& form) {
    const auto context = make_gpg_context({});
    return std::any_of(form.recipient_key_ids.begin(), form.recipient_key_ids.end(), [&](const auto& key_id) {
        const bool is_hidden = key_id.find_first_not_of('0') == std::string::npos;
        return has_certificate(context.get(), is_hidden ? nullptr : key_id.c_str());
    });
}

/// The session key in GnuPG's form; empty: it gave none.
Secret session_key_of(std::string_view packets, std::size_t octets_max) {
    const auto context = make_gpg_context({});
    check(gpgme_set_ctx_flag(context.get(), "export-session-key", "1"), "asking for the session key");
    const auto input = read_from(packets);
    PlaintextSink sink(octets_max);
    (void)gpgme_op_decrypt(context.get(), input.get(), sink.data());
    const auto* const result = gpgme_op_decrypt_result(context.get());
    return Secret(result != nullptr && result->session_key != nullptr ? result->session_key : "");
}

/// GnuPG had the session key and did not get to a verdict: what came out is not what it reads. Whether that
/// was sealed so or has become so, the MDC tells.
[[noreturn]] void throw_for_contents(std::string_view packets) {
    const auto session_key = session_key_of(packets, std::max(expansion_octets_free, packets.size()));
    const auto contents = authenticated_contents(packets, session_key.expose());
    if (!contents) {
        throw Error(ErrorKind::malformed, std::string(packets_damaged));
    }
    if (const auto what = unknown_to_gnupg(contents->expose())) {
        throw_packets_not_read(*what);
    }
    throw Error(ErrorKind::malformed, "what was encrypted is no OpenPGP message; nothing of it is shown");
}

/// The worst that an operation says of keys and agents comes last: one key of many that is locked may be the
/// one that opens the message.
void throw_for_keys(const OpenPgpAttempt& attempt) {
    auto errors = attempt.status.errors();
    errors.push_back(attempt.error);
    for (const auto trouble :
         {GpgTrouble::not_unlocked, GpgTrouble::nobody_to_ask, GpgTrouble::no_card, GpgTrouble::no_agent}) {
        for (const auto error : errors) {
            if (trouble_of(error) == trouble) {
                throw_if_key_trouble(error);
            }
        }
    }
}

bool any_is(GpgTrouble trouble, const OpenPgpAttempt& attempt) {
    const auto errors = attempt.status.errors();
    return trouble_of(attempt.error) == trouble ||
           std::any_of(errors.begin(), errors.end(),
                       [&](gpgme_error_t error) { return trouble_of(error) == trouble; });
}

/// Decides by what is known. Only failed authentication and broken structure are the message's own fault.
[[noreturn]] void throw_packets_failure(const OpenPgpAttempt& attempt) {
    const auto& status = attempt.status;
    const auto* const result = gpgme_op_decrypt_result(attempt.context);
    if (status.has("BADMDC")) {
        throw Error(ErrorKind::malformed, std::string(packets_damaged));
    }
    const bool has_session_key = status.has("DECRYPTION_INFO");
    const bool by_passphrase = status.has("NEED_PASSPHRASE_SYM");
    if (!has_session_key || by_passphrase) {
        throw_for_keys(attempt);
    }
    if (status.has("BADSIG")) { // then gpg ends at once, before it says anything of the rest
        throw Error(
            ErrorKind::malformed,
            "the signature inside of the encryption was not made for what is there; nothing of it is shown");
    }
    const bool has_ended = status.has("END_DECRYPTION"); // else gpg died, which says nothing of the message
    if (has_session_key && (status.has("NODATA") || status.has("UNEXPECTED") ||
                            (has_ended && gpgme_err_code(attempt.error) == GPG_ERR_NO_DATA))) {
        throw_for_contents(attempt.packets);
    }
    if (has_session_key && (status.has("DECRYPTION_FAILED") || any_is(GpgTrouble::wrong_data, attempt))) {
        throw Error(ErrorKind::malformed, std::string(packets_damaged));
    }
    if (result != nullptr && result->unsupported_algorithm != nullptr) {
        throw_packets_not_read(fmt::format("the algorithm {}", printable(result->unsupported_algorithm)));
    }
    if (const auto what = newer_form(attempt.form); what && !has_session_key) {
        throw_packets_not_read(*what);
    }
    if (any_is(GpgTrouble::not_read, attempt)) {
        throw_packets_not_read(describe(attempt.error));
    }
    if (!has_session_key && any_is(GpgTrouble::wrong_data, attempt)) {
        throw Error(ErrorKind::malformed, std::string(packets_damaged));
    }
    if (any_is(GpgTrouble::no_key, attempt) || status.has("NO_SECKEY")) {
        if (!agent_answers() && wants_the_agent(attempt.form)) {
            throw_no_agent("it does not answer");
        }
        throw_no_openpgp_key(attempt.form);
    }
    throw_not_opened("gpg", attempt.error);
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
    std::string reordered;
    if (form->for_passphrase && !form->recipient_key_ids.empty()) {
        reordered = with_keys_before_passphrases(packets);
        packets = reordered;
    }
    const auto context = make_gpg_context({});
    const GpgStatus status(context.get());
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
        throw_packets_failure({context.get(), error, status, packets, *form});
    }
    if (result == nullptr || result->legacy_cipher_nomdc != 0U || !status.has("GOODMDC")) {
        throw Error(ErrorKind::malformed, "GnuPG did not authenticate the message; nothing of it is shown");
    }
    auto plaintext = sink.take();
    if (plaintext.size() == 0) { // GnuPG is content with no literal data at all
        throw_for_contents(packets);
    }
    auto recipients = key_ids(result);
    if (recipients.empty() && form->for_passphrase) {
        recipients.emplace_back("a passphrase");
    }
    return {std::move(plaintext), std::move(recipients),
            signatures_in(gpgme_op_verify_result(context.get()))};
}

} // namespace lockbox::crypto
