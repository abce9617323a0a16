#include "policy/copies.hpp"

#include "mail/mailboxes.hpp"

#include <map>
#include <set>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace lockbox::policy {
namespace {

/// Who is visible to every reader of the message anyway.
std::set<mail::Address> named_in_header(const mail::HeaderSection& header) {
    std::set<mail::Address> named;
    for (const auto* field : {"To", "Cc", "Resent-To", "Resent-Cc"}) {
        for (const auto body : header.all(field)) {
            for (const auto& address : mail::addresses_in(body)) {
                named.insert(address);
            }
        }
    }
    return named;
}

/// What the bytes of a sealed copy depend on, beside its readers.
using SealedForm = std::tuple<crypto::Protocol, crypto::ContentEncryption, mail::OuterSubject>;

SealedForm form_of(const Decision& decision) {
    return {decision.certificate->protocol, decision.certificate->content_encryption, decision.outer_subject};
}

/// A sealed copy in the making.
struct Group {
    std::vector<std::size_t> decisions;
    std::vector<crypto::Certificate> certificates;

    mail::OuterSubject outer_subject = mail::OuterSubject::obscured;

    void add(std::size_t index, const Decision& decision) {
        decisions.push_back(index);
        certificates.push_back(*decision.certificate);
        outer_subject = decision.outer_subject;
    }
    [[nodiscard]] SealedCopy sealed(bool hidden) const {
        auto sealed_to = crypto::Recipients::from(certificates);
        if (!sealed_to) {
            throw std::logic_error("a sealed copy needs certificates of one protocol and strength");
        }
        return {decisions, *std::move(sealed_to), hidden, outer_subject};
    }
};

} // namespace

/// A certificate in a sealed message tells every reader that its owner got one. So whoever is not named in
/// the header section gets a copy of their own: nobody learns more than their own box.
std::vector<Copy> copies_for(const Transaction& transaction, const std::vector<Decision>& decisions) {
    const auto named = named_in_header(transaction.header);
    std::map<SealedForm, Group> shared;
    std::vector<Group> own;
    std::map<std::pair<mail::Address, SealedForm>, std::size_t> own_of; ///< index into `own`
    ClearCopy clear;
    for (std::size_t i = 0; i < decisions.size(); ++i) {
        const auto& decision = decisions[i];
        switch (decision.handling) {
        case Handling::sealed: {
            const auto& address = decision.address.value();
            if (named.count(address) != 0) {
                shared[form_of(decision)].add(i, decision);
                break;
            }
            const auto [place, is_new] = own_of.emplace(std::pair(address, form_of(decision)), own.size());
            if (is_new) {
                own.emplace_back();
            }
            own[place->second].add(i, decision);
            break;
        }
        case Handling::clear:
        case Handling::untouched:
            clear.decisions.push_back(i);
            break;
        case Handling::served:
            break;
        case Handling::refused:
        case Handling::deferred:
            throw std::logic_error("a copy for somebody who is refused or deferred");
        }
    }

    std::vector<Copy> copies;
    copies.reserve(shared.size() + own.size() + 1);
    for (const auto& [form, group] : shared) {
        copies.emplace_back(group.sealed(/*hidden=*/false));
    }
    for (const auto& group : own) {
        copies.emplace_back(group.sealed(/*hidden=*/true));
    }
    if (!clear.decisions.empty()) {
        copies.emplace_back(std::move(clear));
    }
    return copies;
}

} // namespace lockbox::policy
