#include "crypto/openpgp_judge.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "crypto/gpgme_handles.hpp"
#include "crypto/openpgp_recipient.hpp"
#include "mail/openpgp_packet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

namespace lockbox::crypto {
namespace {

/// A GNUPGHOME that exists only to look at public keys: nothing is started, trusted or fetched, and third
/// parties' signatures are thrown away before they are looked at (a flood of them costs minutes otherwise).
class JudgingHome {
public:
    JudgingHome() {
        std::ofstream options(directory_.path() / "gpg.conf");
        // GnuPG 2.4 on Debian 13 takes User IDs that nobody has signed, unless it is told not to.
        options << "no-autostart\nno-auto-key-locate\nno-auto-key-retrieve\nno-random-seed-file\n"
                   "trust-model always\nno-auto-check-trustdb\n"
                   "import-options self-sigs-only,import-minimal\nno-allow-non-selfsigned-uid\n";
        options.close();
        std::ofstream common(directory_.path() /
                             "common.conf"); // empty: no keyboxd, whatever GnuPG's default is
        common.close();
        if (!options || !common) {
            throw Error(ErrorKind::io, fmt::format("cannot write to {}", directory_.path().string()));
        }
    }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return directory_.path(); }

private:
    TemporaryDirectory directory_;
};

std::string text_of(const char* text) {
    return text != nullptr ? std::string(text) : std::string();
}

std::optional<Time> moment(long seconds) {
    return seconds > 0 ? std::optional(Time(std::chrono::seconds(seconds))) : std::nullopt;
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

GpgKey only_key_in(gpgme_ctx_t context, const std::string& fingerprint) {
    gpgme_key_t raw = nullptr;
    const auto error = gpgme_get_key(context, fingerprint.c_str(), &raw, /*secret=*/0);
    if (gpgme_err_code(error) == GPG_ERR_EOF) {
        return {};
    }
    check(error, "listing a certificate");
    return GpgKey(raw);
}

std::vector<UserId> user_ids_of(gpgme_key_t key) {
    std::vector<UserId> user_ids;
    for (auto* user_id = key->uids; user_id != nullptr; user_id = user_id->next) {
        if (user_id->invalid == 0U) {
            user_ids.push_back({text_of(user_id->uid), text_of(user_id->address), user_id->revoked != 0U});
        }
    }
    return user_ids;
}

std::vector<EncryptionKey> encryption_keys_of(gpgme_key_t key) {
    std::vector<EncryptionKey> keys;
    for (auto* subkey = key->subkeys; subkey != nullptr; subkey = subkey->next) {
        if (subkey->can_encrypt != 0U && subkey->invalid == 0U) {
            keys.push_back({text_of(subkey->fpr), algorithm_of(subkey),
                            moment(subkey->timestamp).value_or(Time{}), moment(subkey->expires),
                            subkey->revoked != 0U});
        }
    }
    return keys;
}

std::optional<std::string> why_weak(gpgme_key_t key) {
    for (auto* subkey = key->subkeys; subkey != nullptr; subkey = subkey->next) {
        const bool matters = subkey == key->subkeys || (subkey->can_encrypt != 0U && subkey->revoked == 0U);
        if (matters && too_short(subkey)) {
            return fmt::format("weak: {} is shorter than {} bit", algorithm_of(subkey), rsa_bits_min);
        }
    }
    return std::nullopt;
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

std::string export_minimal(gpgme_ctx_t context, const char* fingerprint) {
    auto data = collect();
    check(gpgme_op_export(context, fingerprint, GPGME_EXPORT_MODE_MINIMAL, data.get()),
          "exporting a certificate");
    return take_bytes(std::move(data));
}

std::vector<GpgKey> all_keys_in(gpgme_ctx_t context) {
    std::vector<GpgKey> keys;
    check(gpgme_op_keylist_start(context, nullptr, /*secret_only=*/0), "listing certificates");
    gpgme_key_t raw = nullptr;
    auto error = gpgme_op_keylist_next(context, &raw);
    for (; gpgme_err_code(error) == GPG_ERR_NO_ERROR; error = gpgme_op_keylist_next(context, &raw)) {
        keys.emplace_back(raw);
    }
    if (gpgme_err_code(error) != GPG_ERR_EOF) {
        check(error, "listing certificates");
    }
    return keys;
}

/// The fingerprints of those that GnuPG says it has imported, or had already.
std::set<std::string> accepted_by_import(gpgme_ctx_t context, std::string_view bytes) {
    std::set<std::string> accepted;
    if (bytes.empty()) {
        return accepted;
    }
    const auto data = read_from(bytes);
    (void)gpgme_op_import(context, data.get()); // as in judge_openpgp()
    const auto* const result = gpgme_op_import_result(context);
    for (auto* import = result != nullptr ? result->imports : nullptr; import != nullptr;
         import = import->next) {
        if (gpgme_err_code(import->result) == GPG_ERR_NO_ERROR) {
            accepted.insert(text_of(import->fpr));
        }
    }
    return accepted;
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
    JudgedCertificate judged;
    judged.certificate = {Protocol::openpgp, text_of(key->subkeys->fpr), exported, {}};
    judged.algorithm = algorithm_of(key->subkeys);
    judged.created = moment(key->subkeys->timestamp).value_or(Time{});
    judged.expires = moment(key->subkeys->expires);
    judged.revoked = key->revoked != 0U;
    judged.user_ids = user_ids_of(key);
    judged.encryption_keys = encryption_keys_of(key);
    judged.warnings = warnings_about(exported, key);
    if (auto weak = why_weak(key)) {
        return refusal(offered, *std::move(weak));
    }
    if (judged.encryption_keys.empty() && !judged.revoked) {
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

    const JudgingHome home;
    const auto context = make_gpg_context(home.path());
    for (const auto bytes : {known, transferable_public_key}) {
        if (!bytes.empty()) {
            const auto data = read_from(bytes);
            // Its return value says only that GnuPG ran; whether the certificate is there is asked below.
            (void)gpgme_op_import(context.get(), data.get());
        }
    }
    const auto key = only_key_in(context.get(), *fingerprint);
    if (!key) {
        return user_id_packets(transferable_public_key).empty()
                   ? refusal(transferable_public_key, "no User ID, so no address to use it for")
                   : refusal(
                         transferable_public_key,
                         "GnuPG accepts none of its User IDs: their self-signatures are missing, wrong or "
                         "made with an algorithm that is no longer accepted");
    }

    return judgement_of(transferable_public_key, key.get(),
                        export_minimal(context.get(), fingerprint->c_str()));
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
    const JudgingHome home;
    const auto context = make_gpg_context(home.path());
    const auto knows = accepted_by_import(context.get(), known);
    const auto accepts = accepted_by_import(context.get(), offered);
    const auto exported = by_primary_fingerprint(export_minimal(context.get(), nullptr));
    for (const auto& key : all_keys_in(context.get())) {
        const std::string fingerprint = text_of(key->subkeys->fpr);
        const auto candidate = by_fingerprint.find(fingerprint);
        const auto bytes = exported.find(fingerprint);
        if (candidate == by_fingerprint.end() || bytes == exported.end() || accepts.count(fingerprint) == 0 ||
            (!candidates[candidate->second].known.empty() && knows.count(fingerprint) == 0)) {
            continue;
        }
        judgements[candidate->second] =
            judgement_of(candidates[candidate->second].transferable_public_key, key.get(), bytes->second);
    }
    return judgements;
}

} // namespace lockbox::crypto
