#include "base/error.hpp"
#include "crypto/openpgp_open.hpp"
#include "crypto/openpgp_signature.hpp"
#include "mail/line_ends.hpp"
#include "reader/engine.hpp"

#include <algorithm>

namespace lockbox::reader {
namespace {

SignatureState state_of(const crypto::OpenPgpSignature& signature) noexcept {
    using State = crypto::OpenPgpSignature::State;
    switch (signature.state) {
    case State::good:
        return signature.is_vouched ? SignatureState::good : SignatureState::unvouched;
    case State::expired:
        return SignatureState::expired;
    case State::revoked:
        return SignatureState::revoked;
    case State::no_certificate:
        return SignatureState::unknown;
    case State::bad:
        return SignatureState::bad;
    case State::unreadable:
        return SignatureState::unreadable;
    }
    return SignatureState::unreadable;
}

SignatureState state_of(const crypto::CmsSignature& signature) noexcept {
    if (!signature.good) {
        return signature.fingerprint.empty() ? SignatureState::unreadable : SignatureState::bad;
    }
    switch (signature.chain) {
    case crypto::ChainState::good:
        return SignatureState::good;
    case crypto::ChainState::revoked:
        return SignatureState::revoked;
    case crypto::ChainState::expired:
        return SignatureState::expired;
    case crypto::ChainState::not_checked:
    case crypto::ChainState::unknown_authority:
    case crypto::ChainState::wrong_use:
    case crypto::ChainState::broken:
        return SignatureState::unvouched;
    }
    return SignatureState::unvouched;
}

Signature judged(crypto::OpenPgpSignature signature) {
    Signature result;
    result.state = state_of(signature);
    result.protocol = crypto::Protocol::openpgp;
    result.fingerprint = std::move(signature.fingerprint);
    result.signer = std::move(signature.signer);
    result.addresses = std::move(signature.addresses);
    result.signed_at = signature.signed_at;
    result.summary = std::move(signature.summary);
    if (result.state == SignatureState::unvouched) {
        result.summary += "; GnuPG does not know whether the certificate is that of whom it names";
    }
    return result;
}

Signature judged(crypto::CmsSignature signature) {
    Signature result;
    result.state = state_of(signature);
    result.protocol = crypto::Protocol::smime;
    result.fingerprint = std::move(signature.fingerprint);
    result.signer = std::move(signature.subject);
    result.addresses = std::move(signature.addresses);
    result.signed_at = signature.signed_at;
    result.summary = std::move(signature.summary);
    return result;
}

template <typename Found>
std::vector<Signature> judged(std::vector<Found> signatures) {
    std::vector<Signature> result;
    result.reserve(signatures.size());
    for (auto& signature : signatures) {
        result.push_back(judged(std::move(signature)));
    }
    return result;
}

/// What was signed is in CRLF (RFC 3156 §5, RFC 8551 §3.1.1), but who stored it may have turned that into LF.
template <typename Verify>
std::vector<Signature> verified(std::string_view content, const Verify& verify) {
    if (mail::has_only_crlf(content)) {
        return verify(content);
    }
    const Secret canonical(mail::to_crlf(content));
    auto signatures = verify(canonical.expose());
    const bool any_fits = std::any_of(signatures.begin(), signatures.end(),
                                      [](const Signature& signature) { return signature.fits(); });
    return any_fits ? std::move(signatures) : verify(content);
}

Decrypted decrypted(crypto::CmsDecrypted cms) {
    Decrypted result;
    result.plaintext = std::move(cms.plaintext);
    result.integrity = cms.integrity;
    result.content_encryption = cms.content_encryption;
    result.recipients = std::move(cms.recipients);
    return result;
}

} // namespace

Decrypted OwnKeys::decrypt_openpgp(std::string_view packets) {
    auto opened = crypto::decrypt_openpgp(packets);
    Decrypted result;
    result.plaintext = std::move(opened.plaintext);
    result.recipients = std::move(opened.recipient_key_ids);
    result.signatures = judged(std::move(opened.signatures));
    return result;
}

Decrypted OwnKeys::decrypt_cms(std::string_view cms) {
    if (key_file_ != nullptr) {
        return decrypted(crypto::decrypt_cms(cms, *key_file_));
    }
    if (!usual_) {
        return decrypted(crypto::decrypt_cms_with_gpgsm(cms));
    }
    const auto& file = usual_();
    if (crypto::has_key_for(cms, file)) {
        return decrypted(crypto::decrypt_cms(cms, file));
    }
    try {
        return decrypted(crypto::decrypt_cms_with_gpgsm(cms));
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::engine) { // there is no gpgsm here
            return decrypted(crypto::decrypt_cms(cms, file));
        }
        throw;
    }
}

std::vector<Signature> OwnKeys::verify_openpgp(std::string_view content, std::string_view signature) {
    return verified(content, [&](std::string_view bytes) {
        return judged(crypto::verify_detached_openpgp(bytes, signature));
    });
}

std::vector<Signature> OwnKeys::verify_cms(std::string_view content, std::string_view signed_data) {
    return verified(content, [&](std::string_view bytes) {
        return judged(crypto::verify_detached(bytes, signed_data, authorities_, now_));
    });
}

std::optional<Verified> OwnKeys::verify_opaque(std::string_view signed_data) {
    auto opaque = crypto::verify_opaque(signed_data, authorities_, now_);
    return opaque ? std::optional(Verified{std::move(opaque->content), judged(std::move(opaque->signatures))})
                  : std::nullopt;
}

std::optional<Verified> OwnKeys::verify_clear_signed(std::string_view armor) {
    auto clear = crypto::verify_clear_signed(armor);
    return clear ? std::optional(Verified{std::move(clear->content), judged(std::move(clear->signatures))})
                 : std::nullopt;
}

std::optional<Verified> OwnKeys::verify_openpgp_message(std::string_view packets) {
    auto message = crypto::verify_openpgp_message(packets);
    return message ? std::optional(Verified{std::string(message->content.expose()),
                                            judged(std::move(message->signatures))})
                   : std::nullopt;
}

} // namespace lockbox::reader
