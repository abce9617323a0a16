// From decisions about people to the copies of a message: who gets the same bytes.
#pragma once

#include "policy/plan.hpp"
#include "policy/transaction.hpp"

#include <vector>

namespace lockbox::policy {

/// Recipients named in To or Cc whose sealed copies would be the same share one, in the order of protocols;
/// everybody else who is sealed to gets a copy of their own; the clear copy comes last. Each decision but
/// those `served` is in one copy. Throws std::logic_error where somebody is refused or deferred.
[[nodiscard]] std::vector<Copy> copies_for(const Transaction& transaction,
                                           const std::vector<Decision>& decisions);

} // namespace lockbox::policy
