// The addresses that a certificate is for.
#pragma once

#include "crypto/openssl_handles.hpp"
#include "mail/address.hpp"

#include <string>
#include <vector>

namespace lockbox::crypto {

/// The octets of a string in a certificate, whatever its type.
[[nodiscard]] std::string text_of(const ASN1_STRING* string);

/// Addresses in the subject alternative name: rfc822Name (RFC 5280 §4.2.1.6) and SmtpUTF8Mailbox (RFC 9598).
/// Whether they are addresses is not looked at.
[[nodiscard]] std::vector<std::string> alternative_addresses(const X509* certificate);

/// emailAddress in the subject: where they stood before there were alternative names.
[[nodiscard]] std::vector<std::string> subject_addresses(const X509* certificate);

/// What of these is an address (RFC 8550 §3): of the alternative names, and of the subject only where they
/// have none.
[[nodiscard]] std::vector<mail::Address> addresses_of(const X509* certificate);

} // namespace lockbox::crypto
