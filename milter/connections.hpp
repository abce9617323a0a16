// The connections of MTAs: a thread for each, which ends with it.
#pragma once

#include "base/descriptor.hpp"
#include "milter/conversation.hpp"

#include <chrono>

namespace lockbox::milter {

/// An MTA that is silent for longer has vanished: more than the two hours in which Postfix keeps an idle
/// smtpd.
constexpr std::chrono::seconds idle_max{7210};

/// Accepts and serves, for as long as the process lives; `shared` must, too. Where descriptors, memory or
/// threads are short, it says so and goes on with what there is. Throws Error(engine) where the socket itself
/// is broken.
[[noreturn]] void serve(const Descriptor& listening, Shared& shared);

/// One connection, until one of both sides ends it. Throws nothing: what goes wrong is in the log.
void serve_connection(const Descriptor& connection, Shared& shared) noexcept;

} // namespace lockbox::milter
