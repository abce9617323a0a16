#include "crypto/openpgp_judge.hpp"

#include "base/error.hpp"
#include "crypto/judging_home.hpp"
#include "crypto/openpgp_arrangement.hpp"
#include "crypto/openpgp_recipient.hpp"
#include "crypto/public_key.hpp"
#include "crypto/public_key_check.hpp"
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
    if (!material || material->keys.size() != 1 || material->keys.front().bare_revocation) {
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
    mail::PacketReader reader(key.bytes);
    if (const auto primary = reader.next()) {
        if (const auto kind = unknown_key_kind(primary->body)) {
            return refusal(
                bytes, fmt::format("unsupported algorithm: its primary key is {}, which neither GnuPG nor "
                                   "librnp knows",
                                   *kind));
        }
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

/// RFC 9580 §3.2. Takes a number off the front; empty: there is none.
std::string_view take_number(std::string_view& octets) noexcept {
    constexpr std::size_t head = 2;
    if (octets.size() < head) {
        return {};
    }
    const auto bits = static_cast<std::size_t>(static_cast<unsigned char>(octets[0])) << 8U |
                      static_cast<std::size_t>(static_cast<unsigned char>(octets[1]));
    const auto number = octets.substr(head, (bits + 7) / 8);
    octets.remove_prefix(std::min(octets.size(), head + (bits + 7) / 8));
    return number;
}

/// Of a key packet of version 4: RSA with numbers that nobody makes. Curves are checked where points are
/// used.
std::optional<std::string> why_numbers_are_bad(std::string_view body) {
    constexpr std::size_t material_at = 6;
    constexpr char rsa_max = 3;
    if (body.size() < material_at || body[material_at - 1] > rsa_max || body[material_at - 1] < 1) {
        return std::nullopt;
    }
    auto material = body.substr(material_at);
    const auto modulus = take_number(material);
    const auto exponent = take_number(material);
    const auto key = rsa_public_key(modulus, exponent, "checking an RSA key");
    return key ? why_key_is_bad(key.get()) : std::optional<std::string>("its RSA key has no numbers of one");
}

/// Why nothing may be sealed to the key, or believed of its signatures.
std::optional<std::string> why_weak(gpgme_subkey_t key, const std::vector<mail::CertificatePart>& parts) {
    if (too_short(key)) {
        return fmt::format("{} is shorter than {} bit", algorithm_of(key), rsa_bits_min);
    }
    for (const auto& part : parts) {
        const bool is_key = part.packet.tag == mail::packet_tag::public_key ||
                            part.packet.tag == mail::packet_tag::public_subkey;
        if (is_key && openpgp_key_fingerprint(part.packet.body) == text_of(key->fpr)) {
            return why_numbers_are_bad(part.packet.body);
        }
    }
    return std::nullopt;
}

/// why_key_is_bad() says "weak: " itself.
std::string as_weak(std::string_view why) {
    constexpr std::string_view weak = "weak: ";
    return fmt::format("{}{}", weak, why.starts_with(weak) ? why.substr(weak.size()) : why);
}

/// Leaves weak keys out, with a warning, where others remain. The reason where none do.
std::optional<std::string> leave_out_weak_keys(gpgme_key_t key,
                                               const std::vector<mail::CertificatePart>& parts,
                                               JudgedCertificate& judged) {
    if (const auto why = why_weak(key->subkeys, parts)) {
        return as_weak(*why) + ", and it is its primary key";
    }
    std::string weak;
    for (auto* subkey = key->subkeys->next; subkey != nullptr; subkey = subkey->next) {
        const bool is_one = subkey->can_encrypt != 0U && subkey->invalid == 0U && subkey->revoked == 0U;
        const auto why = is_one ? why_weak(subkey, parts) : std::nullopt;
        if (!why) {
            continue;
        }
        weak = *why;
        judged.warnings.push_back(fmt::format("its key {} is not used: {}", text_of(subkey->fpr), weak));
        std::erase_if(judged.encryption_keys,
                      [&](const EncryptionKey& left) { return left.fingerprint == text_of(subkey->fpr); });
    }
    const bool none_left = std::all_of(judged.encryption_keys.begin(), judged.encryption_keys.end(),
                                       [](const EncryptionKey& left) { return left.revoked; });
    return !weak.empty() && none_left ? std::optional(as_weak(weak)) : std::nullopt;
}

/// Additional decryption subkeys, which GnuPG 2.4 seals to as well: the owner's company or archive reads with
/// them (LibrePGP §5.2.3.22, second octet of the key flags).
void warn_of_additional_keys(const std::vector<mail::CertificatePart>& parts, JudgedCertificate& judged) {
    constexpr unsigned additional_decryption = 0x04;
    for (const auto& part : parts) {
        if (part.packet.tag != mail::packet_tag::public_subkey) {
            continue;
        }
        bool asks = false;
        bool revoked = false;
        for (const auto& packet : part.signatures) {
            const auto signature = mail::read_signature(packet.body);
            const auto flags = signature ? signature->key_flags : std::string();
            asks = asks ||
                   (flags.size() > 1 && (static_cast<unsigned char>(flags[1]) & additional_decryption) != 0);
            revoked = revoked || (signature && signature->type == mail::signature_type::subkey_revocation);
        }
        if (asks && !revoked) {
            judged.warnings.push_back(fmt::format(
                "it asks for an additional decryption subkey (ADSK), {}, which Lockbox does not seal to: "
                "its owner's archive cannot open the mail",
                openpgp_key_fingerprint(part.packet.body).value_or("")));
        }
    }
}

std::string names_of(const std::vector<UnknownSubkey>& subkeys) {
    std::set<std::string> names;
    for (const auto& subkey : subkeys) {
        names.insert(subkey.algorithm);
    }
    return fmt::format("{}", fmt::join(names, ", "));
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
Judgement judgement_of(std::string_view offered, const ArrangedCertificate& arranged, gpgme_key_t key,
                       const std::string& exported) {
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
    for (const auto& revoker : arranged.revokers) {
        judged.warnings.push_back(
            fmt::format("{}, whom it names as its revoker, may have revoked it: import the "
                        "certificate of that one, and then this one again",
                        revoker));
    }
    warn_of_additional_keys(parts, judged);
    if (auto weak = leave_out_weak_keys(key, parts, judged)) {
        return refusal(offered, *std::move(weak));
    }
    if (!arranged.left_out.empty()) {
        const auto unknown = fmt::format("what it has are subkeys of kinds that Lockbox does not know: {}",
                                         names_of(arranged.left_out));
        if (judged.encryption_keys.empty()) {
            return refusal(offered, "no encryption subkey that can be used: " + unknown);
        }
        judged.warnings.push_back(
            fmt::format("of its subkeys, these are not used, as Lockbox does not know their kind: {}",
                        names_of(arranged.left_out)));
    }
    if (judged.encryption_keys.empty()) {
        return refusal(offered, "no encryption subkey: nothing can be sealed to it");
    }
    return judged;
}

/// What makes GnuPG work for minutes although each packet is plain.
std::optional<Refusal> refused_by_size(std::string_view bytes, const ArrangedCertificate& arranged) {
    if (arranged.user_ids > certificate_addresses_max || arranged.subkeys > certificate_addresses_max) {
        return refusal(bytes,
                       fmt::format("flooded: {} User IDs and {} subkeys, more than the {} of each that a "
                                   "certificate may have",
                                   arranged.user_ids, arranged.subkeys, certificate_addresses_max));
    }
    if (arranged.signatures > own_signatures_max) {
        return refusal(bytes,
                       fmt::format("flooded: {} signatures in its owner's name, more than the {} that a "
                                   "certificate may have",
                                   arranged.signatures, own_signatures_max),
                       "ask its owner for a copy with the newest signatures only (`gpg --export "
                       "--export-options export-minimal`)");
    }
    return std::nullopt;
}

/// A revocation that stands alone is judged as part of the certificate that it is for.
bool has_signature(std::string_view certificate, std::string_view revocation) {
    mail::PacketReader reader(revocation);
    const auto packet = reader.next();
    const auto parts = mail::certificate_parts(certificate);
    return packet && std::any_of(parts.begin(), parts.end(), [&](const mail::CertificatePart& part) {
               return std::any_of(part.signatures.begin(), part.signatures.end(),
                                  [&](const mail::Packet& other) { return other.body == packet->body; });
           });
}

Judgement judge_arranged(std::string_view offered, const ArrangedCertificate& arranged,
                         std::string_view known, std::span<const std::string> revokers) {
    const auto fingerprint = openpgp_fingerprint(arranged.bytes);
    if (!fingerprint) {
        return refusal(offered, "not an OpenPGP certificate");
    }
    if (auto refused = refused_by_size(offered, arranged)) {
        return *std::move(refused);
    }
    JudgingHome home(JudgingHome::Signatures::by_owner);
    for (const auto& revoker : revokers) {
        (void)home.import(arrange_openpgp(revoker).bytes); // one that GnuPG does not take revokes nothing
    }
    if (!known.empty() && !home.import(arrange_openpgp(known).bytes).has(*fingerprint)) {
        home.fail(fmt::format("importing {} again, which is in the keyring", *fingerprint));
    }
    const auto imported = home.import(arranged.bytes);
    if (known.empty() && !imported.has(*fingerprint)) {
        return user_id_packets(offered).empty()
                   ? refusal(offered, "no User ID, so no address to use it for")
                   : refusal(
                         offered,
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
        home.fail(fmt::format("looking for {}, which it has taken", *fingerprint));
    }
    return judgement_of(offered, arranged, key->get(), bytes->second);
}

Judgement judge_revocation(std::string_view revocation, const RevocationIssuer& issuer,
                           std::string_view known) {
    const auto& whose = issuer.fingerprint.empty() ? issuer.key_id : issuer.fingerprint;
    if (known.empty()) {
        return Refusal{
            fmt::format("a revocation certificate for {}, and no such certificate is in the keyring",
                        whose.empty() ? "an unknown key" : whose),
            "import the certificate that it revokes first",
            issuer.fingerprint,
            {}};
    }
    auto judgement = judge_arranged(known, arrange_openpgp(known, {}, revocation), known, {});
    const auto* const judged = std::get_if<JudgedCertificate>(&judgement);
    if (judged != nullptr && !has_signature(judged->certificate.bytes, revocation)) {
        return refusal(known,
                       "a revocation certificate that revokes nothing: its signature is wrong, or a newer "
                       "self-signature has taken it back");
    }
    return judgement;
}

} // namespace

std::optional<std::string> openpgp_fingerprint(std::string_view transferable_key) {
    mail::PacketReader reader(transferable_key);
    const auto packet = reader.next();
    return packet && packet->tag == mail::packet_tag::public_key ? openpgp_key_fingerprint(packet->body)
                                                                 : std::nullopt;
}

std::vector<std::string> openpgp_revokers_on(std::string_view transferable_public_key) {
    return transferable_public_key.size() > certificate_octets_max
               ? std::vector<std::string>()
               : arrange_openpgp(transferable_public_key).revokers;
}

std::optional<RevocationIssuer> openpgp_revocation_issuer(std::string_view bytes) {
    mail::PacketReader reader(bytes);
    const auto packet = reader.next();
    const auto facts = packet && packet->tag == mail::packet_tag::signature
                           ? mail::read_signature(packet->body)
                           : std::nullopt;
    if (!facts || !facts->is_revocation()) {
        return std::nullopt;
    }
    return RevocationIssuer{facts->issuer_fingerprint, facts->issuer_key_id};
}

Judgement judge_openpgp(std::string_view transferable_public_key, std::string_view known,
                        std::span<const std::string> revokers) {
    if (const auto issuer = openpgp_revocation_issuer(transferable_public_key)) {
        return judge_revocation(transferable_public_key, *issuer, known);
    }
    if (auto refused = refused_by_form(transferable_public_key)) {
        return *std::move(refused);
    }
    return judge_arranged(transferable_public_key, arrange_openpgp(transferable_public_key), known, revokers);
}

std::vector<std::optional<Judgement>> judge_openpgp_together(std::span<const OpenPgpCandidate> candidates) {
    std::vector<std::optional<Judgement>> judgements(candidates.size());
    std::vector<ArrangedCertificate> arranged(candidates.size());
    std::map<std::string, std::size_t> by_fingerprint;
    std::set<std::string> key_ids;
    std::string known;
    std::string offered;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const auto& candidate = candidates[i];
        const auto fingerprint = openpgp_fingerprint(candidate.transferable_public_key);
        if (!fingerprint || refused_by_form(candidate.transferable_public_key)) {
            continue;
        }
        arranged[i] = arrange_openpgp(candidate.transferable_public_key);
        const auto arranged_known = arrange_openpgp(candidate.known);
        // Whatever is not plain is judged alone: what is to be refused, and what GnuPG could mix up.
        constexpr std::size_t key_id_digits = 16;
        if (!arranged[i].revokers.empty() || !arranged_known.revokers.empty() ||
            refused_by_size(candidate.transferable_public_key, arranged[i]) ||
            !key_ids.insert(fingerprint->substr(fingerprint->size() - key_id_digits)).second) {
            continue;
        }
        by_fingerprint.emplace(*fingerprint, i);
        known += arranged_known.bytes;
        offered += arranged[i].bytes;
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
        judgements[candidate->second] = judgement_of(candidates[candidate->second].transferable_public_key,
                                                     arranged[candidate->second], key.get(), bytes->second);
    }
    return judgements;
}

} // namespace lockbox::crypto
