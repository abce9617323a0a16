#include "keyring/import.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "crypto/openpgp_judge.hpp"
#include "keyring/material.hpp"
#include "keyring/usability.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace lockbox::keyring {
namespace {

/// Somebody else may change the same certificate at the same time; that this happens again and again is no
/// accident.
constexpr unsigned store_attempts_max = 10;

ImportResult refused(std::string reason) {
    ImportResult result;
    result.reason = std::move(reason);
    return result;
}

/// Whether the engine that the milter uses encrypts to this key.
std::optional<std::string> why_trial_fails(crypto::Certificate certificate, const crypto::EncryptionKey& key,
                                           crypto::Sealer& sealer) {
    certificate.encryption_key = key.fingerprint;
    const auto recipients = crypto::Recipients::from({std::move(certificate)});
    constexpr std::array<std::string_view, 1> trial{"trial\r\n"};
    try {
        std::string packets;
        sealer.openpgp.encrypt(*recipients, trial, [&](std::string_view bytes) { packets += bytes; });
        const auto form = mail::read_encrypted_message(packets);
        const bool to_that_key = form && form->recipient_key_ids.size() == 1 &&
                                 key.fingerprint.ends_with(form->recipient_key_ids.front());
        return to_that_key ? std::nullopt : std::optional<std::string>("librnp encrypts to another key");
    } catch (const Error& error) {
        return error.what();
    }
}

Entry entry_from(const crypto::JudgedCertificate& judged, const std::optional<Entry>& present,
                 const Material& material, Time now) {
    Entry entry;
    entry.certificate = judged.certificate;
    entry.algorithm = judged.algorithm;
    entry.created = judged.created;
    entry.expires = judged.expires;
    entry.revoked = judged.revoked;
    entry.encryption_keys = judged.encryption_keys;
    entry.user_ids = judged.user_ids;
    for (const auto& user_id : judged.user_ids) {
        const auto address = mail::Address::parse(user_id.address);
        if (address && !user_id.revoked) {
            entry.addresses.push_back(address->to_string());
        }
    }
    std::sort(entry.addresses.begin(), entry.addresses.end());
    entry.addresses.erase(std::unique(entry.addresses.begin(), entry.addresses.end()), entry.addresses.end());
    if (present) {
        for (const auto* before : {&present->addresses, &present->former_addresses}) {
            std::copy_if(before->begin(), before->end(), std::back_inserter(entry.former_addresses),
                         [&](const std::string& address) {
                             return std::find(entry.addresses.begin(), entry.addresses.end(), address) ==
                                    entry.addresses.end();
                         });
        }
    }
    entry.trust = Trust::manual; // import is a person's decision, and nothing is trusted more
    entry.source = material.source;
    entry.imported = present ? present->imported : now;
    entry.updated = now;
    return entry;
}

/// Drops encryption keys that could be used now but that librnp does not encrypt to; says so.
void drop_keys_without_trial(Entry& entry, crypto::Sealer& sealer, Time now, ImportResult& result) {
    const auto fails = [&](const crypto::EncryptionKey& key) {
        const bool could_be_used = !key.revoked && key.created <= now && (!key.expires || now < *key.expires);
        if (!could_be_used) {
            return false;
        }
        const auto why = why_trial_fails(entry.certificate, key, sealer);
        if (why) {
            result.warnings.push_back(
                fmt::format("its {} key {} is not used: {}", key.algorithm, key.fingerprint, *why));
        }
        return why.has_value();
    };
    if (!why_unusable(entry, now)) {
        std::erase_if(entry.encryption_keys, fails);
    }
}

std::optional<std::string> why_new_is_refused(const Entry& entry, const ImportResult& result, Time now) {
    if (entry.revoked) {
        return why_unusable(entry, now)->describe();
    }
    if (entry.addresses.empty()) {
        return "no address: none of its User IDs that are not revoked has one";
    }
    const auto unusable = why_unusable(entry, now);
    if (!unusable) {
        return std::nullopt;
    }
    if (unusable->kind == Unusable::cannot_encrypt && !result.warnings.empty()) {
        return result.warnings.back(); // the trial failed, and said why
    }
    return unusable->describe();
}

void warn_of_others(const Entry& entry, Keyring& keyring, ImportResult& result) {
    for (const auto& text : entry.addresses) {
        const auto address = mail::Address::parse(text);
        for (const auto& other : address ? keyring.find(*address) : std::vector<Entry>()) {
            if (other.certificate.fingerprint != entry.certificate.fingerprint) {
                result.warnings.push_back(fmt::format("the keyring has another certificate for {}: {}; "
                                                      "`lockbox explain` says which one is used",
                                                      text, other.certificate.fingerprint));
            }
        }
    }
}

/// nullopt: somebody else changed the entry meanwhile.
std::optional<ImportResult> try_import(std::string_view bytes, const Material& material, Keyring& keyring,
                                       crypto::Sealer& sealer, Time now) {
    const auto fingerprint = crypto::openpgp_fingerprint(bytes);
    const auto present = fingerprint ? keyring.by_fingerprint(*fingerprint) : std::nullopt;
    auto judgement = crypto::judge_openpgp(bytes, present ? std::string_view(present->certificate.bytes)
                                                          : std::string_view());
    ImportResult result;
    if (auto* refusal = std::get_if<crypto::Refusal>(&judgement)) {
        result.reason = std::move(refusal->reason);
        result.hint = std::move(refusal->hint);
        result.fingerprint = std::move(refusal->fingerprint);
        result.user_ids = std::move(refusal->user_ids);
        return result;
    }
    auto& judged = std::get<crypto::JudgedCertificate>(judgement);
    auto entry = entry_from(judged, present, material, now);
    result.fingerprint = entry.certificate.fingerprint;
    result.warnings = std::move(judged.warnings);
    for (const auto& user_id : entry.user_ids) {
        result.user_ids.push_back(user_id.text);
    }
    drop_keys_without_trial(entry, sealer, now, result);
    if (!present) {
        if (auto why = why_new_is_refused(entry, result, now)) {
            result.reason = *std::move(why);
            return result;
        }
    }
    const auto stored = keyring.store(entry, present, now);
    if (!stored) {
        return std::nullopt;
    }
    result.outcome = *stored == Stored::added     ? Outcome::added
                     : *stored == Stored::updated ? Outcome::updated
                                                  : Outcome::unchanged;
    result.addresses = entry.addresses;
    result.usable_until = usable_until(entry);
    if (const auto unusable = why_unusable(entry, now)) {
        result.warnings.push_back(fmt::format("nothing is sealed to it any more: {}", unusable->describe()));
    }
    if (*stored == Stored::added) {
        warn_of_others(entry, keyring, result);
    }
    return result;
}

ImportResult import_one(std::string_view bytes, const Material& material, Keyring& keyring,
                        crypto::Sealer& sealer, Time now) {
    for (unsigned attempt = 0; attempt < store_attempts_max; ++attempt) {
        if (auto result = try_import(bytes, material, keyring, sealer, now)) {
            return *std::move(result);
        }
    }
    throw Error(ErrorKind::busy, "the certificate is being changed by other programs again and again");
}

} // namespace

std::string_view to_string(Outcome outcome) noexcept {
    switch (outcome) {
    case Outcome::added:
        return "new";
    case Outcome::updated:
        return "updated";
    case Outcome::unchanged:
        return "unchanged";
    case Outcome::refused:
        return "refused";
    }
    return "refused";
}

std::vector<ImportResult> import_certificates(std::string_view bytes, const std::string& name,
                                              Keyring& keyring, crypto::Sealer& sealer, Time now) {
    std::vector<ImportResult> results;
    const auto add = [&](ImportResult result, const Material& material) {
        result.where = material.where;
        results.push_back(std::move(result));
    };
    for (const auto& material : find_material(bytes, name)) {
        if (!material.damage.empty()) {
            add(refused(material.damage), material);
            continue;
        }
        const auto keys = mail::split_keys(material.bytes);
        if (!keys) {
            add(refused("it is not an OpenPGP certificate"), material);
            continue;
        }
        for (const auto& key : keys->keys) {
            add(import_one(key.bytes, material, keyring, sealer, now), material);
        }
        if (!keys->intact) {
            add(refused("what follows the last certificate is no OpenPGP packet, or an incomplete one"),
                material);
        }
    }
    return results;
}

} // namespace lockbox::keyring
