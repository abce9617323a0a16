// What the signer of a CMS SignedData signs beside the content (RFC 5652 §11).
#pragma once

#include "base/time.hpp"
#include "crypto/openssl_handles.hpp"

#include <optional>

namespace lockbox::crypto {

/// signingTime (RFC 5652 §11.3): what the signer says. nullopt: nothing that can be read.
[[nodiscard]] std::optional<Time> signing_time(const CMS_SignerInfo* signer);

} // namespace lockbox::crypto
