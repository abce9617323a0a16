// What went wrong, named by what the caller does next.
#pragma once

#include <stdexcept>
#include <string>

namespace lockbox {

/// Each kind has one exit status (base/exit_status.hpp) and one meaning for the mail system.
enum class ErrorKind {
    usage,           ///< the command line is wrong
    configuration,   ///< the configuration file is wrong: the text names file and line
    malformed,       ///< message or certificate data is not what it should be
    no_input,        ///< a file is missing or cannot be read
    no_certificate,  ///< there is no usable certificate for somebody
    no_secret_key,   ///< none of the reader's secret keys opens the message
    nothing_to_open, ///< the message is not sealed
    too_large,       ///< a named limit was exceeded
    unavailable,     ///< something that must be there is not: a keyring, a socket directory
    io,              ///< reading or writing failed
    engine,          ///< GnuPG, librnp or OpenSSL failed
    busy,            ///< somebody else holds it; a later try may succeed
    permission,      ///< the operating system forbids it
};

/// The one exception type of Lockbox. what() is a sentence without "error:" for an operator or a person at
/// a terminal; it never contains message content or a secret. hint() says what to do next, or is empty.
class Error : public std::runtime_error {
public:
    Error(ErrorKind kind, const std::string& what, std::string hint = {})
        : std::runtime_error(what), kind_(kind), hint_(std::move(hint)) {}

    [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }
    [[nodiscard]] const std::string& hint() const noexcept { return hint_; }

private:
    ErrorKind kind_;
    std::string hint_;
};

} // namespace lockbox
