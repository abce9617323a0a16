// A message, a policy and a keyring, and what judge() makes of them.
#pragma once

#include "policy/judge.hpp"
#include "policy/way_out.hpp"
#include "tests/support/bindings.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace lockbox::policy::test {

using namespace std::chrono_literals;
using std::chrono::sys_days;

constexpr Time noon = sys_days(std::chrono::year(2026) / 3 / 1) + 12h;
constexpr Time long_ago = sys_days(std::chrono::year(2020) / 1 / 1);
constexpr Time second_of_january = sys_days(std::chrono::year(2026) / 1 / 2) + 8h;

/// Sealed to somebody.
// gpg --quick-generate-key 'Bob <bob@example.org>' ed25519 default never; --quick-add-key FPR cv25519 encr
// never; printf 'Content-Type: text/plain\r\n\r\nHello\r\n' | gpg -a -r bob@example.org -e     (GnuPG 2.2.40)
constexpr const char* armored = "-----BEGIN PGP MESSAGE-----\r\n"
                                "\r\n"
                                "hF4Dk+og08mwGN8SAQdA7C8zhyYcQs61WdtqCit4k2xWtPQ7KBiOdBChDO7CVXsw\r\n"
                                "JYaVX9ERz6OHKBsvQYDoYnrIu/GBtIJVwZKuboXM4z2m0SdNo7ueJiCdZ7FlrEY6\r\n"
                                "0l4Bq55Pvq6kgcDFMalXcs8xOGkQzmDwWKbN+IKvnWeLedekFejPxWChITinqdjM\r\n"
                                "RKrF1ftypxxiaON2/Q6uQiragslGjPPwmTb999T0UlnZiC5yK+knjOlLt7fiOsQm\r\n"
                                "=qYTJ\r\n"
                                "-----END PGP MESSAGE-----\r\n";

/// Fingerprints that a person can tell apart: 40 times the same digit.
inline std::string fingerprint(char digit) {
    return std::string(40, digit);
}

inline keyring::Entry entry(char digit, const std::vector<std::string>& addresses,
                            crypto::Protocol protocol = crypto::Protocol::openpgp) {
    keyring::Entry entry;
    entry.certificate = {protocol, fingerprint(digit), std::string("bytes of ") + digit, {}};
    entry.created = long_ago;
    crypto::EncryptionKey key;
    key.fingerprint = std::string(39, digit) + 'E';
    key.created = long_ago;
    entry.encryption_keys = {key};
    entry.bindings = lockbox::test::bindings(addresses);
    return entry;
}

inline keyring::Entry expired(keyring::Entry entry) {
    entry.expires = second_of_january;
    return entry;
}

inline keyring::Entry revoked(keyring::Entry entry) {
    entry.revoked = true;
    return entry;
}

/// What choose() makes of such an entry: the certificate, with the key for the moment.
inline crypto::Certificate certificate(char digit, crypto::Protocol protocol = crypto::Protocol::openpgp) {
    return {protocol, fingerprint(digit), std::string("bytes of ") + digit, std::string(39, digit) + 'E'};
}

inline mail::Address at(const char* address) {
    return mail::Address::parse(address).value();
}

/// Of a message with an empty header section, where the configuration asks for nothing special.
inline bool is_edited_in_place(const Plan& plan) {
    return way_out(plan, {}, {}, {}) == WayOut::in_place;
}

/// A copy sealed to these certificates.
inline SealedCopy sealed_copy(std::vector<std::size_t> decisions,
                              std::vector<crypto::Certificate> certificates, bool hidden = false) {
    return {std::move(decisions), crypto::Recipients::from(std::move(certificates)).value(), hidden};
}

/// A copy for readers of AES-256-CBC, the Subject left outside.
inline SealedCopy smime_copy(std::vector<std::size_t> decisions, const std::vector<char>& digits,
                             bool hidden) {
    std::vector<crypto::Certificate> certificates;
    for (const auto digit : digits) {
        certificates.push_back(certificate(digit, crypto::Protocol::smime));
    }
    auto copy = sealed_copy(std::move(decisions), std::move(certificates), hidden);
    copy.outer_subject = mail::OuterSubject::kept;
    return copy;
}

/// One message and the world around it; submitted locally, so that it is in scope unless a test says
/// otherwise.
struct World {
    Transaction transaction;
    Policy policy;
    std::vector<keyring::Entry> keyring;
    std::vector<keyring::Alias> aliases;
    std::vector<std::string> served;

    explicit World(const std::vector<std::string>& recipients, const std::vector<std::string>& rules = {}) {
        transaction.reverse_path = Path::from("<alice@example.net>");
        for (const auto& recipient : recipients) {
            transaction.recipients.push_back(Path::from(recipient));
        }
        for (const auto& rule : rules) {
            policy.rules.push_back(Rule::parse(rule));
        }
        transaction.body = "Hello\r\n";
    }

    World& has(keyring::Entry one) {
        keyring.push_back(std::move(one));
        return *this;
    }
    World& field(const char* name, const char* body) {
        transaction.header.add(name, body);
        return *this;
    }

    /// An alias for addresses.
    World& group(const char* name, const std::vector<std::string>& members) {
        keyring::Alias alias{*keyring::AliasName::parse(name), {}, {}};
        for (const auto& member : members) {
            alias.members.push_back(*mail::Address::parse(member));
        }
        aliases.push_back(std::move(alias));
        return *this;
    }
    /// An alias for a certificate.
    World& alias(const char* name, keyring::Entry certificate) {
        aliases.push_back({*keyring::AliasName::parse(name), {}, std::move(certificate)});
        return *this;
    }

    /// As Keyring::look_up() answers: the same address, or one that differs in the case of the local part.
    [[nodiscard]] keyring::Known known(const mail::Address& address) const {
        keyring::Known known;
        for (const auto& candidate : keyring) {
            for (const auto& binding : candidate.bindings) {
                if (binding.address.folded() == address.folded()) {
                    known.bound.push_back({binding, candidate});
                    break;
                }
            }
        }
        for (const auto& alias : aliases) {
            if (alias.name.folded() == address.folded()) {
                known.alias = alias;
            } else if (alias.name == keyring::AliasName::of_domain(address)) {
                known.domain_alias = alias;
            }
        }
        return known;
    }
    /// As an earlier try of the message has left it: these mailboxes have got theirs.
    World& served_before(std::vector<std::string> mailboxes) {
        served = std::move(mailboxes);
        return *this;
    }
    [[nodiscard]] Inquiry inquiry() const { return prepare(transaction, policy, served); }
    [[nodiscard]] KeyringView view() const {
        return gather(inquiry(), [this](const mail::Address& address) { return known(address); });
    }
    [[nodiscard]] Plan plan() const { return plan_with(view()); }
    [[nodiscard]] Plan plan_with(const KeyringView& view) const { return judge(inquiry(), view, noon); }
};

inline std::vector<std::string> handlings(const Plan& plan) {
    std::vector<std::string> words;
    for (const auto& decision : plan.decisions) {
        words.emplace_back(to_string(decision.handling));
    }
    return words;
}

using Words = std::vector<std::string>;
using Indexes = std::vector<std::size_t>;

} // namespace lockbox::policy::test
