// The exit status contract of both programs, as lockbox(1) and lockbox-milter(8) print it.
#pragma once

#include "base/error.hpp"

#include <sysexits.h>

namespace lockbox {

/// `lockbox decrypt` found nothing that is sealed.
constexpr int exit_nothing_to_open = 1;
/// `lockbox decrypt` and `lockbox read` opened something in a message that is not sealed as a whole.
constexpr int exit_partly_sealed = 2;

/// `lockbox import` has stored something that waits for a person; mail goes on as before.
constexpr int exit_pending = 2;
/// `lockbox pending` and `lockbox expiring` found something.
constexpr int exit_something_found = 1;

/// The sysexits(3) status for an error.
[[nodiscard]] constexpr int exit_status(ErrorKind kind) noexcept {
    switch (kind) {
    case ErrorKind::usage:
        return EX_USAGE;
    case ErrorKind::configuration:
        return EX_CONFIG;
    case ErrorKind::malformed:
    case ErrorKind::too_large:
        return EX_DATAERR;
    case ErrorKind::no_input:
        return EX_NOINPUT;
    case ErrorKind::no_certificate:
        return EX_NOUSER;
    case ErrorKind::no_secret_key:
    case ErrorKind::permission:
        return EX_NOPERM;
    case ErrorKind::nothing_to_open:
        return exit_nothing_to_open;
    case ErrorKind::unavailable:
        return EX_UNAVAILABLE;
    case ErrorKind::io:
        return EX_IOERR;
    case ErrorKind::engine:
        return EX_SOFTWARE;
    case ErrorKind::busy:
        return EX_TEMPFAIL;
    }
    return EX_SOFTWARE;
}

} // namespace lockbox
