#include "policy/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <stdexcept>

namespace lockbox::policy {
namespace {

/// They are ordered by fingerprint, each once. A copy may be for thousands, and everybody in it is asked
/// about.
bool has(const crypto::Recipients& certificates, const crypto::Certificate& certificate) {
    const auto all = certificates.all();
    const auto found = std::lower_bound(all.begin(), all.end(), certificate.fingerprint,
                                        [](const crypto::Certificate& one, const std::string& fingerprint) {
                                            return one.fingerprint < fingerprint;
                                        });
    return found != all.end() && *found == certificate;
}

bool belongs(const Decision& decision, const SealedCopy& copy) {
    return decision.handling == Handling::sealed && decision.certificate &&
           has(copy.certificates, *decision.certificate);
}

bool belongs(const Decision& decision, const ClearCopy& /*copy*/) {
    return (decision.handling == Handling::clear || decision.handling == Handling::untouched) &&
           !decision.certificate;
}

} // namespace

std::string_view to_string(Handling handling) noexcept {
    switch (handling) {
    case Handling::sealed:
        return "sealed";
    case Handling::clear:
        return "clear";
    case Handling::untouched:
        return "untouched";
    case Handling::served:
        return "served";
    case Handling::refused:
        return "refused";
    case Handling::deferred:
        return "deferred";
    }
    return "deferred";
}

std::string_view to_string(Outcome outcome) noexcept {
    switch (outcome) {
    case Outcome::pass:
        return "pass";
    case Outcome::deliver:
        return "deliver";
    case Outcome::refuse:
        return "refuse";
    case Outcome::defer:
        return "defer";
    }
    return "defer";
}

std::string name_of(const Decision& decision, const Transaction& transaction) {
    return decision.address ? decision.address->to_string()
                            : transaction.recipients.at(decision.recipient).raw;
}

std::string mailbox_of(const Decision& decision, const Transaction& transaction) {
    return decision.via.empty() ? transaction.recipients.at(decision.recipient).mailbox()
                                : decision.address.value().to_string();
}

const std::vector<std::size_t>& decisions_of(const Copy& copy) noexcept {
    const auto* sealed = std::get_if<SealedCopy>(&copy);
    return sealed != nullptr ? sealed->decisions : std::get_if<ClearCopy>(&copy)->decisions;
}

bool Plan::changes_recipients() const noexcept {
    return !expanded.empty() || count(Handling::served) > 0;
}

std::size_t Plan::count(Handling handling) const noexcept {
    return static_cast<std::size_t>(
        std::count_if(decisions.begin(), decisions.end(),
                      [&](const Decision& decision) { return decision.handling == handling; }));
}

bool Plan::refuses_addresses_alone() const noexcept {
    return count(Handling::refused) > 0 &&
           std::none_of(decisions.begin(), decisions.end(), [](const Decision& decision) {
               return decision.handling == Handling::refused && decision.address;
           });
}

void check_copies(const Plan& plan) {
    if (plan.outcome == Outcome::pass &&
        (plan.decisions.empty() || !plan.copies.empty() || plan.changes_recipients() ||
         plan.count(Handling::clear) + plan.count(Handling::untouched) != plan.decisions.size())) {
        throw std::logic_error("a message is to pass that was not decided to be clear for everybody");
    }
    std::set<std::size_t> seen;
    for (const auto& copy : plan.copies) {
        for (const auto index : decisions_of(copy)) {
            const auto& decision = plan.decisions.at(index);
            const bool right = std::visit([&](const auto& one) { return belongs(decision, one); }, copy);
            if (!right || !seen.insert(index).second) {
                throw std::logic_error(
                    fmt::format("a copy is not what was decided for recipient {}", decision.recipient + 1));
            }
        }
    }
    const auto untouched = plan.count(Handling::untouched);
    if (untouched > 0 && untouched + plan.count(Handling::served) != plan.decisions.size()) {
        throw std::logic_error("a message is untouched for some of its recipients only");
    }
    if (plan.outcome == Outcome::deliver &&
        seen.size() + plan.count(Handling::served) != plan.decisions.size()) {
        throw std::logic_error("a recipient is in no copy");
    }
}

} // namespace lockbox::policy
