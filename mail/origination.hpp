// What every message has when it sets out: Date and Message-ID.
#pragma once

#include "base/time.hpp"
#include "mail/header.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::mail {

/// Random octets for a Message-ID: 128 bit, so that no two are the same.
constexpr std::size_t message_id_octets = 16;

/// The Date and Message-ID fields that `header` lacks (RFC 5322 §3.6), which a submission server may add (RFC
/// 6409 §8.2 and §8.3); none where both are there, whatever is in them.
///
/// Sendmail adds them after its milters: what is sealed before has to get them here, or they are outside
/// only. They have to be added to the message as well as to what is sealed.
///
/// `random` gives message_id_octets from a generator that cannot be predicted, where they are needed. A
/// `host` that cannot stand in a Message-ID becomes localhost.
[[nodiscard]] std::vector<HeaderField> missing_origination_fields(const HeaderSection& header, Time now,
                                                                  const std::function<std::string()>& random,
                                                                  std::string_view host);

} // namespace lockbox::mail
