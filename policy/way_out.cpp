#include "policy/way_out.hpp"

#include "mail/protection.hpp"

#include <fmt/format.h>

#include <variant>

namespace lockbox::policy {
namespace {

/// What the MTA has to look for. Fields that are only added cost it nothing that grows.
std::size_t field_edits_of(const Transaction& transaction, const SealedCopy& copy,
                           const mail::OuterFields& outer_fields) {
    // Each field is edited once at most: a message of few fields need not be taken apart for this.
    const auto bound = transaction.header.fields().size() + transaction.foreign_routes;
    if (bound <= field_edits_unless_handed_back) {
        return bound;
    }
    const auto protection =
        mail::protect(transaction.header, transaction.body, copy.outer_subject, outer_fields);
    return protection.outer.changes.size() + transaction.foreign_routes;
}

/// The plan is one sealed copy for all the envelope's recipients.
const SealedCopy* only_copy_of(const Plan& plan) noexcept {
    return plan.copies.size() == 1 && !plan.changes_recipients() && !plan.removes_tls_required
               ? std::get_if<SealedCopy>(&plan.copies.front())
               : nullptr;
}

} // namespace

Ways ways_of(const Config& config) noexcept {
    return {config.delivery, config.reinject.has_value(), config.route_secret.has_value()};
}

WayOut way_out(const Plan& plan, const Transaction& transaction, const mail::OuterFields& outer_fields,
               const Ways& ways) {
    const auto* copy = only_copy_of(plan);
    const bool shows_half_edits =
        ways.shows_route && ways.can_hand_back && ways.delivery == DeliveryMode::automatic;
    if (copy == nullptr || ways.delivery == DeliveryMode::reinject || shows_half_edits) {
        return WayOut::handed_back;
    }
    const auto edits = field_edits_of(transaction, *copy, outer_fields);
    if (ways.can_hand_back) {
        return edits > field_edits_unless_handed_back ? WayOut::handed_back : WayOut::in_place;
    }
    return edits > field_edits_most ? WayOut::too_many_edits : WayOut::in_place;
}

bool can_remove_foreign_routes(const Transaction& transaction) noexcept {
    return transaction.foreign_routes <= field_edits_most;
}

std::string too_many_edits() {
    return fmt::format("Message has more than {} header fields that would have to be changed or removed",
                       field_edits_most);
}

} // namespace lockbox::policy
