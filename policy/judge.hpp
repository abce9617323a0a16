// The judgement: a pure function from an inquiry, certificates and time to a plan.
#pragma once

#include "policy/inquiry.hpp"
#include "policy/plan.hpp"
#include "policy/search.hpp"

namespace lockbox::policy {

/// No I/O, no clock, no milter protocol. Decides about every recipient of the envelope. A transaction without
/// recipients is deferred: nothing was decided about anybody. A view without an address that is needed throws
/// std::logic_error: a keyring that was not asked must not look like one that has nothing.
[[nodiscard]] Plan judge(const Inquiry& inquiry, const KeyringView& view, Time now);

/// The refusal where Plan::removes_tls_required, and there is no way back for the copies: 550 5.7.10.
constexpr std::string_view asks_to_do_without_tls = "Message asks to be delivered without TLS, which is "
                                                    "required here: send it without the field TLS-Required";

} // namespace lockbox::policy
