// What is under the encryption of a message that GnuPG decrypted and did not understand.
#pragma once

#include "base/secret.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace lockbox::crypto {

/// The packets in a message whose container is SEIPD of version 1, opened with its session key as GnuPG
/// writes that ("9:0A1B…"). nullopt: the MDC is wrong (RFC 9580 §5.13.1), or it is another container, or a
/// cipher other than AES.
[[nodiscard]] std::optional<Secret> authenticated_contents(std::string_view packets,
                                                           std::string_view session_key);

/// In words, what in these packets GnuPG may not know: "a signature of version 6 (RFC 9580)". nullopt:
/// nothing.
[[nodiscard]] std::optional<std::string> unknown_to_gnupg(std::string_view contents);

} // namespace lockbox::crypto
