#include "milter/worker_nudge.hpp"

#include "base/descriptor.hpp"
#include "base/error.hpp"

#include <thread>

namespace lockbox::milter {

WorkerNudge::WorkerNudge(int listening, const Slots& judged) : judged_(&judged) {
    if (::getsockname(listening, reinterpret_cast<sockaddr*>(&address_), &size_) != 0) { // NOLINT: POSIX
        throw Error(ErrorKind::engine, "the milter's own socket has no name");
    }
}

void WorkerNudge::run() const noexcept {
    bool were_judged = false;
    while (true) {
        std::this_thread::sleep_for(nudge_interval);
        const bool are_judged = judged_->taken() > 0;
        if (are_judged && were_judged) {
            nudge();
        }
        were_judged = are_judged;
    }
}

void WorkerNudge::nudge() const noexcept {
    const Descriptor connection(::socket(address_.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (connection) {
        (void)::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address_),
                        size_); // NOLINT: POSIX
    }
}

} // namespace lockbox::milter
