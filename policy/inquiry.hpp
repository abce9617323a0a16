// What several steps need to know of a message, asked once: what it is, whether it is judged at all, the rule
// for each recipient, who has been served before, and whom the keyring is to be asked about.
#pragma once

#include "crypto/certificate.hpp"
#include "keyring/alias.hpp"
#include "mail/layer.hpp"
#include "policy/policy.hpp"
#include "policy/search.hpp"
#include "policy/transaction.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace lockbox::policy {

/// The rule that decides about somebody; as long as the policy lives.
struct AppliedRule {
    const Rule* rule = &default_rule();
    std::size_t number = 0; ///< counted from 1 in the configuration; 0: the default
};

/// The first that matches, otherwise default_rule(). Of an address with an extension, the rule of the address
/// without it where that one is stricter: no tag is a way around it.
[[nodiscard]] AppliedRule rule_for(const Path& recipient, const Path& reverse_path, const Policy& policy);

/// Made by prepare(). Refers to a transaction and a policy, which must live longer and not change.
struct Inquiry {
    struct Recipient {
        AppliedRule rule;
        bool in_scope = true;   ///< false: scope = incoming, and in none of the domains
        bool served = false;    ///< an earlier try has brought them theirs
        bool looked_up = false; ///< the keyring is asked about them: for a certificate, or for an alias
    };

    const Transaction* transaction = nullptr;
    const Policy* policy = nullptr;
    mail::Layer layer = mail::Layer::none;
    bool outgoing = false; ///< of a client of ours, as `scope = outgoing` has it
    /// In words: why the policy does not speak about the message; nullopt: it does.
    std::optional<std::string> out_of_scope;
    /// In words: why nothing is decided about its recipients (out of scope, sealed already); nullopt: it is.
    std::optional<std::string> untouched;
    std::vector<Recipient> recipients; ///< one for each of the transaction's, in order
    std::set<std::string> served;      ///< mailboxes, as the journal knows them
    /// Whether anything that the sender sends to anybody could be sealed: false where nothing but `never`
    /// applies.
    bool may_seal = true;
    /// Certificates of this protocol are preferred; the policy's, unless the message is signed: no reader
    /// verifies an S/MIME signature inside of PGP/MIME, or the reverse, and few both.
    crypto::Protocol preferred_protocol = crypto::Protocol::openpgp;
    bool signature_decides = false; ///< preferred_protocol is that of the message's signature
    /// For the administrator: a rule says `require`, and the message is not judged; otherwise empty.
    std::string warning;

    /// Recipients whose certificates and aliases the keyring is asked for, each once. Empty: no keyring is
    /// needed.
    [[nodiscard]] std::vector<mail::Address> addresses() const;
    /// Whether a rule wants a certificate for one of the recipients themselves: for one that is sent to in
    /// clear, only aliases are looked for.
    [[nodiscard]] bool wants_certificates() const noexcept;
};

/// `served`: the mailboxes that earlier tries of the same message have served (Journal::Attempt). It is the
/// only answer to that question: what is judged and what is sent rest on this inquiry.
[[nodiscard]] Inquiry prepare(const Transaction& transaction, const Policy& policy,
                              const std::vector<std::string>& served = {});

/// Asks a keyring: `Keyring::look_up()`, or what takes its place in a test.
using LookUp = std::function<keyring::Known(const mail::Address&)>;

/// The view that judge() needs: the inquiry's addresses, and everybody whom an alias among them stands for,
/// each asked for once. Ends early where these become more than recipients_max.
[[nodiscard]] KeyringView gather(const Inquiry& inquiry, const LookUp& look_up);

/// Whether the message is one that `policy` speaks about; if not, why not, in words.
[[nodiscard]] std::optional<std::string> why_out_of_scope(const Transaction& transaction,
                                                          const Policy& policy);

/// The refusal of a remote client that did not use TLS, where the policy requires it; nullopt: welcome. Asked
/// at MAIL, before the client sends the message in clear.
[[nodiscard]] std::optional<std::string> why_tls_is_missing(const Origin& origin, const Policy& policy);

} // namespace lockbox::policy
