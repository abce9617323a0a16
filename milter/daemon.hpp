// Becoming a daemon without losing the errors of its start.
#pragma once

#include <functional>

namespace lockbox::milter {

/// Runs `work` in a child that leaves its terminal and session. This process ends as soon as the child calls
/// `ready` (status 0), or with the child's own status when that ends before: what is wrong at start is said
/// on standard error and in the exit status of the command, as in the foreground. In the child it returns
/// only when `work` does. Throws Error(io) when there can be no child.
void run_as_daemon(const std::function<void(const std::function<void()>& ready)>& work);

} // namespace lockbox::milter
