#include "keyring/import.hpp"

#include "base/ascii.hpp"
#include "base/error.hpp"
#include "crypto/openpgp_judge.hpp"
#include "crypto/rnp_seal.hpp"
#include "crypto/x509_addresses.hpp"
#include "crypto/x509_chain.hpp"
#include "keyring/material.hpp"
#include "keyring/openpgp_judge_ahead.hpp"
#include "keyring/renewal.hpp"
#include "keyring/usability.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

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
        if (error.kind() != ErrorKind::malformed) {
            throw; // the engine failed, which says nothing about the key
        }
        return error.what();
    }
}

/// What is needed to judge whether somebody may speak for a certificate.
struct Trusted {
    const ImportOptions& options;
    const std::vector<std::string>& intermediates;
    Time now;
};

/// The signer of a message may say what the reader of the certificate reads: it is the certificate itself,
/// which has been judged; or one that leads to a trusted authority, has not been revoked, and is for an
/// address that the certificate is for, too. Everybody can sign with a certificate made for the purpose.
bool may_speak_for(const std::string& signer, const std::string& certificate, const Trusted& trusted) {
    if (signer == certificate) {
        return true;
    }
    const auto speaker = crypto::x509_from_der(signer);
    const auto subject = crypto::x509_from_der(certificate);
    const auto validity = speaker ? crypto::validity_of(speaker.get()) : std::nullopt;
    if (!subject || !validity || !crypto::is_for_mail(speaker.get()) || trusted.now < validity->begins ||
        (validity->ends && *validity->ends <= trusted.now)) {
        return false;
    }
    const auto chain = crypto::build_chain(speaker.get(), crypto::stack_of(trusted.intermediates).get(),
                                           trusted.options.authorities, trusted.now);
    const auto revoked = [&] {
        return trusted.options.revocations != nullptr &&
               trusted.options.revocations->status(signer, chain.issuers).revoked;
    };
    const auto speakers = crypto::addresses_of(speaker.get());
    const auto subjects = crypto::addresses_of(subject.get());
    return !chain.problem && !crypto::issuer_out_of_date(chain.issuers, trusted.now) && !revoked() &&
           std::find_first_of(speakers.begin(), speakers.end(), subjects.begin(), subjects.end()) !=
               speakers.end();
}

/// A later message overrules an earlier one; when it was signed, the signer says, and of a time that has not
/// come only that it is not earlier than now.
bool is_later(const std::optional<Time>& signed_at, const Entry& entry) {
    return entry.encryption_said_by == SaidBy::nobody || !entry.encryption_said_at ||
           (signed_at && *signed_at > *entry.encryption_said_at);
}

/// What the reader of an X.509 certificate reads: what a person says, else the reader, else what is known.
void say_content_encryption(Entry& entry, const Material& material, const std::optional<Entry>& present,
                            const Trusted& trusted) {
    if (present) {
        entry.certificate.content_encryption = present->certificate.content_encryption;
        entry.encryption_said_by = present->encryption_said_by;
        entry.encryption_said_at = present->encryption_said_at;
    }
    if (trusted.options.content_encryption) {
        entry.certificate.content_encryption = *trusted.options.content_encryption;
        entry.encryption_said_by = SaidBy::person;
        entry.encryption_said_at.reset();
        return;
    }
    if (!material.capabilities || entry.encryption_said_by == SaidBy::person) {
        return;
    }
    auto signed_at = material.capabilities->signed_at;
    if (signed_at) {
        signed_at = std::min(*signed_at, trusted.now);
    }
    if (is_later(signed_at, entry) &&
        may_speak_for(material.capabilities->signer, entry.certificate.bytes, trusted)) {
        entry.certificate.content_encryption = material.capabilities->content_encryption;
        entry.encryption_said_by = SaidBy::message;
        entry.encryption_said_at = signed_at;
    }
}

/// With the bindings from before.
Entry entry_from(const crypto::JudgedCertificate& judged, const std::optional<Entry>& present,
                 const Material& material, const Trusted& trusted) {
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
        say_content_encryption(entry, material, present, trusted);
    }
    entry.imported = present ? present->imported : trusted.now;
    entry.updated = trusted.now;
    if (present) {
        entry.bindings = present->bindings;
        keep_revocations(entry, *present);
    }
    return entry;
}

/// Whose word it is that the certificate belongs to an address: of what a mail brought, nobody's but an
/// authority's; otherwise a person's, who imports it, or an authority's where nobody has named the
/// fingerprint.
Trust trust_of(const crypto::JudgedCertificate& judged, const Material& material) {
    if (judged.certificate.protocol == crypto::Protocol::smime) {
        return judged.vouched ? Trust::manual : Trust::verified;
    }
    return material.from_mail ? Trust::harvested : Trust::manual;
}

/// The addresses of User IDs that hold, each once with the moment when the last of them ends.
std::vector<Proposal> named_by(const Entry& entry, Trust trust, const std::string& source, Time now) {
    std::vector<Proposal> proposals;
    for (const auto& user_id : entry.user_ids) {
        const auto address = mail::Address::parse(user_id.address);
        if (!address || user_id.revoked || (user_id.expires && *user_id.expires <= now)) {
            continue;
        }
        const auto same = std::find_if(proposals.begin(), proposals.end(), [&](const Proposal& proposal) {
            return proposal.address == *address;
        });
        if (same == proposals.end()) {
            proposals.push_back({*address, trust, source, false, false, user_id.expires});
        } else if (!user_id.expires || !same->good_until) {
            same->good_until.reset();
        } else {
            same->good_until = std::max(same->good_until, user_id.expires);
        }
    }
    return proposals;
}

bool is_revoked_for(const Entry& entry, const mail::Address& address) {
    return std::any_of(entry.user_ids.begin(), entry.user_ids.end(), [&](const crypto::UserId& user_id) {
        const auto other = mail::Address::parse(user_id.address);
        return user_id.revoked && other && other->folded() == address.folded();
    });
}

struct Proposals {
    std::vector<Proposal> all;
    std::string why_none; ///< where there is none
    std::string hint;
};

Proposals proposals_from(const Entry& entry, Trust trust, const Material& material,
                         const ImportOptions& options, Time now) {
    auto named = named_by(entry, trust, material.source, now);
    const auto names = [&](const mail::Address& address) {
        return std::any_of(named.begin(), named.end(),
                           [&](const Proposal& proposal) { return proposal.address == address; });
    };
    const auto& wanted = options.address ? options.address : material.speaks_for;
    if (wanted && is_revoked_for(entry, *wanted) && !names(*wanted)) {
        return {{}, fmt::format("its owner has revoked it for {}", wanted->to_string()), {}};
    }
    if (options.address) {
        return {{{*options.address, Trust::manual, material.source, true, true, {}}}, {}, {}};
    }
    if (material.speaks_for && material.whatever_it_names) {
        return {{{*material.speaks_for, trust, material.source, true, false, {}}}, {}, {}};
    }
    if (material.speaks_for) {
        std::vector<std::string> others;
        for (const auto& proposal : named) {
            others.push_back(proposal.address.to_string());
        }
        std::erase_if(named, [&](const Proposal& proposal) { return proposal.address != *wanted; });
        return {named,
                fmt::format("the message is from {}, and it names {}", wanted->to_string(),
                            others.empty() ? "nobody" : fmt::format("{}", fmt::join(others, ", "))),
                "a message speaks for its sender alone: save the certificate and import the file, or say for "
                "whom it is with --address"};
    }
    return {std::move(named),
            entry.user_ids.empty() ? "no address: it has no User ID"
                                   : "no address: none of its User IDs that hold has one",
            "--address ADDRESS says for whom it is"};
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
    const auto unusable = why_unusable(entry, now);
    if (!unusable) {
        return std::nullopt;
    }
    if (unusable->kind == Unusable::cannot_encrypt && !result.warnings.empty()) {
        return result.warnings.back(); // the trial failed, and said why
    }
    return unusable->describe();
}

/// A certificate that is in use stays usable unless it is revoked or expires: what a copy leaves out, or what
/// an engine does not understand, is no reason to stop mail. nullopt: it stays so.
std::optional<std::string> why_update_is_refused(const Entry& entry, const Entry& present, Time now) {
    if (why_unusable(present, now) || !why_unusable(entry, now)) {
        return std::nullopt;
    }
    const auto* const before = encryption_key_at(present, now);
    const auto still_there =
        std::any_of(entry.encryption_keys.begin(), entry.encryption_keys.end(),
                    [&](const crypto::EncryptionKey& key) { return key.fingerprint == before->fingerprint; });
    if (entry.revoked || still_there) {
        return std::nullopt; // revoked, or expired: both are the owner's word
    }
    return fmt::format("this copy would make it unusable: it has no encryption key that can be used, and the "
                       "key {} in the keyring can",
                       before->fingerprint);
}

/// Lists are looked at anew at each message, and some take back what they said, so nothing of this is stored.
crypto::RevocationStatus revocation_of(const Entry& entry, const ImportOptions& options) {
    return entry.certificate.protocol == crypto::Protocol::smime && options.revocations
               ? options.revocations->status(entry.certificate.bytes, entry.chain)
               : crypto::RevocationStatus();
}

/// What is the same for all certificates of one input.
struct Import {
    Keyring& keyring;
    crypto::Sealer& sealer;
    Time now;
    const ImportOptions& options;
    OpenPgpJudge& openpgp;
    std::vector<std::string> intermediates{}; ///< of the input and of the keyring
};

/// Somebody has said for whom it is, whatever names are in it.
bool is_assigned(const Entry& entry) {
    return std::any_of(entry.bindings.begin(), entry.bindings.end(),
                       [](const Binding& binding) { return binding.assigned; });
}

bool is_trusted_by_person(const Entry& entry) {
    return std::any_of(entry.bindings.begin(), entry.bindings.end(),
                       [](const Binding& binding) { return binding.trust == Trust::manual; });
}

crypto::Judgement judge(std::string_view bytes, const std::optional<Entry>& present, const Material& material,
                        const Import& import) {
    if (material.protocol == crypto::Protocol::openpgp) {
        return import.openpgp.judge(bytes, present ? std::string_view(present->certificate.bytes)
                                                   : std::string_view());
    }
    crypto::X509Options options{&import.options.authorities, import.intermediates, import.options.vouched_for,
                                import.options.subject_address,
                                !import.options.address && !(present && is_assigned(*present))};
    if (present && present->chain.empty() && is_trusted_by_person(*present)) {
        options.vouched_for.push_back(present->certificate.fingerprint); // it still is
    }
    return crypto::judge_x509(bytes, options, import.now);
}

std::optional<std::string> fingerprint_of(std::string_view bytes, crypto::Protocol protocol) {
    return protocol == crypto::Protocol::openpgp ? crypto::openpgp_fingerprint(bytes)
                                                 : crypto::x509_fingerprint(bytes);
}

void say_how_long(const Entry& entry, const std::optional<Time>& revoked, Time now, ImportResult& result) {
    const auto unusable = revoked ? WhyUnusable{Unusable::revoked, std::nullopt} : why_unusable(entry, now);
    if (unusable) {
        result.why_unusable = unusable->describe();
        result.warnings.push_back(fmt::format("nothing is sealed to it any more: {}", result.why_unusable));
        return;
    }
    result.usable_until = usable_until(entry);
    if (result.usable_until && *result.usable_until - now < end_is_near) {
        result.warnings.push_back(fmt::format("it can be used until {} only: ask its owner for a renewed one",
                                              format_date(*result.usable_until)));
    }
}

/// What the keyring has of the certificate that the bytes are or, where they are a revocation alone, are for.
std::optional<Entry> present_of(std::string_view bytes, crypto::Protocol protocol, Keyring& keyring) {
    if (const auto fingerprint = fingerprint_of(bytes, protocol)) {
        return keyring.by_fingerprint(*fingerprint);
    }
    const auto issuer =
        protocol == crypto::Protocol::openpgp ? crypto::openpgp_revocation_issuer(bytes) : std::nullopt;
    if (!issuer) {
        return std::nullopt;
    }
    if (!issuer->fingerprint.empty()) {
        return keyring.by_fingerprint(issuer->fingerprint);
    }
    auto found = issuer->key_id.empty() ? std::vector<Entry>() : keyring.by_fingerprint_part(issuer->key_id);
    std::erase_if(found, [&](const Entry& entry) {
        return entry.certificate.protocol != crypto::Protocol::openpgp ||
               !entry.certificate.fingerprint.ends_with(issuer->key_id);
    });
    return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

/// nullopt: somebody else changed the entry meanwhile.
std::optional<ImportResult> try_import(std::string_view bytes, const Material& material,
                                       const Import& import) {
    auto& [keyring, sealer, now, options, openpgp, intermediates] = import;
    const auto present = present_of(bytes, material.protocol, keyring);
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
    auto entry = entry_from(judged, present, material, {options, intermediates, now});
    result.fingerprint = entry.certificate.fingerprint;
    result.warnings = std::move(judged.warnings);
    for (const auto& user_id : entry.user_ids) {
        result.user_ids.push_back(user_id.text);
    }
    const bool is_new = !present || present->bindings.empty();
    const auto [revoked, unknown] = revocation_of(entry, options);
    if (!unknown.empty()) {
        result.warnings.push_back(unknown);
    }
    if (is_new && revoked) {
        result.reason =
            fmt::format("{} on {}, says a list of its authority",
                        WhyUnusable{Unusable::revoked, std::nullopt}.describe(), format_date(*revoked));
        return result;
    }
    // A revocation binds nothing, also where the certificate was removed and is kept for the day when it
    // comes again.
    const bool only_revokes =
        material.protocol == crypto::Protocol::openpgp && crypto::openpgp_revocation_issuer(bytes);
    if (is_new && (entry.revoked || only_revokes)) {
        if (!keyring.store(entry, present, now)) { // for the day when an older copy comes
            return std::nullopt;
        }
        result.reason =
            entry.revoked ? why_unusable(entry, now)->describe() : "what it revokes is not in use";
        return result;
    }
    drop_keys_without_trial(entry, sealer, now, result);
    auto proposals = proposals_from(entry, trust_of(judged, material), material, options, now);
    auto why = is_new ? why_new_is_refused(entry, result, now) : why_update_is_refused(entry, *present, now);
    if (!why && (is_new || options.address || material.speaks_for) && proposals.all.empty()) {
        why = proposals.why_none;
        result.hint = proposals.hint;
    }
    if (why) {
        result.reason = *std::move(why);
        return result;
    }
    Grounds grounds{std::move(proposals.all), options.replace, {}};
    grounds.renews = renewals(bytes, entry, grounds, keyring);
    Rebound rebound;
    const auto stored =
        keyring.store(entry, present, now, [&](Entry& at_last, const Keyring::LookUp& look_up) {
            rebound = rebind_at_import(at_last, grounds, look_up, options.base_of, now);
            at_last.bindings = rebound.own;
            return rebound.of_others;
        });
    if (!stored) {
        return std::nullopt;
    }
    entry.bindings = std::move(rebound.own);
    result.addresses = addresses_in(entry, BindingState::active);
    result.waiting = std::move(rebound.waiting);
    std::move(rebound.remarks.begin(), rebound.remarks.end(), std::back_inserter(result.remarks));
    const bool only_waits = result.addresses.empty() && is_pending(result);
    result.outcome = only_waits                   ? Outcome::pending
                     : *stored == Stored::added   ? Outcome::added
                     : *stored == Stored::updated ? (is_new ? Outcome::added : Outcome::updated)
                                                  : Outcome::unchanged;
    say_how_long(entry, revoked, now, result);
    if (material.from_mail && !result.addresses.empty()) {
        result.warnings.push_back(fmt::format(
            "the From field of a message proves nothing: compare the fingerprint {} with its owner's "
            "over another way",
            entry.certificate.fingerprint));
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
    result.user_ids = {crypto::name_of(X509_get_subject_name(certificate.get()))};
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

/// Of several certificates, which one is for the address?
void check_one_is_meant(const std::vector<Material>& found, std::size_t openpgp, const std::string& name,
                        const ImportOptions& options) {
    if (!options.address) {
        return;
    }
    const auto smime = std::count_if(found.begin(), found.end(), [](const Material& material) {
        return material.protocol == crypto::Protocol::smime && material.damage.empty() &&
               !material.companion && !is_authority(material);
    });
    const auto count = openpgp + static_cast<std::size_t>(smime);
    if (count > 1) {
        throw Error(
            ErrorKind::usage,
            fmt::format("there are {} certificates in {}, and --address says for whom one is", count, name),
            "import it from a file with nothing else in it");
    }
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
    case Outcome::pending:
        return "pending";
    case Outcome::authority:
        return "authority";
    case Outcome::refused:
        return "refused";
    }
    return "refused";
}

bool is_pending(const ImportResult& result) {
    return std::any_of(result.waiting.begin(), result.waiting.end(),
                       [](const Waiting& waiting) { return waiting.state == BindingState::pending; });
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
    check_one_is_meant(found, openpgp.size(), name, options);
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
