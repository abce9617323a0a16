// How a message leaves whose plan is to deliver: edited in place, or as copies that are handed back.
#pragma once

#include "mail/outer_fields.hpp"
#include "policy/config.hpp"
#include "policy/plan.hpp"
#include "policy/policy.hpp"
#include "policy/transaction.hpp"

#include <cstddef>
#include <string>

namespace lockbox::policy {

/// Fields that are changed or removed in place where the message could be handed back instead. Postfix looks
/// for each of them from the beginning of its queue file, so that the time grows with the square of their
/// number: 100 cost some milliseconds. Ordinary messages have fewer.
constexpr std::size_t field_edits_unless_handed_back = 100;

/// Fields that are changed or removed in place at all: some tenths of a second of Postfix. Mail that passed
/// several filters and lists has some 200.
constexpr std::size_t field_edits_most = 1000;

/// What the configuration has for copies.
struct Ways {
    DeliveryMode delivery = DeliveryMode::automatic;
    bool can_hand_back = false; ///< there is a reinjection listener
    bool shows_route = false;   ///< the MTA's routing is told what may go on
};
[[nodiscard]] Ways ways_of(const Config& config) noexcept;

enum class WayOut {
    in_place,       ///< one burst of edits does what the plan says
    handed_back,    ///< all copies go to the reinjection listener, whether there is one or not
    too_many_edits, ///< in place it would take more than field_edits_most, and there is no listener
};

/// The way of a message that `plan` wants delivered; the one place that decides it. Beside what the plan
/// demands, a message is handed back
/// - where a route is shown to the MTA and `delivery` does not ask for edits in place: a milter that dies in
///   the middle of its edits leaves a message half sealed, and some MTAs are told to send it then;
/// - where the edits are many.
[[nodiscard]] WayOut way_out(const Plan& plan, const Transaction& transaction,
                             const mail::OuterFields& outer_fields, const Ways& ways);

/// Whether so many fields of ours that strangers have sent with the message can be removed from it. It goes
/// on otherwise unchanged.
[[nodiscard]] bool can_remove_foreign_routes(const Transaction& transaction) noexcept;

/// For the sender of a message that has too many.
[[nodiscard]] std::string too_many_edits();

} // namespace lockbox::policy
