#include "keyring/import.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "crypto/openpgp_judge.hpp"
#include "crypto/rnp_seal.hpp"
#include "keyring/material.hpp"
#include "keyring/usability.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <set>
#include <span>

namespace lockbox::keyring {
namespace {

/// Somebody else may change the same certificate at the same time; that this happens again and again is no
/// accident.
constexpr unsigned store_attempts_max = 10;

ImportResult refused(std::string reason, std::string hint = {}) {
    ImportResult result;
    result.reason = std::move(reason);
    result.hint = std::move(hint);
    return result;
}

/// Whether the engine that the milter uses encrypts to this key; and for OpenPGP whether librnp, which judges
/// whole certificates as GnuPG has done, finds it valid as well: the engine looks at the key alone.
std::optional<std::string> why_trial_fails(crypto::Certificate certificate, const crypto::EncryptionKey& key,
                                           crypto::Sealer& sealer) {
    certificate.encryption_key = key.fingerprint;
    const auto recipients = crypto::Recipients::from({std::move(certificate)});
    constexpr std::array<std::string_view, 1> trial{"trial\r\n"};
    try {
        if (recipients->protocol() == crypto::Protocol::openpgp) {
            crypto::RnpSealer::check(recipients->all().front());
        }
        std::string sealed;
        sealer.encrypt(*recipients, trial, [&](std::string_view bytes) { sealed += bytes; });
        if (recipients->protocol() == crypto::Protocol::smime) {
            return std::nullopt;
        }
        const auto form = mail::read_encrypted_message(sealed);
        const bool to_that_key = form && form->recipient_key_ids.size() == 1 &&
                                 key.fingerprint.ends_with(form->recipient_key_ids.front());
        return to_that_key ? std::nullopt : std::optional<std::string>("it is encrypted to another key");
    } catch (const Error& error) {
        return error.what();
    }
}

/// What the reader of an X.509 certificate reads: what a person says, else the reader, else what is known.
crypto::ContentEncryption content_encryption_of(const Material& material, const std::optional<Entry>& present,
                                                const ImportOptions& options) {
    if (options.content_encryption) {
        return *options.content_encryption;
    }
    if (material.capabilities) {
        return material.capabilities->content_encryption;
    }
    return present ? present->certificate.content_encryption : crypto::ContentEncryption::aes256_cbc;
}

/// Importing an OpenPGP certificate is a person's decision; of X.509, an authority's where nobody has named
/// the fingerprint. Neither takes back what was believed before.
Trust trust_of(const crypto::JudgedCertificate& judged, const std::optional<Entry>& present) {
    const bool by_person = judged.certificate.protocol == crypto::Protocol::openpgp || judged.vouched;
    const auto trust = by_person ? Trust::manual : Trust::verified;
    return present ? std::max(trust, present->trust) : trust;
}

Entry entry_from(const crypto::JudgedCertificate& judged, const std::optional<Entry>& present,
                 const Material& material, const ImportOptions& options, Time now) {
    Entry entry;
    entry.certificate = judged.certificate;
    entry.algorithm = judged.algorithm;
    entry.created = judged.created;
    entry.expires = judged.expires;
    entry.revoked = judged.revoked;
    entry.encryption_keys = judged.encryption_keys;
    entry.user_ids = judged.user_ids;
    entry.chain = judged.chain;
    if (judged.certificate.protocol == crypto::Protocol::smime) {
        entry.certificate.content_encryption = content_encryption_of(material, present, options);
    }
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
    entry.trust = trust_of(judged, present);
    entry.source = material.source;
    entry.imported = present ? present->imported : now;
    entry.updated = now;
    return entry;
}

/// Drops encryption keys that could be used now but that the engine does not encrypt to; says so.
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

/// Lists are looked at anew at each message, and some take back what they said, so nothing of this is stored.
std::optional<Time> revoked_since(const Entry& entry, const ImportOptions& options) {
    return entry.certificate.protocol == crypto::Protocol::smime && options.revocations
               ? options.revocations->revoked_since(entry.certificate.bytes, entry.chain)
               : std::nullopt;
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

/// As many certificates as GnuPG looks at in one go: it is started some five times for each go, and each
/// costs some milliseconds. More would gain nothing, and somebody who watches would wait longer for the next
/// sign.
constexpr std::size_t judged_together_max = 50;

/// What GnuPG says of the OpenPGP certificates of one input, asked for several at once.
class OpenPgpJudge {
public:
    OpenPgpJudge(std::vector<std::string_view> offered, Keyring& keyring)
        : offered_(std::move(offered)), keyring_(keyring) {}

    /// crypto::judge_openpgp(). The certificates come in the order of `offered`.
    crypto::Judgement judge(std::string_view bytes, std::string_view known) {
        if (const auto place = std::find(offered_.begin() + next_, offered_.end(), bytes);
            place != offered_.end()) {
            look_ahead(place - offered_.begin());
        }
        const auto found = ahead_.find(bytes);
        return found != ahead_.end() && found->second.known == known ? found->second.judgement
                                                                     : crypto::judge_openpgp(bytes, known);
    }

private:
    struct Ahead {
        std::string known;
        crypto::Judgement judgement;
    };

    /// Judges those from `begin` on.
    void look_ahead(std::ptrdiff_t begin) {
        const auto count = std::min(judged_together_max, offered_.size() - static_cast<std::size_t>(begin));
        const std::span these(offered_.begin() + begin, count);
        next_ = begin + static_cast<std::ptrdiff_t>(count);
        std::vector<std::string> known;
        std::vector<crypto::OpenPgpCandidate> candidates;
        for (const auto bytes : these) {
            const auto fingerprint = crypto::openpgp_fingerprint(bytes);
            const auto present = fingerprint ? keyring_.by_fingerprint(*fingerprint) : std::nullopt;
            known.push_back(present ? present->certificate.bytes : std::string());
        }
        for (std::size_t i = 0; i < count; ++i) {
            candidates.push_back({these[i], known[i]});
        }
        auto judgements = crypto::judge_openpgp_together(candidates);
        ahead_.clear();
        for (std::size_t i = 0; i < count; ++i) {
            if (judgements[i]) {
                ahead_.emplace(these[i], Ahead{std::move(known[i]), *std::move(judgements[i])});
            }
        }
    }

    std::vector<std::string_view> offered_;
    Keyring& keyring_;
    std::ptrdiff_t next_ = 0; ///< the first that was not looked at
    std::map<std::string_view, Ahead> ahead_;
};

/// What is the same for all certificates of one input.
struct Import {
    Keyring& keyring;
    crypto::Sealer& sealer;
    Time now;
    const ImportOptions& options;
    OpenPgpJudge& openpgp;
    std::vector<std::string> intermediates{}; ///< of the input and of the keyring
};

crypto::Judgement judge(std::string_view bytes, const std::optional<Entry>& present, const Material& material,
                        const Import& import) {
    if (material.protocol == crypto::Protocol::openpgp) {
        return import.openpgp.judge(bytes, present ? std::string_view(present->certificate.bytes)
                                                   : std::string_view());
    }
    crypto::X509Options options{&import.options.authorities, import.intermediates, import.options.vouched_for,
                                import.options.subject_address};
    if (present && present->trust == Trust::manual) {
        options.vouched_for.push_back(present->certificate.fingerprint); // it still is
    }
    return crypto::judge_x509(bytes, options, import.now);
}

std::optional<std::string> fingerprint_of(std::string_view bytes, crypto::Protocol protocol) {
    return protocol == crypto::Protocol::openpgp ? crypto::openpgp_fingerprint(bytes)
                                                 : crypto::x509_fingerprint(bytes);
}

/// nullopt: somebody else changed the entry meanwhile.
std::optional<ImportResult> try_import(std::string_view bytes, const Material& material,
                                       const Import& import) {
    auto& [keyring, sealer, now, options, openpgp, intermediates] = import;
    const auto fingerprint = fingerprint_of(bytes, material.protocol);
    const auto present = fingerprint ? keyring.by_fingerprint(*fingerprint) : std::nullopt;
    auto judgement = judge(bytes, present, material, import);
    ImportResult result;
    if (auto* refusal = std::get_if<crypto::Refusal>(&judgement)) {
        result.reason = std::move(refusal->reason);
        result.hint = std::move(refusal->hint);
        result.fingerprint = std::move(refusal->fingerprint);
        result.user_ids = std::move(refusal->user_ids);
        return result;
    }
    auto& judged = std::get<crypto::JudgedCertificate>(judgement);
    auto entry = entry_from(judged, present, material, options, now);
    result.fingerprint = entry.certificate.fingerprint;
    result.warnings = std::move(judged.warnings);
    for (const auto& user_id : entry.user_ids) {
        result.user_ids.push_back(user_id.text);
    }
    const auto revoked = revoked_since(entry, options);
    if (!present && revoked) {
        result.reason =
            fmt::format("{} on {}, says a list of its authority",
                        WhyUnusable{Unusable::revoked, std::nullopt}.describe(), format_date(*revoked));
        return result;
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
    const auto unusable = revoked ? WhyUnusable{Unusable::revoked, std::nullopt} : why_unusable(entry, now);
    if (unusable) {
        result.why_unusable = unusable->describe();
        result.warnings.push_back(fmt::format("nothing is sealed to it any more: {}", result.why_unusable));
    } else {
        result.usable_until = usable_until(entry);
    }
    if (*stored == Stored::added) {
        warn_of_others(entry, keyring, result);
    }
    return result;
}

ImportResult import_one(std::string_view bytes, const Material& material, const Import& import) {
    for (unsigned attempt = 0; attempt < store_attempts_max; ++attempt) {
        if (auto result = try_import(bytes, material, import)) {
            return *std::move(result);
        }
    }
    throw Error(ErrorKind::busy, "the certificate is being changed by other programs again and again");
}

bool is_authority(const Material& material) {
    const auto certificate = material.protocol == crypto::Protocol::smime
                                 ? crypto::x509_from_der(material.bytes)
                                 : crypto::X509Handle();
    return certificate && crypto::is_authority(certificate.get());
}

ImportResult authority_result(const Material& material) {
    const auto certificate = crypto::x509_from_der(material.bytes);
    ImportResult result;
    result.outcome = Outcome::authority;
    result.fingerprint = crypto::x509_fingerprint(material.bytes);
    result.user_ids = {crypto::to_text(X509_get_subject_name(certificate.get()))};
    return result;
}

/// What helps to find the way from a certificate up to a trusted authority: those that came along with it,
/// and those that did so earlier.
std::vector<std::string> intermediates_for(const std::vector<Material>& found, const std::string& name,
                                           Keyring& keyring) {
    std::set<std::string_view> authorities; // files of many people repeat those of each
    bool needed = false;
    for (const auto& material : found) {
        if (material.protocol != crypto::Protocol::smime) {
            continue;
        }
        const bool authority = is_authority(material);
        needed = needed || !authority;
        if (authority) {
            authorities.insert(material.bytes);
        }
    }
    if (!needed) {
        return {};
    }
    if (authorities.size() > input_authorities_max) {
        throw Error(
            ErrorKind::too_large,
            fmt::format("{} has the certificates of {} certification authorities, more than {}", name,
                        authorities.size(), input_authorities_max),
            "import it without those that have issued nothing in it; to trust authorities, use `smime-ca`");
    }
    std::vector<std::string> intermediates(authorities.begin(), authorities.end());
    auto known = keyring.issuers();
    std::move(known.begin(), known.end(), std::back_inserter(intermediates));
    return intermediates;
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
    case Outcome::authority:
        return "authority";
    case Outcome::refused:
        return "refused";
    }
    return "refused";
}

std::vector<ImportResult> import_certificates(std::string_view bytes, const std::string& name,
                                              Keyring& keyring, crypto::Sealer& sealer, Time now,
                                              const ImportOptions& options) {
    const auto found = find_material(bytes, name);
    std::vector<std::string_view> openpgp;
    for (const auto& material : found) {
        if (material.protocol == crypto::Protocol::openpgp && material.damage.empty() &&
            !material.companion) {
            if (const auto keys = mail::split_keys(material.bytes)) {
                for (const auto& key : keys->keys) {
                    openpgp.push_back(key.bytes);
                }
            }
        }
    }
    const auto total =
        openpgp.size() +
        static_cast<std::size_t>(std::count_if(found.begin(), found.end(), [](const Material& material) {
            return material.protocol == crypto::Protocol::smime;
        }));
    OpenPgpJudge judge(std::move(openpgp), keyring);
    const Import import{keyring, sealer, now, options, judge, intermediates_for(found, name, keyring)};
    // Whoever imports nothing but authorities expects something of it that does not happen.
    const bool only_authorities = std::all_of(found.begin(), found.end(), is_authority);
    std::vector<ImportResult> results;
    const auto add = [&](ImportResult result, const Material& material) {
        result.where = material.where;
        results.push_back(std::move(result));
        if (options.progress) {
            options.progress(results.size(), std::max(total, results.size()));
        }
    };
    for (const auto& material : found) {
        if (!material.damage.empty()) {
            add(refused(material.damage, material.hint), material);
            continue;
        }
        if (material.companion) {
            continue;
        }
        if (material.protocol == crypto::Protocol::smime) {
            add(is_authority(material) && !only_authorities ? authority_result(material)
                                                            : import_one(material.bytes, material, import),
                material);
            continue;
        }
        const auto keys = mail::split_keys(material.bytes);
        if (!keys) {
            add(refused("it is not an OpenPGP certificate"), material);
            continue;
        }
        for (const auto& key : keys->keys) {
            add(import_one(key.bytes, material, import), material);
        }
        if (!keys->intact) {
            add(refused("what follows the last certificate is no OpenPGP packet, or an incomplete one"),
                material);
        }
    }
    return results;
}

} // namespace lockbox::keyring
