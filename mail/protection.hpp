// Header protection: RFC 9788 and the older "protected-headers" dialect, hcp_baseline (RFC 9788 §3.2.1).
//
// Sealing splits a header section in two: what goes inside, at the root of the Cryptographic Payload, and
// what is left outside. Opening puts it together again: see mail/restoration.hpp.
#pragma once

#include "mail/header.hpp"
#include "mail/header_edits.hpp"
#include "mail/outer_fields.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lockbox::mail {

/// The outer Subject of a sealed message.
constexpr std::string_view obscured_subject = "[...]";

/// What becomes of the Subject outside. Inside it is protected in either case.
enum class OuterSubject {
    obscured, ///< replaced by obscured_subject (RFC 9788 §3.2.1, hcp_baseline)
    kept,     ///< left readable, for readers that never show the one inside (RFC 9788 §3.2.3)
};

/// Longer fields are not copied inside where they stay visible outside: Postfix cuts what it shows to a
/// milter at about 60,000 octets (its KLUDGE_HEADER_LIMIT), and half a list of recipients would hide the
/// whole one. Of a field that is inside only, what is shown is what there is: leaving it outside would tell
/// what it says.
constexpr std::size_t protected_field_octets_max = 59'000;

/// What sealing makes of a header section.
struct ProtectedHeader {
    /// The header section of the payload with CRLF line ends, the empty line included. The body follows it.
    std::string payload_header;
    /// What follows the body; nearly always empty. A Content-Type that cannot be parsed cannot get the
    /// parameters that make readers show the protected Subject. The original entity, its Content-* fields
    /// untouched, is then the only part of a multipart/mixed: payload_header ends with that part's header
    /// section, and this closes it.
    std::string payload_trailer;
    /// What has to change outside: everything removed that OuterFields does not contain, Subject obscured
    /// unless it is kept. The sealed message's own MIME-Version and Content-Type are not in it: see
    /// outer_edits().
    HeaderEdits outer;
};

/// Splits the header section of a message that is not sealed. `body` is looked at only for 8-bit bytes (where
/// the original has no Content-Type), for the header of a signed message's first part, and for a boundary
/// that does not occur in it (where the Content-Type cannot be parsed).
///
/// DKIM, DomainKeys and ARC signatures that are there already fit the message as it was. They go inside, byte
/// for byte, so that the opened message verifies again. Outside they would look broken, and tell: a body
/// digest confirms a guess, and DKIM's z= tag repeats the Subject. What others found out about them
/// (Authentication-Results) stays outside.
///
/// A field that is inside only stands there with its exact bytes and in no HP-Outer: confidential by removal
/// (RFC 9788 §2.2.2).
///
/// A signed message (multipart/signed, signed S/MIME) is wrapped untouched. The payload's root claims no
/// protection, which would look like the signature's. It has the structural fields and the fields that are
/// inside only, which no signature covered outside either. The Subject stays outside unless the signed part
/// carries one with protected headers itself.
[[nodiscard]] ProtectedHeader protect(const HeaderSection& header, std::string_view body,
                                      OuterSubject outer_subject = OuterSubject::obscured,
                                      const OuterFields& outer_fields = {});

/// What can be read of a header section once the message is sealed: names, each once as it is first written,
/// in their order. The structural fields are those of the sealed form, and in neither; nor is Bcc.
struct Exposure {
    std::vector<std::string> outside;
    std::vector<std::string> inside_only; ///< Subject among them where it is obscured
};
/// Of what protect() would make of that message.
[[nodiscard]] Exposure exposure_of(const HeaderSection& header, std::string_view body,
                                   OuterSubject outer_subject, const OuterFields& outer_fields);

/// `protection.outer` completed by the sealed message's one MIME-Version and its Content-Type (and, where not
/// empty, further structural fields such as Content-Transfer-Encoding).
[[nodiscard]] HeaderEdits outer_edits(const ProtectedHeader& protection, const HeaderSection& original,
                                      const std::vector<HeaderField>& structural);

} // namespace lockbox::mail
