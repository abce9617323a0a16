#include "policy/plan.hpp"

namespace lockbox::policy {

std::string_view to_string(Handling handling) noexcept {
    switch (handling) {
    case Handling::sealed:
        return "sealed";
    case Handling::clear:
        return "clear";
    case Handling::refused:
        return "refused";
    case Handling::deferred:
        return "deferred";
    }
    return "deferred";
}

std::string mailbox_of(const Decision& decision, const Transaction& transaction) {
    return decision.via.empty() ? transaction.recipients.at(decision.recipient).mailbox() : decision.address;
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

} // namespace lockbox::policy
