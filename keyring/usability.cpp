#include "keyring/usability.hpp"

#include "crypto/x509_chain.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockbox::keyring {
namespace {

bool valid_at(const crypto::EncryptionKey& key, Time now) {
    return !key.revoked && key.created <= now && (!key.expires || now < *key.expires);
}

/// Why none of the encryption keys can be used, of a certificate that is itself valid.
WhyUnusable why_no_key(const Entry& entry, Time now) {
    std::optional<Time> expired;
    std::optional<Time> begins;
    for (const auto& key : entry.encryption_keys) {
        if (key.revoked) {
            continue;
        }
        if (key.expires && *key.expires <= now) {
            expired = expired ? std::max(*expired, *key.expires) : *key.expires;
        } else if (key.created > now) {
            begins = begins ? std::min(*begins, key.created) : key.created;
        }
    }
    if (begins) {
        return {Unusable::not_yet_valid, begins};
    }
    if (expired) {
        return {Unusable::expired, expired};
    }
    return {Unusable::cannot_encrypt, std::nullopt};
}

/// The issuer that ends, or begins, before the certificate does. Empty: it is the certificate itself.
std::string issuer_out_of_date(const Entry& entry, Time now) {
    const auto certificate = entry.certificate.protocol == crypto::Protocol::smime
                                 ? crypto::x509_from_der(entry.certificate.bytes)
                                 : crypto::X509Handle();
    const auto own = certificate ? crypto::validity_of(certificate.get()) : std::nullopt;
    if (!own || now < own->begins || (own->ends && *own->ends <= now)) {
        return {};
    }
    const auto issuer = crypto::issuer_out_of_date(entry.chain, now);
    return issuer ? issuer->subject : std::string();
}

} // namespace

std::string WhyUnusable::describe() const {
    const auto certificate = issuer.empty() ? std::string("certificate")
                                            : fmt::format("the certificate of its issuer '{}'", issuer);
    const auto day = since ? format_date(*since) : std::string("an unknown day");
    switch (kind) {
    case Unusable::revoked:
        return "certificate revoked";
    case Unusable::former:
        return former_because.empty() ? "certificate not for this address any more" : former_because;
    case Unusable::not_yet_valid:
        return issuer.empty() ? fmt::format("certificate not valid before {}", day)
                              : fmt::format("{} is not valid before {}", certificate, day);
    case Unusable::expired:
        return fmt::format("{} expired on {}", certificate, day);
    case Unusable::ended:
        return fmt::format("certificate for this address until {} only", day);
    case Unusable::cannot_encrypt:
        return "certificate has no encryption key that is not revoked";
    }
    return "certificate unusable";
}

const crypto::EncryptionKey* encryption_key_at(const Entry& entry, Time now) {
    const crypto::EncryptionKey* best = nullptr;
    for (const auto& key : entry.encryption_keys) {
        if (!valid_at(key, now)) {
            continue;
        }
        const bool better = best == nullptr || key.created > best->created ||
                            (key.created == best->created && key.fingerprint < best->fingerprint);
        if (better) {
            best = &key;
        }
    }
    return best;
}

std::optional<WhyUnusable> why_unusable(const Entry& entry, Time now) {
    if (entry.revoked) {
        return WhyUnusable{Unusable::revoked, std::nullopt};
    }
    if (entry.expires && *entry.expires <= now) {
        return WhyUnusable{Unusable::expired, entry.expires, {}, issuer_out_of_date(entry, now)};
    }
    if (entry.created > now) {
        return WhyUnusable{Unusable::not_yet_valid, entry.created, {}, issuer_out_of_date(entry, now)};
    }
    if (encryption_key_at(entry, now) == nullptr) {
        return why_no_key(entry, now);
    }
    return std::nullopt;
}

std::optional<WhyUnusable> why_unusable(const Entry& entry, const Binding& binding, Time now) {
    if (entry.revoked) {
        return WhyUnusable{Unusable::revoked, std::nullopt};
    }
    if (binding.state == BindingState::former) {
        return WhyUnusable{Unusable::former, std::nullopt, binding.reason};
    }
    if (auto why = why_unusable(entry, now)) {
        return why;
    }
    if (binding.good_until && *binding.good_until <= now) {
        return WhyUnusable{Unusable::ended, binding.good_until};
    }
    return std::nullopt;
}

std::optional<Time> usable_until(const Entry& entry, const Binding& binding) {
    const auto end = usable_until(entry);
    return !end ? binding.good_until : !binding.good_until ? end : std::min(end, binding.good_until);
}

std::optional<Time> usable_until(const Entry& entry) {
    std::optional<Time> latest;
    bool forever = false;
    for (const auto& key : entry.encryption_keys) {
        if (key.revoked) {
            continue;
        }
        if (!key.expires) {
            forever = true;
        } else {
            latest = latest ? std::max(*latest, *key.expires) : *key.expires;
        }
    }
    if (forever) {
        return entry.expires;
    }
    if (entry.expires && latest) {
        return std::min(*latest, *entry.expires);
    }
    return latest ? latest : entry.expires;
}

} // namespace lockbox::keyring
