#include "crypto/openpgp_certification.hpp"

#include "base/error.hpp"
#include "crypto/judgement.hpp"
#include "crypto/judging_home.hpp"
#include "crypto/openpgp_arrangement.hpp"
#include "crypto/openpgp_judge.hpp"
#include "mail/openpgp_certificate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>

namespace lockbox::crypto {
namespace {

/// So many signatures are verified at most; an honest certificate has a few by its owner and by one other.
constexpr std::size_t verified_signatures_max = 1000;

/// GnuPG 2.2 counts in 32 bits; see the dates of keys in crypto/openpgp_judge.cpp.
std::int64_t end_of(std::int64_t begins, std::int64_t ends) {
    return ends > 0 && ends <= begins ? ends + (std::int64_t{1} << 32U) : ends;
}

const _gpgme_key* find(const std::vector<GpgKey>& keys, std::string_view fingerprint) {
    const auto found = std::find_if(keys.begin(), keys.end(), [&](const GpgKey& key) {
        return key->subkeys != nullptr && key->subkeys->fpr != nullptr && fingerprint == key->subkeys->fpr;
    });
    if (found == keys.end()) {
        throw Error(ErrorKind::engine,
                    fmt::format("GnuPG has taken {} and does not give it back", fingerprint));
    }
    return found->get();
}

/// The newest of the certifier's verified signatures over a User ID; of two from the same second, the
/// revocation.
gpgme_key_sig_t newest_by(const _gpgme_key& certifier, const _gpgme_user_id& user_id) {
    const auto is_revocation = [](gpgme_key_sig_t signature) {
        return signature->sig_class == mail::signature_type::certification_revocation;
    };
    gpgme_key_sig_t newest = nullptr;
    for (auto* signature = user_id.signatures; signature != nullptr; signature = signature->next) {
        const bool is_certification = signature->sig_class >= mail::signature_type::certification_min &&
                                      signature->sig_class <= mail::signature_type::certification_max;
        if (signature->keyid == nullptr || std::string_view(signature->keyid) != certifier.subkeys->keyid ||
            gpgme_err_code(signature->status) != GPG_ERR_NO_ERROR ||
            !(is_certification || is_revocation(signature))) {
            continue;
        }
        if (newest == nullptr || signature->timestamp > newest->timestamp ||
            (signature->timestamp == newest->timestamp && is_revocation(signature))) {
            newest = signature;
        }
    }
    return newest;
}

bool is_in_force(gpgme_key_sig_t signature, const _gpgme_key& certifier, Time now) {
    const std::int64_t at = now.time_since_epoch().count();
    const std::int64_t made = signature->timestamp;
    const auto ends = end_of(made, signature->expires);
    const auto key_ends = end_of(certifier.subkeys->timestamp, certifier.subkeys->expires);
    return signature->sig_class != mail::signature_type::certification_revocation && made <= at &&
           (ends == 0 || at < ends) && (key_ends == 0 || made < key_ends);
}

} // namespace

bool openpgp_certified_by(std::string_view offered, std::string_view certifier, std::string_view address,
                          Time now) {
    const auto whose = openpgp_fingerprint(offered);
    const auto who = openpgp_fingerprint(certifier);
    constexpr std::size_t key_id_digits = 16;
    if (!whose || !who || offered.size() > certificate_octets_max ||
        whose->substr(whose->size() - key_id_digits) == who->substr(who->size() - key_id_digits)) {
        return false; // of two with one key ID, nobody can tell who has signed
    }
    const auto arranged = arrange_openpgp(offered, std::span(&*who, 1));
    if (arranged.signatures > verified_signatures_max || arranged.user_ids > certificate_addresses_max) {
        return false;
    }
    JudgingHome home(JudgingHome::Signatures::by_anybody);
    if (!home.import(arrange_openpgp(certifier).bytes).has(*who)) {
        home.fail(fmt::format("importing {} again, which is in the keyring", *who));
    }
    if (!home.import(arranged.bytes).has(*whose)) {
        return false;
    }
    const auto keys = home.list(/*with_signatures=*/true);
    const auto* const offered_key = find(keys, *whose);
    const auto* const certifier_key = find(keys, *who);
    for (auto* user_id = offered_key->uids; user_id != nullptr; user_id = user_id->next) {
        const auto named = user_id->uid != nullptr ? mail::address_in_user_id(user_id->uid) : std::nullopt;
        if (!named || named->to_string() != address || user_id->revoked != 0U || user_id->invalid != 0U) {
            continue;
        }
        auto* const newest = newest_by(*certifier_key, *user_id);
        if (newest != nullptr && is_in_force(newest, *certifier_key, now)) {
            return true;
        }
    }
    return false;
}

} // namespace lockbox::crypto
