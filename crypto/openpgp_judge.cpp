#include "crypto/openpgp_judge.hpp"

#include "base/error.hpp"
#include "crypto/judging_home.hpp"
#include "crypto/openpgp_recipient.hpp"
#include "mail/openpgp_certificate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>

namespace lockbox::crypto {
namespace {

std::string text_of(const char* text) {
    return text != nullptr ? std::string(text) : std::string();
}

std::optional<Time> moment(std::int64_t seconds) {
    return seconds > 0 ? std::optional(Time(std::chrono::seconds(seconds))) : std::nullopt;
}

/// GnuPG 2.2 counts in 32 bits, so what ends after 2106 ends before it was made: nothing may last for longer
/// than 2^32 seconds (RFC 9580 §5.2.3.13), and so the right time is known.
std::optional<Time> end_of(gpgme_subkey_t key) {
    constexpr std::int64_t turn = std::int64_t{1} << 32U;
    const std::int64_t expires = key->expires;
    return moment(expires > 0 && expires <= key->timestamp ? expires + turn : expires);
}

std::optional<Time> earlier(std::optional<Time> left, std::optional<Time> right) {
    return left && right ? std::min(*left, *right) : (left ? left : right);
}

/// When the newest of the signatures that bind a part ends. Only signatures that GnuPG has verified are on a
/// certificate that it exports.
template <typename Binds>
std::optional<Time> binding_ends(const mail::CertificatePart& part, const Binds& binds) {
    std::optional<mail::SignatureFacts> newest;
    for (const auto& packet : part.signatures) {
        auto signature = mail::read_signature(packet.body);
        if (signature && binds(*signature) && (!newest || signature->created >= newest->created)) {
            newest = std::move(signature);
        }
    }
    const auto ends = newest ? newest->ends() : std::nullopt;
    return ends ? moment(*ends) : std::nullopt;
}

std::string algorithm_of(gpgme_subkey_t key) {
    const Handle<char, gpgme_free> name(gpgme_pubkey_algo_string(key));
    return name ? std::string(name.get()) : "unknown";
}

/// RSA and ElGamal, whose strength is their length; DSA is only a warning.
bool too_short(gpgme_subkey_t key) {
    const auto algorithm = key->pubkey_algo;
    const bool rsa = algorithm == GPGME_PK_RSA || algorithm == GPGME_PK_RSA_E || algorithm == GPGME_PK_RSA_S;
    const bool elgamal = algorithm == GPGME_PK_ELG || algorithm == GPGME_PK_ELG_E;
    return (rsa || elgamal) && key->length < rsa_bits_min;
}

std::vector<std::string> user_id_packets(std::string_view bytes) {
    std::vector<std::string> texts;
    mail::PacketReader reader(bytes);
    while (const auto packet = reader.next()) {
        if (packet->tag == mail::packet_tag::user_id) {
            texts.emplace_back(packet->body);
        }
    }
    return texts;
}

Refusal refusal(std::string_view bytes, std::string reason, std::string hint = {}) {
    return {std::move(reason), std::move(hint), openpgp_fingerprint(bytes).value_or(""),
            user_id_packets(bytes)};
}

/// What can be said without GnuPG, and must be said before it: some of this makes GnuPG work for minutes.
std::optional<Refusal> refused_by_form(std::string_view bytes) {
    if (bytes.size() > certificate_octets_max) {
        return refusal(bytes,
                       fmt::format("oversized: {} octets, more than the {} that a certificate may have",
                                   bytes.size(), certificate_octets_max));
    }
    const auto material = mail::split_keys(bytes);
    if (!material || material->keys.size() != 1) {
        return refusal(bytes, "not an OpenPGP certificate");
    }
    const auto& key = material->keys.front();
    if (key.secret) {
        return refusal(bytes, std::string(secret_key_reason),
                       "export the public part with `gpg --export --armor FINGERPRINT` and import that");
    }
    if (key.version != 4) {
        return refusal(bytes,
                       fmt::format("unsupported version: an OpenPGP v{} certificate; version 4 is supported",
                                   key.version));
    }
    if (key.signatures > certificate_signatures_max) {
        return refusal(bytes,
                       fmt::format("flooded: {} signatures, more than the {} that a certificate may have",
                                   key.signatures, certificate_signatures_max),
                       "ask its owner for a copy without the others' signatures (`gpg --export "
                       "--export-options export-minimal`)");
    }
    return std::nullopt;
}

std::vector<UserId> user_ids_of(gpgme_key_t key, const std::vector<mail::CertificatePart>& parts) {
    std::vector<UserId> user_ids;
    for (auto* listed = key->uids; listed != nullptr; listed = listed->next) {
        if (listed->invalid != 0U) {
            continue;
        }
        UserId user_id{text_of(listed->uid), {}, listed->revoked != 0U};
        const auto part =
            std::find_if(parts.begin(), parts.end(), [&](const mail::CertificatePart& candidate) {
                return candidate.packet.tag == mail::packet_tag::user_id &&
                       candidate.packet.body == user_id.text;
            });
        // What GnuPG shows in another form than it is in has control characters in it and names nobody.
        if (part != parts.end()) {
            const auto address = mail::address_in_user_id(user_id.text);
            user_id.address = address ? address->to_string() : std::string();
            user_id.expires =
                binding_ends(*part, [](const mail::SignatureFacts& s) { return s.is_certification(); });
        }
        user_ids.push_back(std::move(user_id));
    }
    return user_ids;
}

std::vector<EncryptionKey> encryption_keys_of(gpgme_key_t key,
                                              const std::vector<mail::CertificatePart>& parts) {
    std::vector<EncryptionKey> keys;
    for (auto* subkey = key->subkeys; subkey != nullptr; subkey = subkey->next) {
        if (subkey->can_encrypt == 0U || subkey->invalid != 0U) {
            continue;
        }
        EncryptionKey made{text_of(subkey->fpr), algorithm_of(subkey),
                           moment(subkey->timestamp).value_or(Time{}), end_of(subkey), subkey->revoked != 0U};
        for (const auto& part : parts) {
            if (part.packet.tag == mail::packet_tag::public_subkey &&
                openpgp_key_fingerprint(part.packet.body) == made.fingerprint) {
                made.expires = earlier(made.expires, binding_ends(part, [](const mail::SignatureFacts& s) {
                                           return s.type == mail::signature_type::subkey_binding;
                                       }));
            }
        }
        keys.push_back(std::move(made));
    }
    return keys;
}

/// GnuPG's list and what it exports are asked for one after the other: each must be of the same certificate,
/// whole.
bool is_listed_whole(gpgme_key_t key, const std::vector<mail::CertificatePart>& parts) {
    std::set<std::string> exported;
    std::size_t user_ids = 0;
    for (const auto& part : parts) {
        user_ids += part.packet.tag == mail::packet_tag::user_id ? 1U : 0U;
        const bool is_key = part.packet.tag == mail::packet_tag::public_key ||
                            part.packet.tag == mail::packet_tag::public_subkey;
        if (const auto fingerprint = is_key ? openpgp_key_fingerprint(part.packet.body) : std::nullopt) {
            exported.insert(*fingerprint);
        }
    }
    for (auto* user_id = key->uids; user_id != nullptr; user_id = user_id->next) {
        user_ids -= std::min<std::size_t>(user_ids, 1);
    }
    std::set<std::string> listed;
    for (auto* subkey = key->subkeys; subkey != nullptr; subkey = subkey->next) {
        listed.insert(text_of(subkey->fpr));
    }
    return user_ids == 0 && listed == exported;
}

std::string too_short_words(gpgme_subkey_t key) {
    return fmt::format("{} is shorter than {} bit", algorithm_of(key), rsa_bits_min);
}

/// Leaves weak keys out, with a warning, where others remain. The reason where none do.
std::optional<std::string> leave_out_weak_keys(gpgme_key_t key, JudgedCertificate& judged) {
    if (too_short(key->subkeys)) {
        return fmt::format("weak: its primary key: {}", too_short_words(key->subkeys));
    }
    std::string weak;
    for (auto* subkey = key->subkeys->next; subkey != nullptr; subkey = subkey->next) {
        const bool is_one = subkey->can_encrypt != 0U && subkey->invalid == 0U && subkey->revoked == 0U;
        if (!is_one || !too_short(subkey)) {
            continue;
        }
        weak = too_short_words(subkey);
        judged.warnings.push_back(fmt::format("its key {} is not used: {}", text_of(subkey->fpr), weak));
        std::erase_if(judged.encryption_keys,
                      [&](const EncryptionKey& left) { return left.fingerprint == text_of(subkey->fpr); });
    }
    const bool none_left = std::all_of(judged.encryption_keys.begin(), judged.encryption_keys.end(),
                                       [](const EncryptionKey& left) { return left.revoked; });
    return !weak.empty() && none_left ? std::optional("weak: " + weak) : std::nullopt;
}

std::vector<std::string> warnings_about(std::string_view canonical, gpgme_key_t key) {
    std::vector<std::string> warnings;
    constexpr unsigned sha1_or_older_max = 3; // RFC 9580 §9.5: MD5 1, SHA-1 2, RIPEMD-160 3
    const auto hashes = mail::signature_hash_algorithms(canonical);
    if (std::any_of(hashes.begin(), hashes.end(), [](unsigned hash) { return hash <= sha1_or_older_max; })) {
        warnings.emplace_back("a self-signature on it uses SHA-1 or MD5; programs begin to refuse these: ask "
                              "its owner to renew it");
    }
    if (key->subkeys != nullptr && key->subkeys->pubkey_algo == GPGME_PK_DSA &&
        key->subkeys->length < rsa_bits_min) {
        warnings.push_back(
            fmt::format("its primary key is {}: ask its owner for a new one", algorithm_of(key->subkeys)));
    }
    return warnings;
}

std::map<std::string, std::string> by_primary_fingerprint(const std::string& exported) {
    std::map<std::string, std::string> certificates;
    if (const auto material = mail::split_keys(exported); material && material->intact) {
        for (const auto& key : material->keys) {
            if (const auto fingerprint = openpgp_fingerprint(key.bytes)) {
                certificates.emplace(*fingerprint, key.bytes);
            }
        }
    }
    return certificates;
}

/// Of a certificate that GnuPG has accepted and exported.
Judgement judgement_of(std::string_view offered, gpgme_key_t key, const std::string& exported) {
    const auto parts = mail::certificate_parts(exported);
    if (!is_listed_whole(key, parts)) {
        throw Error(ErrorKind::engine,
                    fmt::format("GnuPG: listing {}: it did not get to the end", text_of(key->subkeys->fpr)));
    }
    JudgedCertificate judged;
    judged.certificate = {Protocol::openpgp, text_of(key->subkeys->fpr), exported, {}};
    judged.algorithm = algorithm_of(key->subkeys);
    judged.created = moment(key->subkeys->timestamp).value_or(Time{});
    judged.expires = end_of(key->subkeys);
    judged.revoked = key->revoked != 0U;
    judged.user_ids = user_ids_of(key, parts);
    judged.encryption_keys = encryption_keys_of(key, parts);
    judged.warnings = warnings_about(exported, key);
    if (judged.revoked) {
        return judged; // must be known, whatever else is wrong with it
    }
    if (auto weak = leave_out_weak_keys(key, judged)) {
        return refusal(offered, *std::move(weak));
    }
    if (judged.encryption_keys.empty()) {
        return refusal(offered, "no encryption subkey: nothing can be sealed to it");
    }
    return judged;
}

} // namespace

std::optional<std::string> openpgp_fingerprint(std::string_view transferable_key) {
    mail::PacketReader reader(transferable_key);
    const auto packet = reader.next();
    return packet && packet->tag == mail::packet_tag::public_key ? openpgp_key_fingerprint(packet->body)
                                                                 : std::nullopt;
}

Judgement judge_openpgp(std::string_view transferable_public_key, std::string_view known) {
    if (auto refused = refused_by_form(transferable_public_key)) {
        return *std::move(refused);
    }
    const auto fingerprint = openpgp_fingerprint(transferable_public_key);
    if (!fingerprint) {
        return refusal(transferable_public_key, "not an OpenPGP certificate");
    }

    JudgingHome home(JudgingHome::Signatures::by_owner);
    if (!known.empty() && !home.import(known).has(*fingerprint)) {
        throw Error(ErrorKind::engine,
                    fmt::format("GnuPG does not take {} again, which is in the keyring", *fingerprint));
    }
    const auto imported = home.import(transferable_public_key);
    if (known.empty() && !imported.has(*fingerprint)) {
        return user_id_packets(transferable_public_key).empty()
                   ? refusal(transferable_public_key, "no User ID, so no address to use it for")
                   : refusal(
                         transferable_public_key,
                         "GnuPG accepts none of its User IDs: their self-signatures are missing, wrong or "
                         "made with an algorithm that is no longer accepted");
    }
    const auto keys = home.list();
    const auto exported = by_primary_fingerprint(home.export_minimal());
    const auto bytes = exported.find(*fingerprint);
    const auto key = std::find_if(keys.begin(), keys.end(), [&](const GpgKey& listed) {
        return text_of(listed->subkeys->fpr) == *fingerprint;
    });
    if (key == keys.end() || bytes == exported.end()) {
        throw Error(ErrorKind::engine,
                    fmt::format("GnuPG has taken {} and does not give it back", *fingerprint));
    }
    return judgement_of(transferable_public_key, key->get(), bytes->second);
}

std::vector<std::optional<Judgement>> judge_openpgp_together(std::span<const OpenPgpCandidate> candidates) {
    std::vector<std::optional<Judgement>> judgements(candidates.size());
    std::map<std::string, std::size_t> by_fingerprint;
    std::set<std::string> key_ids;
    std::string known;
    std::string offered;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const auto& candidate = candidates[i];
        const auto fingerprint = openpgp_fingerprint(candidate.transferable_public_key);
        // Whatever is not plain is judged alone: what is to be refused, and what GnuPG could mix up.
        constexpr std::size_t key_id_digits = 16;
        if (!fingerprint || refused_by_form(candidate.transferable_public_key) ||
            !key_ids.insert(fingerprint->substr(fingerprint->size() - key_id_digits)).second) {
            continue;
        }
        by_fingerprint.emplace(*fingerprint, i);
        known += candidate.known;
        offered += candidate.transferable_public_key;
    }
    if (by_fingerprint.size() < 2) {
        return judgements;
    }
    JudgingHome home(JudgingHome::Signatures::by_owner);
    const auto knows = known.empty() ? JudgingHome::Imported() : home.import(known);
    const auto accepts = home.import(offered);
    const auto exported = by_primary_fingerprint(home.export_minimal());
    for (const auto& key : home.list()) {
        const std::string fingerprint = text_of(key->subkeys->fpr);
        const auto candidate = by_fingerprint.find(fingerprint);
        const auto bytes = exported.find(fingerprint);
        if (candidate == by_fingerprint.end() || bytes == exported.end() || !accepts.has(fingerprint) ||
            (!candidates[candidate->second].known.empty() && !knows.has(fingerprint))) {
            continue;
        }
        judgements[candidate->second] =
            judgement_of(candidates[candidate->second].transferable_public_key, key.get(), bytes->second);
    }
    return judgements;
}

} // namespace lockbox::crypto
